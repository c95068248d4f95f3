import type { Client } from 'pg';
import { createDemoDatabases, type DemoDatabases, withClient } from '../../support/databases';
import { installTrigger, pollOrders } from '../../support/old-way';

jest.setTimeout(60_000);

describe('the old way', () => {
  let databases: DemoDatabases;
  beforeAll(async () => {
    databases = await createDemoDatabases('seed');
    await withClient(databases.sourceUrl, (client) => installTrigger(client, databases.schemas));
  });
  afterAll(() => databases.drop());

  const TENANT = '11111111-1111-1111-1111-111111111111';
  const inDatabase = <T>(work: (client: Client) => Promise<T>) => withClient(databases.sourceUrl, work);
  const order = (client: Client, phone: string | null, email: string | null, count: number) =>
    client.query(
      `INSERT INTO ventia.orders (tenant_id, customer_name, customer_phone, customer_email, customer_id, customer_order_count)
       VALUES ($1, 'Ana', $2, $3, '77', $4)`,
      [TENANT, phone, email, count],
    );
  const contacts = (client: Client) =>
    client.query(
      `SELECT email, phone_number, custom_attributes FROM messaging.contacts ORDER BY created_at, phone_number`,
    );

  it('the trigger makes an account, once and without labels, and never renames it', async () => {
    await inDatabase(async (client) => {
      await client.query(`INSERT INTO ventia.tenants (id, name, slug) VALUES ($1, 'Demo', 'demo')`, [TENANT]);
      await client.query(`UPDATE ventia.tenants SET name = 'Demo SAC' WHERE id = $1`, [TENANT]);
      expect((await client.query('SELECT name FROM messaging.accounts')).rows).toEqual([{ name: 'Demo' }]);
      expect((await client.query('SELECT FROM messaging.labels')).rowCount).toBe(0);
    });
  });

  it("the job is refused a customer's second order: total_orders stays at its first value, the phone is wrong", async () => {
    await inDatabase(async (client) => {
      await order(client, '987654321', 'Ana@Gmail.com', 1);
      expect(await pollOrders(client, client, databases.schemas)).toEqual({ created: 1, refused: 0 });
      await order(client, '987 654 321', 'ana@gmail.com', 2);
      expect(await pollOrders(client, client, databases.schemas)).toEqual({ created: 0, refused: 2 });
      expect((await contacts(client)).rows).toEqual([
        {
          email: 'ana@gmail.com',
          phone_number: '+987654321',
          custom_attributes: { ventia_customer_id: '77', total_orders: 1 },
        },
      ]);
    });
  });

  it('another way of writing her number, without e-mail, makes her a second contact', async () => {
    await inDatabase(async (client) => {
      await order(client, '+51 987 654 321', null, 3);
      expect(await pollOrders(client, client, databases.schemas)).toEqual({ created: 1, refused: 2 });
      const { rows } = await contacts(client);
      expect(rows.map((row) => row.phone_number)).toEqual(['+987654321', '+51987654321']);
    });
  });
});
