import type { ChangeEvent } from '../../../src/core/change';
import { Shop } from '../../support/shop';
import { openSinks, type SinkWorld, untilSinkWaits } from '../../support/sinks';

jest.setTimeout(60_000);

const p = '987654321';
const q = '912345678';

describe("trouble with the database is nobody's fault: the batch is refused whole, and comes again", () => {
  let world: SinkWorld;
  let t: Shop;
  beforeAll(async () => {
    world = await openSinks('repo');
    await world.rows(
      `CREATE TABLE trouble (code text);
       GRANT SELECT ON trouble TO PUBLIC;
       CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
       DECLARE found text;
       BEGIN
         SELECT code INTO found FROM public.trouble;
         IF found IS NOT NULL THEN RAISE EXCEPTION 'as asked' USING ERRCODE = found; END IF;
         RETURN NEW;
       END $$;
       CREATE TRIGGER trouble BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION trouble()`,
    );
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    t = new Shop(world);
    await t.open();
  });

  const orders = () => [1, 2, 3].map((n) => t.orderEvent(n, { email: `c${n}@g.com` }));

  async function mended(events: ChangeEvent[]) {
    expect(await t.contacts()).toEqual([]);
    expect(await world.rows('SELECT FROM cdc.dead_letter')).toEqual([]);
    expect(await t.orders(...events)).toMatchObject({ applied: 3, created: 3 });
  }

  test.each([
    ['serialization failure', '40001', 'messaging_conflict'],
    ['deadlock', '40P01', 'messaging_conflict'],
    ['lock timeout', '55P03', 'messaging_conflict'],
    ['disk full', '53100', 'messaging_query'],
    ['right lost', '42501', 'messaging_permission'],
    ['shutdown', '57P01', 'messaging_unreachable'],
  ])('%s', async (_, sqlState, kind) => {
    const events = orders();
    await world.rows('INSERT INTO trouble VALUES ($1)', [sqlState]);
    await expect(t.orders(...events)).rejects.toMatchObject({ kind, sqlState });
    await world.rows('DELETE FROM trouble');
    await mended(events);
  });

  test('the connection is cut in the middle', async () => {
    const events = orders();
    await world.client.query('BEGIN');
    await t.appContact({ name: 'De Rails', email: 'c2@g.com' });
    const applied = t.orders(...events);
    const refused = expect(applied).rejects.toMatchObject({ kind: 'messaging_unreachable' });
    await untilSinkWaits(world);
    await world.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE application_name = 'sink-test' AND datname = current_database()`);
    await refused;
    await world.client.query('ROLLBACK');
    await mended(events);
  });
});

describe('two processes', () => {
  let world: SinkWorld;
  beforeAll(async () => {
    world = await openSinks('repo');
  });
  afterAll(() => world.close());

  test('with the same partition for a moment leave the same tables', async () => {
    const t = new Shop(world);
    await t.open();
    const events = Array.from({ length: 60 }, (_, n) =>
      t.orderEvent(n % 20, { phone: n % 3 ? p : q, email: `c${n % 7}@g.com`, status: n % 5 ? 'Pagado' : 'Cancelado' }),
    );
    const reference = new Shop(world);
    await reference.open();
    await reference.orders(
      ...Array.from({ length: 60 }, (_, n) =>
        reference.orderEvent(n % 20, {
          phone: n % 3 ? p : q,
          email: `c${n % 7}@g.com`,
          status: n % 5 ? 'Pagado' : 'Cancelado',
        }),
      ),
    );
    const zombie = await world.sinksWith({});
    const consume = async (sink: typeof world.contacts, size: number) => {
      for (let start = 0; start < events.length; start += size) {
        const part = events.slice(start, start + size);
        await sink.apply({ topic: 'ventia.orders', partition: 0, lastOffset: 0n, events: part });
      }
    };
    await Promise.all([consume(world.contacts, 7), consume(zombie.contacts, 11)]);
    const strip = async (shop: Shop) =>
      (await shop.contacts()).map(({ name, email, phone, type, attributes }) => ({
        name,
        email,
        phone,
        type,
        attributes,
      }));
    expect(await strip(t)).toEqual(await strip(reference));
  });

  test('tenants and their orders at the same moment: none stays parked', async () => {
    const shops = Array.from({ length: 25 }, () => new Shop(world));
    await Promise.all(
      shops.flatMap((shop) => [
        shop.orders(shop.orderEvent(1, { phone: p }), shop.orderEvent(2, { email: 'a@g.com' })),
        shop.open(),
      ]),
    );
    for (const shop of shops) expect(await shop.contacts()).toHaveLength(2);
    expect(await world.rows('SELECT FROM cdc.parked_orders')).toEqual([]);
  });

  test('orders that cross between two tenants, in two partitions at once', async () => {
    const t = new Shop(world);
    await t.tenants(t.tenantEvent(1), t.tenantEvent(2));
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    await t.orders(...numbers.map((n) => t.orderEvent(n, { tenant: 1 + (n % 2), email: `c${n}@g.com` })));
    const moves = numbers.map((n) => {
      const lsn = 0x7000_0000n + BigInt(n);
      const [from, to] = [1 + (n % 2), 2 - (n % 2)];
      return {
        from,
        gone: t.orderEvent(n, null, { lsn, seq: 0n, before: { tenant_id: t.ids.value(from) } }),
        come: t.orderEvent(n, { tenant: to, email: `c${n}@g.com` }, { lsn, seq: 1n }),
      };
    });
    const partition = (tenant: number) => moves.map(({ from, gone, come }) => (from === tenant ? gone : come));
    await Promise.all(
      [1, 2].map(async (tenant) => {
        for (const event of partition(tenant)) {
          await world.contacts.apply({ topic: 'ventia.orders', partition: tenant, lastOffset: 0n, events: [event] });
        }
      }),
    );
    for (const n of [1, 2]) {
      const totals = (await t.contacts(n)).map(
        ({ attributes }) => (attributes as { total_orders: number }).total_orders,
      );
      expect(totals.filter((total) => total === 1)).toHaveLength(15);
      expect(totals.filter((total) => total === 0)).toHaveLength(15);
    }
  });
});
