import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { readMigrations } from '../../../src/postgres/migrations';
import { createSeedDatabase, withClient } from '../../support/databases';
import { Shop } from '../../support/shop';
import { openSinks } from '../../support/sinks';

jest.setTimeout(60_000);

const LEDGER = join(__dirname, '../../../schemas/sql/ledger');
const up = async (client: Client) => {
  for (const { sql } of await readMigrations(LEDGER)) await client.query(sql);
};
const down = async (client: Client) => {
  for (const { file } of (await readMigrations(LEDGER)).reverse())
    await client.query(await readFile(join(LEDGER, file.replace('.sql', '.down.sql')), 'utf8'));
};

const objects = async (client: Client) =>
  (
    await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c WHERE relnamespace = 'cdc'::regnamespace ORDER BY 1`,
    )
  ).rows.map(({ name }) => name);

test('the ledger goes down without a trace of its own, and up again', async () => {
  const databases = await createSeedDatabase();
  try {
    await withClient(databases.messagingUrl, async (client) => {
      await up(client);
      const before = await objects(client);
      await client.query('CREATE TABLE cdc.of_somebody_else ()');
      await down(client);
      expect(await objects(client)).toEqual(['of_somebody_else']);
      await client.query('DROP TABLE cdc.of_somebody_else');
      await up(client);
      expect(await objects(client)).toEqual(before);
    });
  } finally {
    await databases.drop();
  }
});

test('its views say what waits, since when, and what was not written', async () => {
  const world = await openSinks('repo');
  try {
    const t = new Shop(world);
    await t.open();
    const event = t.orderEvent(1, { tenant: 2, email: 'a@g.com' });
    await t.orders({ ...event, commitTime: BigInt(Date.now() - 3_600_000) * 1000n });
    const [parked] = await world.rows(
      `SELECT order_id, tenant_id, extract(epoch FROM age)::int / 60 AS minutes FROM cdc.parked_orders`,
    );
    expect(parked).toEqual({ order_id: t.ids.id(101), tenant_id: t.ids.id(2), minutes: 60 });
    await t.order(2, { phone: '987654321', email: 'fam@g.com' });
    await t.order(3, { phone: '912345678', email: 'fam@g.com' });
    expect(await world.rows('SELECT reason, orders FROM cdc.conflict_summary')).toEqual([
      { reason: 'email_shared_different_phone', orders: '1' },
    ]);
  } finally {
    await world.close();
  }
});

test('no migration of the application is refused because of it', async () => {
  const world = await openSinks('seed');
  try {
    await world.rows('ALTER TABLE contacts ALTER COLUMN phone_number TYPE text');
    await world.rows('ALTER TABLE contacts DROP COLUMN email');
    await world.rows('DROP TABLE contacts CASCADE');
  } finally {
    await world.close();
  }
});
