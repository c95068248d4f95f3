import { accountsWithoutTenant } from '../../../src/messaging/validate';
import { Shop } from '../../support/shop';
import { openSinks } from '../../support/sinks';

jest.setTimeout(60_000);

test.each(['seed', 'repo'] as const)('accounts whose tenant does not exist, profile %s', async (profile) => {
  const world = await openSinks(profile);
  try {
    const t = new Shop(world);
    await t.tenants(t.tenantEvent(1), t.tenantEvent(2), t.tenantEvent(2, null));
    await world.rows(
      `INSERT INTO accounts (ventia_tenant_id, name, created_at, updated_at)
       VALUES ($1::text::${world.catalog.types.tenant}, 'De nadie', now(), now())`,
      [t.ids.id(3)],
    );
    const found = await accountsWithoutTenant(world.database, world.catalog);
    expect(found.map(({ tenantId, tenant }) => [tenantId, tenant]).sort()).toEqual([
      [t.ids.id(2), 'deleted'],
      [t.ids.id(3), 'unknown'],
    ]);
    expect(found.find(({ tenant }) => tenant === 'unknown')!.accountId).toBe((await t.account(3)).id);
  } finally {
    await world.close();
  }
});
