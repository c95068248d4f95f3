import type { Database, Sql } from '../../../src/core/ports/sql';
import { Shop } from '../../support/shop';
import { openSinks, type SinkWorld } from '../../support/sinks';

/** One contact that has very many orders, as a shop's "walk-in customer" does: what it costs to touch it, and what comes of it. */
const ORDERS = 400;
const p = '987654321';

let world: SinkWorld;
let t: Shop;
/** Rows that PostgreSQL sent. */
let rows = 0;

const counting = (database: Database): Database => ({
  ...database,
  transaction: (work, settings) =>
    database.transaction(
      (sql): ReturnType<typeof work> =>
        work({
          ...sql,
          query: (async (...statement: Parameters<Sql['query']>) => {
            const found = await sql.query(...statement);
            rows += found.length;
            return found;
          }) as Sql['query'],
        }),
      settings,
    ),
});

const given = (n: number) => ({ phone: p, email: `c${n % 3}@tienda.pe`, name: `Ana ${'x'.repeat(n % 5)}`, cid: 77n });

beforeAll(async () => {
  world = await openSinks('repo');
  t = new Shop(world, await world.sinksWith({}, counting(world.database)));
  await t.open();
  await t.orders(...Array.from({ length: ORDERS }, (_, n) => t.orderEvent(n, given(n))));
  rows = 0;
});
afterAll(() => world.close());

const contact = async () => {
  const [only, ...others] = await t.contacts();
  expect(others).toEqual([]);
  return only!;
};

test('a new order of it, a change, a cancellation and a delete send a few rows', async () => {
  const before = await contact();
  expect(before.attributes).toMatchObject({ total_orders: ORDERS });
  await t.orders(
    t.orderEvent(ORDERS, { ...given(0), name: 'Ana Nueva', email: 'nueva@tienda.pe' }),
    t.orderEvent(ORDERS + 1, { ...given(0), name: 'Ana Nueva', email: 'nueva@tienda.pe', shopifyId: 'gid 1' }),
    t.orderEvent(5, { ...given(5), status: 'Enviado' }),
    t.orderEvent(6, { ...given(6), status: 'Cancelado' }),
    t.orderEvent(7, null),
  );
  expect(await contact()).toMatchObject({ id: before.id, name: 'Ana Nueva', email: 'nueva@tienda.pe' });
  expect((await contact()).attributes).toMatchObject({ total_orders: ORDERS });
  // Counts as one with an order that is not loaded.
  await t.order(ORDERS + 2, { ...given(0), name: 'Ana Nueva', email: 'nueva@tienda.pe', shopifyId: 'gid 1' });
  expect((await contact()).attributes).toMatchObject({ total_orders: ORDERS });
  expect(rows).toBeLessThan(80);
});

test('the newest goes, and the one before it has its say again', async () => {
  rows = 0;
  await t.orders(...[ORDERS, ORDERS + 1, ORDERS + 2].map((n) => t.orderEvent(n, null)));
  const last = given(ORDERS - 1);
  expect(await contact()).toMatchObject({ name: last.name.trim(), email: last.email });
  expect((await contact()).attributes).toMatchObject({ total_orders: ORDERS - 2 });
  expect(rows).toBeLessThan(40);
});

test('an agent removed it: all its orders follow the first that finds another', async () => {
  await world.rows('DELETE FROM contacts');
  const other = await t.appContact({ phone_number: '+51987654321', name: 'Ana' });
  await t.order(1, { ...given(1), status: 'Enviado' });
  expect(await contact()).toMatchObject({ id: other });
  expect((await contact()).attributes).toMatchObject({ total_orders: ORDERS - 2 });
});
