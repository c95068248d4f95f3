import { CdcError } from '../../../src/core/errors';
import { EPOCH_US } from '../../support/events';
import { Shop } from '../../support/shop';
import { fingerprint, openSinks, type SinkWorld, untilSinkWaits } from '../../support/sinks';
import { vectorsOf } from '../../support/vectors';

jest.setTimeout(60_000);

const p = '987654321';
const P = '+51987654321';

const labelsOf = async (t: Shop, n = 1) => {
  const { id } = await t.account(n);
  return t.world.rows('SELECT * FROM labels WHERE account_id::text = $1 ORDER BY title', [id]);
};

describe.each(['seed', 'repo'] as const)('account vectors, profile %s', (profile) => {
  const { vector, complete } = vectorsOf('Tenants to accounts', profile);
  let world: SinkWorld;
  let t: Shop;
  beforeAll(async () => {
    world = await openSinks(profile);
  });
  afterAll(() => world.close());
  beforeEach(() => {
    t = new Shop(world);
  });

  vector('A01', 'a tenant becomes an account with its system labels', async () => {
    expect(await t.open()).toMatchObject({ applied: 1, created: 1, updated: 0 });
    expect(await t.account()).toMatchObject({ name: 'Empresa Demo SAC', status: 0, locale: 'en', settings: {} });
    expect(await labelsOf(t)).toMatchObject([
      { title: 'en-revisión', color: '#FF9800', system: true },
      { title: 'soporte-humano', color: '#E91E63', system: true },
    ]);
    const rows = await world.rows(
      'SELECT created_at::text, updated_at IS NOT NULL AS touched FROM accounts WHERE name = $1',
      ['Empresa Demo SAC'],
    );
    expect(rows.at(-1)).toEqual({ created_at: '2026-01-01 00:00:00', touched: true });
  });

  vector('A02', 'the same event twice, and the whole topic again, writes nothing', async () => {
    const event = t.tenantEvent();
    await t.tenants(event, event);
    await t.tenants(t.tenantEvent(1, { name: 'Otra' }), t.tenantEvent(2), t.tenantEvent(2, null));
    const before = await fingerprint(world);
    expect(await t.tenants(event)).toMatchObject({ applied: 0, stale: 1, writes: 0 });
    for (const result of await t.replay()) expect(result).toMatchObject({ applied: 0, writes: 0 });
    expect(await fingerprint(world)).toEqual(before);
  });

  for (const [name, slug, expected] of [
    ['  Empresa Demo SAC ', 'x', 'Empresa Demo SAC'],
    ['', 'demo', 'demo'],
    [' \u00a0', ' ', null],
  ] as const) {
    vector('A03', `name ${JSON.stringify(name)}, slug ${JSON.stringify(slug)}`, async () => {
      await t.open(1, { name, slug });
      expect((await t.account()).name).toBe(expected ?? `Tenant ${t.ids.id(1)}`);
    });
  }

  vector('A04', 'a renamed tenant renames its account; an agent renames until the tenant does', async () => {
    await t.open();
    await t.open(1, { name: 'Nueva SAC' });
    const { id, name } = await t.account();
    expect(name).toBe('Nueva SAC');
    await world.rows(`UPDATE accounts SET name = 'Del agente' WHERE id::text = $1`, [id]);
    await t.open(1, { name: 'Nueva SAC', timezone: 'America/Bogota' });
    expect((await t.account()).name).toBe('Del agente');
    await t.open(1, { name: 'Tercera SAC' });
    expect((await t.account()).name).toBe('Tercera SAC');
  });

  vector('A06', 'inactive suspends, active again releases; contacts are untouched', async () => {
    await t.open();
    await t.order(1, { phone: p });
    const contacts = await t.contacts();
    await t.open(1, { is_active: false });
    expect((await t.account()).status).toBe(1);
    await t.open(1, { is_active: true });
    expect((await t.account()).status).toBe(0);
    expect(await t.contacts()).toEqual(contacts);
  });

  vector('A06', 'inactive.suspends = false leaves the status alone', async () => {
    const lenient = new Shop(world, await world.sinksWith({ inactiveSuspends: false }));
    await lenient.open(1, { is_active: false });
    expect((await lenient.account()).status).toBe(0);
    await lenient.tenants(lenient.tenantEvent(1, null));
    expect((await lenient.account()).status).toBe(0);
  });

  vector('A07', 'a tenant deleted with its orders keeps account and contacts', async () => {
    await t.open();
    for (const n of [1, 2, 3]) await t.order(n, { phone: p });
    const lsn = 0x7fff_0000n;
    await t.tenants(t.tenantEvent(1, null, { lsn }));
    await t.orders(...[1, 2, 3].map((n) => t.orderEvent(n, null, { lsn, seq: BigInt(n) })));
    expect((await t.account()).status).toBe(1);
    expect(await t.contacts()).toMatchObject([{ phone: P, attributes: { total_orders: 0 } }]);
    expect(await world.rows('SELECT FROM cdc.dead_letter')).toEqual([]);
  });

  vector('A07', 'a tenant comes back: status from is_active', async () => {
    await t.open();
    await t.tenants(t.tenantEvent(1, null));
    await t.open(1, { is_active: true });
    expect((await t.account()).status).toBe(0);
    await t.open(1, { is_active: false });
    await world.rows('UPDATE accounts SET status = 0 WHERE id::text = $1', [(await t.account()).id]);
    await t.tenants(t.tenantEvent(1, null));
    expect((await t.account()).status).toBe(1);
  });

  const apiAccount = (values: Record<string, unknown> = {}) => {
    const columns = { ventia_tenant_id: t.ids.id(1), name: 'Por la API', ...values };
    const names = Object.keys(columns);
    return world.rows(
      `INSERT INTO accounts (${names.join(', ')}, created_at, updated_at)
       VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')}, now(), now())`,
      Object.values(columns),
    );
  };

  vector('A09', 'an account made by the API is adopted, its missing labels added', async () => {
    await apiAccount();
    const { id } = await t.account();
    await world.rows(
      `INSERT INTO labels (title, color, account_id, created_at, updated_at)
       SELECT 'soporte-humano', '#000000', id, now(), now() FROM accounts WHERE id::text = $1`,
      [id],
    );
    expect(await t.open()).toMatchObject({ created: 0, updated: 0, applied: 1 });
    expect(await t.account()).toMatchObject({ id, name: 'Por la API', status: 0 });
    expect(await labelsOf(t)).toMatchObject([{ title: 'en-revisión' }, { title: 'soporte-humano', color: '#000000' }]);
    await t.open(1, { name: 'Nueva SAC' });
    expect((await t.account()).name).toBe('Nueva SAC');
  });

  for (const [row, before] of [
    [{ is_active: false }, 0],
    [{ is_active: true }, 1],
  ] as const) {
    vector('A09', `adopting: ${JSON.stringify(row)}, status ${before} becomes 1`, async () => {
      await apiAccount({ status: before });
      await t.open(1, row);
      expect((await t.account()).status).toBe(1);
    });
  }

  vector('A09', 'a DELETE of an unknown tenant suspends an account that is there, and makes none', async () => {
    await t.tenants(t.tenantEvent(1, null), t.tenantEvent(2, null));
    await expect(t.account(2)).rejects.toThrow('0 accounts');
    await apiAccount();
    await t.tenants(t.tenantEvent(1, null));
    expect((await t.account()).status).toBe(1);
    await t.open(1, { is_active: true });
    expect(await t.account()).toMatchObject({ name: 'Por la API', status: 0 });
  });

  vector('A09', 'both writers at once: the API commits first', async () => {
    await world.client.query('BEGIN');
    await apiAccount();
    const applied = t.open();
    await untilSinkWaits(world);
    await world.client.query('COMMIT');
    expect(await applied).toMatchObject({ applied: 1, created: 0 });
    expect((await t.account()).name).toBe('Por la API');
    expect(await labelsOf(t)).toHaveLength(2);
  });

  vector('A09', 'a lost account comes back with a newer event only', async () => {
    const event = t.tenantEvent();
    await t.tenants(event);
    const { id } = await t.account();
    await world.rows('DELETE FROM labels WHERE account_id::text = $1', [id]);
    await world.rows('DELETE FROM accounts WHERE id::text = $1', [id]);
    await t.tenants(event);
    await expect(t.account()).rejects.toThrow('0 accounts');
    await t.open();
    expect((await t.account()).id).not.toBe(id);
    expect(await labelsOf(t)).toHaveLength(2);
  });

  vector(
    'A11',
    'orders wait for their tenant with their raw phone, then are placed in the order of the shop',
    async () => {
      await t.orders(
        t.orderEvent(2, { phone: '3001234567', name: 'Segundo', createdAt: EPOCH_US + 2n, tenant: 9 }),
        t.orderEvent(1, { phone: '300 123 4567', name: 'Primero', createdAt: EPOCH_US + 1n, tenant: 9 }),
        t.orderEvent(3, { phone: '3001234567', tenant: 9 }),
        t.orderEvent(3, null, { before: { tenant_id: t.ids.value(9) } }),
      );
      expect(await t.fact(1)).toMatchObject({ parked: true, phone: null, raw_phone: '300 123 4567', contact_id: null });
      expect(await world.rows("SELECT order_id, age > interval '0' AS aged FROM cdc.parked_orders")).toHaveLength(2);
      const result = await t.tenants(t.tenantEvent(9, { timezone: 'America/Bogota' }));
      expect(result).toMatchObject({ applied: 1, placed: 2, created: 2 });
      expect(await t.contacts(9)).toMatchObject([
        { phone: '+573001234567', name: 'Segundo', attributes: { total_orders: 2 } },
      ]);
      expect(await t.fact(1)).toMatchObject({ parked: false, phone: '+573001234567', raw_phone: null });
      expect(await t.fact(3)).toMatchObject({ deleted: true, contact_id: null });
    },
  );

  vector('A11', 'orders placed by the account that the application gave back', async () => {
    await t.open();
    const { id } = await t.account();
    await world.rows('DELETE FROM labels WHERE account_id::text = $1', [id]);
    await world.rows('DELETE FROM accounts WHERE id::text = $1', [id]);
    expect(await t.order(1, { phone: p })).toMatchObject({ parked: 1 });
    await apiAccount();
    expect(await t.order(2, { phone: p })).toMatchObject({ placed: 1, applied: 1 });
    expect(await t.contacts()).toMatchObject([{ phone: P, attributes: { total_orders: 2 } }]);
  });

  vector('A14', 'after a restore to another cluster, lower positions of a newer epoch apply', async () => {
    await t.tenants(t.tenantEvent(1, {}, { lsn: 0x7fff_ffff_0000n }));
    await t.tenants(t.tenantEvent(1, { name: 'Restaurada' }, { lsn: 1n, epoch: 2n }));
    expect((await t.account()).name).toBe('Restaurada');
    await t.tenants(t.tenantEvent(1, { name: 'Vieja' }, { lsn: 0x7fff_ffff_ffffn, epoch: 1n }));
    expect((await t.account()).name).toBe('Restaurada');
  });

  test('a platform tenant has an account, unless it is filtered', async () => {
    await t.open(1, { is_platform: true });
    expect((await t.account()).name).toBe('Empresa Demo SAC');
    const filtering = new Shop(world, await world.sinksWith({ platformTenants: false }));
    expect(await filtering.open(1, { is_platform: true })).toMatchObject({ writes: 0 });
    await expect(filtering.account()).rejects.toThrow('0 accounts');
  });

  test('a truncate suspends the accounts of its partition, and only older ones', async () => {
    await t.tenants(t.tenantEvent(1), t.tenantEvent(2));
    const truncate = t.tenantEvent(0, null, { op: 't' });
    await t.tenants(t.tenantEvent(2));
    await t.tenants(truncate);
    expect([(await t.account(1)).status, (await t.account(2)).status]).toEqual([1, 0]);
    const before = await fingerprint(world);
    expect(await t.tenants(truncate)).toMatchObject({ applied: 0, stale: 1, writes: 0 });
    expect(await fingerprint(world)).toEqual(before);
  });

  test('a tenant that cannot be written costs itself only', async () => {
    const bad = t.tenantEvent(1);
    await t.tenants(t.tenantEvent(2), { ...bad, after: { ...bad.after, created_at: 'soon' } }, t.tenantEvent(3));
    await t.account(2);
    await t.account(3);
    await expect(t.account(1)).rejects.toThrow('0 accounts');
    const id = profile === 'seed' ? 'not-a-uuid' : '99999999999';
    const result = await t.tenants({ ...bad, id }, t.tenantEvent(4));
    expect(result).toMatchObject({ applied: 1, deadLetters: 1 });
    await t.account(4);
    expect(
      await world.rows(`SELECT source_table, code, sql_state FROM cdc.dead_letter ORDER BY code DESC`),
    ).toMatchObject([
      { source_table: 'tenants', code: new CdcError('poison_order', '').code, sql_state: expect.stringMatching(/^22/) },
      { source_table: 'tenants', code: new CdcError('record_malformed', '').code },
    ]);
    await world.rows('DELETE FROM cdc.dead_letter');
  });

  if (profile === 'seed') {
    vector('A12', 'a uuid in any of its forms is one tenant', async () => {
      const id = t.ids.id(1);
      await t.tenants({ ...t.tenantEvent(1), id: id.toUpperCase() });
      await t.tenants({ ...t.tenantEvent(1, { name: 'Otra' }), id: `{${id}}` });
      expect((await t.account()).name).toBe('Otra');
      const event = t.orderEvent(1, { phone: p });
      await t.orders({
        ...event,
        id: event.id.toUpperCase(),
        after: { ...event.after, tenant_id: `{${id.toUpperCase()}}` },
      });
      expect(await t.contacts()).toMatchObject([{ phone: P }]);
      expect(await t.fact(1)).toMatchObject({ tenant_id: id });
    });
  }

  vector('A13', 'an older schema: without its columns the rest works', async () => {
    const older = await openSinks(
      profile,
      `ALTER TABLE accounts DROP COLUMN status; ALTER TABLE labels DROP COLUMN system;
       ALTER TABLE contacts DROP COLUMN contact_type; ALTER TABLE contacts DROP COLUMN last_activity_at;`,
    );
    try {
      const shop = new Shop(older);
      await shop.open(1, { is_active: false });
      await shop.tenants(shop.tenantEvent(1, { name: 'Otra' }), shop.tenantEvent(1, null));
      expect((await shop.account()).name).toBe('Otra');
      expect(await labelsOf(shop)).toHaveLength(2);
      await shop.order(1, { phone: p });
      await shop.order(2, { phone: p, name: 'Ana María' });
      const contacts = await older.rows('SELECT name, custom_attributes FROM contacts');
      expect(contacts).toEqual([{ name: 'Ana María', custom_attributes: { total_orders: 2 } }]);
    } finally {
      await older.close();
    }
  });

  complete();
});
