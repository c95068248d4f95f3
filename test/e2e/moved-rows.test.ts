import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { TestPipeline } from '../support/pipeline';
import { expectTopicIsTable } from '../support/topic-is-table';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(120_000);

/**
 * Large values that an update did not touch, rows that get another key or tenant, and truncate, from the source's statement to
 * Messaging's tables; with each replica identity, because they send different parts of the old row. One story, told in order.
 */
describe.each(['full', 'index'] as const)('rows that change their place, identity %s', (identity) => {
  let pipeline: TestPipeline;
  let lima: string;
  let bogota: string;
  let order: string;
  /** Too long for its page, and not compressible. */
  const large = randomBytes(9000)
    .toString('base64')
    .replace(/[^a-z]/gi, 'n');

  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed');
    const { code, stderr } = await pipeline.cli('setup', '--yes', '--identity', identity);
    if (code !== 0) throw new Error(stderr);
    await pipeline.start().ready();
    await ventia(async (rows) => {
      lima = await rows.tenant('lima', { timezone: 'America/Lima' });
      bogota = await rows.tenant('bogota', { timezone: 'America/Bogota' });
      order = await rows.order(lima, {
        customer_name: large,
        customer_email: 'ana@g.pe',
        customer_phone: '987654321',
        shopify_order_id: large,
      });
    });
  });
  afterAll(() => pipeline?.drop());

  async function ventia(work: (rows: VentiaRows, client: Client) => Promise<unknown>) {
    await pipeline.source(async (client) => work(await VentiaRows.open(client, 'ventia'), client));
    await pipeline.caughtUp();
  }
  const contactsOf = (tenant: string) =>
    pipeline.messaging(async (client) => {
      const { rows } = await client.query(
        `SELECT c.name, c.email, c.phone_number AS phone, (c.custom_attributes->>'total_orders')::int AS orders
         FROM messaging.contacts c JOIN messaging.accounts a ON a.id = c.account_id WHERE a.ventia_tenant_id = $1 ORDER BY c.email`,
        [tenant],
      );
      return rows;
    });
  const factOf = (id: string) =>
    pipeline.messaging(async (client) => {
      const { rows } = await client.query(
        'SELECT tenant_id, name, okey, status, deleted FROM cdc.order_fact WHERE order_id = $1',
        [id],
      );
      return rows[0];
    });
  let name = large;
  const ana = () => ({ name: name.slice(0, 255), email: 'ana@g.pe', phone: '+51987654321', orders: 1 });
  const known = () => ({ name: name.slice(0, 255), okey: `shopify:${name}` });

  it('F21: a large value that an update did not touch stays', async () => {
    await ventia((rows) => rows.update('orders', order, { status: 'Enviado' }));
    expect(await factOf(order)).toMatchObject({ ...known(), status: 'Enviado' });
    expect(await contactsOf(lima)).toEqual([ana()]);
  });

  it('F22: a row with another key is the same order of the same person, large values with it', async () => {
    if (identity === 'index') {
      // It has no more than the keys of the old row: what is large must be small before the row may move.
      name = 'Ana Perez';
      await ventia((rows) => rows.update('orders', order, { customer_name: name, shopify_order_id: name }));
    }
    const former = order;
    order = '00000000-0000-4000-8000-0000000000ff';
    await ventia((_, client) => client.query('UPDATE ventia.orders SET id = $2 WHERE id = $1', [former, order]));
    expect(await factOf(former)).toMatchObject({ deleted: true });
    expect(await factOf(order)).toMatchObject({ ...known(), status: 'Enviado', deleted: false });
    expect(await contactsOf(lima)).toEqual([ana()]);
  });

  it('an order that moves to another tenant leaves its contact there and finds or makes one here', async () => {
    await ventia((rows) => rows.update('orders', order, { tenant_id: bogota }));
    expect(await factOf(order)).toMatchObject({ ...known(), tenant_id: bogota });
    expect(await contactsOf(lima)).toEqual([{ ...ana(), orders: 0 }]);
    // A Peruvian number without its code is none in Colombia.
    expect(await contactsOf(bogota)).toEqual([{ ...ana(), phone: null }]);
    await ventia((rows) => rows.update('orders', order, { tenant_id: lima }));
    expect(await contactsOf(lima)).toEqual([ana()]);
    expect(await contactsOf(bogota)).toEqual([{ ...ana(), phone: null, orders: 0 }]);
  });

  it('F23: a truncate takes all orders, the contacts stay; what comes behind it counts', async () => {
    await ventia(async (rows, client) => {
      await rows.order(bogota, { customer_email: 'luis@g.pe', customer_name: 'Luis' });
      await client.query('TRUNCATE ventia.orders');
      await rows.order(lima, { customer_email: 'ana@g.pe', customer_name: 'Ana' });
    });
    expect(await contactsOf(lima)).toEqual([{ ...ana(), name: 'Ana' }]);
    expect((await contactsOf(bogota)).map(({ email, orders }) => [email, orders])).toEqual([
      ['ana@g.pe', 0],
      ['luis@g.pe', 0],
    ]);
    const live = await pipeline.messaging((client) => client.query('SELECT FROM cdc.order_fact WHERE NOT deleted'));
    expect(live.rowCount).toBe(1);
  });

  if (identity === 'index') {
    it('a row that moves with a large value that is not to be had halts capture; the command it names brings it', async () => {
      const customer_name = large;
      let moved = '';
      await ventia(async (rows) => {
        moved = await rows.order(lima, { customer_email: 'rosa@g.pe', customer_name });
      });
      await pipeline.source((client) =>
        client.query('UPDATE ventia.orders SET tenant_id = $2 WHERE id = $1', [moved, bogota]),
      );
      const service = pipeline.running[0]!;
      await service.notReady('CDC-408', 30_000);
      expect(await factOf(moved)).toMatchObject({ tenant_id: lima, name: large.slice(0, 255), deleted: false });

      expect((await service.readiness()).fix).toBe('ventia-cdc repair table ventia.orders');
      const { code, stderr } = await pipeline.cli('repair', 'table', 'ventia.orders', '--yes');
      expect([code, stderr]).toEqual([0, '']);
      await service.ready(60_000);
      await pipeline.caughtUp();
      await expectTopicIsTable(pipeline, 'orders');
      expect(await factOf(moved)).toMatchObject({ tenant_id: bogota, name: large.slice(0, 255), deleted: false });
    });
  }
});
