import type { Client } from 'pg';
import { createDemoDatabases, type DemoDatabases, withClient } from '../support/databases';
import { installTrigger, pollOrders } from '../support/old-way';
import { TestPipeline } from '../support/pipeline';

jest.setTimeout(60_000);

const TENANT = '11111111-1111-1111-1111-111111111111';

/** What happens in Ventia, one transaction each; after each the polling job has its turn. */
const EVENTS: readonly string[] = [
  `INSERT INTO ventia.tenants (id, name, slug) VALUES ('${TENANT}', 'Empresa Demo', 'demo')`,
  order('a1', 'Ana Pérez', '987654321', 'Ana@Gmail.com', 1),
  order('a2', 'Ana Pérez', '+51 987 654 321', 'ana@gmail.com', 2),
  order('a3', 'ANA PEREZ', '0051987654321', 'ana@gmail.com', 3),
  order('b1', 'Luis Rojas', '912345678', 'no-email-shopify-123@example.com', 1),
  order('b2', 'Luis Rojas', '912-345-678', 'luis@correo.pe', 2),
  order('c1', 'Rosa', '01 4445555', 'rosa@correo.pe', 1),
  `UPDATE ventia.orders SET status = 'Cancelado' WHERE order_number = 'a2'`,
  `UPDATE ventia.tenants SET name = 'Empresa Demo SAC' WHERE id = '${TENANT}'`,
];

function order(number: string, name: string, phone: string, email: string, count: number): string {
  const columns =
    'tenant_id, order_number, customer_name, customer_phone, customer_email, customer_id, customer_order_count, status';
  const customer = number[0]!;
  return `INSERT INTO ventia.orders (${columns})
    VALUES ('${TENANT}', '${number}', '${name}', '${phone}', '${email}', '${customer}', ${count}, 'Pagado')`;
}

describe('the old way beside the new', () => {
  let old: DemoDatabases;
  let pipeline: TestPipeline;

  beforeAll(async () => {
    [old, pipeline] = await Promise.all([createDemoDatabases('seed'), TestPipeline.create('seed')]);
    await withClient(old.sourceUrl, async (client) => {
      await installTrigger(client, old.schemas);
      for (const event of EVENTS) {
        await client.query(event);
        await pollOrders(client, client, old.schemas);
      }
    });
    await pipeline.setup();
    await pipeline.start().ready();
    await pipeline.source(async (client) => {
      for (const event of EVENTS) await client.query(event);
    });
    await pipeline.caughtUp();
  });
  afterAll(async () => {
    await pipeline?.drop();
    await old?.drop();
  });

  const contacts = async (client: Client) => {
    const { rows } = await client.query(
      `SELECT name, email, phone_number AS phone, (custom_attributes->>'total_orders')::int AS orders
       FROM messaging.contacts ORDER BY created_at, id`,
    );
    return rows;
  };
  const accounts = async (client: Client) =>
    (await client.query('SELECT name, (SELECT count(*)::int FROM messaging.labels) AS labels FROM messaging.accounts'))
      .rows;

  it('old: total_orders stays at its first value, phones are wrong, people are missing or double', async () => {
    expect(await withClient(old.messagingUrl, contacts)).toEqual([
      { name: 'Ana Pérez', email: 'ana@gmail.com', phone: '+987654321', orders: 1 },
      { name: 'Luis Rojas', email: 'no-email-shopify-123@example.com', phone: '+912345678', orders: 1 },
      { name: 'Rosa', email: 'rosa@correo.pe', phone: null, orders: 1 },
    ]);
    expect(await withClient(old.messagingUrl, accounts)).toEqual([{ name: 'Empresa Demo', labels: 0 }]);
  });

  it('new: each person once, with a number that can be called, and the orders that count', async () => {
    expect(await pipeline.messaging(contacts)).toEqual([
      { name: 'ANA PEREZ', email: 'ana@gmail.com', phone: '+51987654321', orders: 2 },
      { name: 'Luis Rojas', email: 'luis@correo.pe', phone: '+51912345678', orders: 2 },
      { name: 'Rosa', email: 'rosa@correo.pe', phone: null, orders: 1 },
    ]);
    expect(await pipeline.messaging(accounts)).toEqual([{ name: 'Empresa Demo SAC', labels: 2 }]);
  });
});
