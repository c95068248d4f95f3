import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../../src/core/ports/sql';
import { type DevDatabases, prepareDatabases } from '../../../src/dev/databases';
import { DEMO_SCHEMAS, type Profile } from '../../../src/dev/demo-schema';
import { startShop } from '../../../src/dev/shop/player';
import { ShopDatabase } from '../../../src/dev/shop/shop-database';
import { playShop } from '../../../src/dev/shop/story';
import { TENANTS } from '../../../src/dev/shop/tenants';
import { choosePorts } from '../../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../../src/dev/stack/postgres';
import { openDatabase } from '../../../src/postgres/database';
import { eventually } from '../../support/wait';

/** A server of its own: database and role names are fixed here, and it is restarted. */
describe.each<Profile>(['seed', 'repo'])('profile %s', (profile) => {
  const dir = mkdtempSync(join(tmpdir(), 'ventia-cdc-shop-'));
  const { ventia, messaging: messagingSchema } = DEMO_SCHEMAS[profile];
  let postgres: Postgres;
  let urls: DevDatabases;
  let source: Database;
  let messaging: Database;

  beforeAll(async () => {
    const { port } = await choosePorts({ port: 0 });
    postgres = await startPostgres({ dir, port, settings: { fsync: 'off' } });
    urls = await prepareDatabases(postgres.url, profile);
    source = openDatabase(urls.sourceAdminUrl, 'source', { applicationName: 'shop test' });
    messaging = openDatabase(urls.messagingAdminUrl, 'messaging', { applicationName: 'shop test' });
  }, 60_000);

  afterAll(async () => {
    await Promise.all([source.close(), messaging.close()]);
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('databases are prepared once, and the roles can log in', async () => {
    expect(await prepareDatabases(postgres.url, profile)).toEqual(urls);
    for (const [url, relation] of [
      [urls.sourceUrl, `${ventia}.orders`],
      [urls.messagingUrl, `${messagingSchema}.contacts`],
    ] as const) {
      const db = openDatabase(url, 'source', { applicationName: 'shop test', max: 1 });
      const [row] = await db
        .query<{ may: boolean }>(`SELECT has_any_column_privilege($1, 'SELECT') AS may`, [relation])
        .finally(() => db.close());
      expect(row!.may).toBe(true);
    }
  });

  test('the tables are what the story says', async () => {
    const shop = await ShopDatabase.open(source, messaging, profile);
    const statuses = new Map<number, unknown>();
    const story = playShop(11);
    for (let i = 0; i < 800; i++) {
      const action = story.next().value;
      await shop.perform(source, action);
      if (action.kind === 'insert order') statuses.set(action.order, action.values.status);
      else if (action.kind === 'update order' && 'status' in action.values)
        statuses.set(action.order, action.values.status);
      else if (action.kind === 'delete order') statuses.delete(action.order);
    }
    const rows = await source.query<{ status: string; count: number }>(
      `SELECT status, count(*)::int FROM ${ventia}.orders GROUP BY status`,
    );
    const expected: Record<string, number> = {};
    for (const status of statuses.values()) expected[String(status)] = (expected[String(status)] ?? 0) + 1;
    expect(Object.fromEntries(rows.map(({ status, count }) => [status, count]))).toEqual(expected);
    expect(await shop.countOrders()).toBe(statuses.size);
  });

  test('an agent edits the contact of his tenant, found by phone or e-mail', async () => {
    const [tenant] = await source.query<{ id: string }>(`SELECT id::text FROM ${ventia}.tenants WHERE slug = $1`, [
      TENANTS[0]!.slug,
    ]);
    await messaging.query(
      `WITH account AS (
         INSERT INTO ${messagingSchema}.accounts (name, ventia_tenant_id, created_at, updated_at)
         VALUES ('x', $1, now(), now()) RETURNING id)
       INSERT INTO ${messagingSchema}.contacts (account_id, name, email, phone_number, created_at, updated_at)
       SELECT id, 'Ana', 'ana@correo.pe', '+51987654321', now(), now() FROM account
       UNION ALL SELECT id, 'Luis', 'Luis@correo.pe', NULL, now(), now() FROM account`,
      [tenant!.id],
    );
    const shop = await ShopDatabase.open(source, messaging, profile);
    const opening = playShop(1).next().value;
    await shop.perform(source, opening);
    const edit = { kind: 'edit contact', tenant: 0 } as const;
    await shop.perform(source, { ...edit, phone: '+51987654321', email: 'x@y.pe', values: { name: 'Ana VIP' } });
    await shop.perform(source, { ...edit, phone: null, email: 'luis@correo.pe', values: { email: 'l@correo.pe' } });
    expect(await messaging.query(`SELECT name, email FROM ${messagingSchema}.contacts ORDER BY name`)).toEqual([
      { name: 'Ana VIP', email: 'ana@correo.pe' },
      { name: 'Luis', email: 'l@correo.pe' },
    ]);
  });

  test('plays at its rate, waits while the database is away, and stops at once', async () => {
    const shop = await startShop(source, messaging, { profile, rate: 100 });
    const startedMs = performance.now();
    await eventually(() => shop.totals().actions >= 100);
    expect(performance.now() - startedMs).toBeGreaterThan(900);

    await postgres.stop();
    await eventually(() => shop.totals().refused > 0);
    postgres = await startPostgres({ dir, port: postgres.port, settings: { fsync: 'off' } });
    const { actions } = shop.totals();
    await eventually(() => shop.totals().actions > actions + 50);

    const stoppingMs = performance.now();
    await shop.stop();
    expect(performance.now() - stoppingMs).toBeLessThan(1_500);
  }, 60_000);

  test('a rate beyond single statements is reached by transactions of several', async () => {
    const shop = await startShop(source, messaging, { profile, rate: 1_000, seed: 5 });
    const startedMs = performance.now();
    await eventually(() => shop.totals().actions >= 1_000, { timeoutMs: 20_000 });
    await shop.stop();
    expect(performance.now() - startedMs).toBeGreaterThan(900);
    expect(shop.totals().refused).toBe(0);
  }, 30_000);
});
