import type { ChangeEvent } from '../../../src/core/change';
import { readCatalog } from '../../../src/messaging/catalog';
import { hasEmailIndex } from '../../../src/messaging/load';
import { Shop } from '../../support/shop';
import { fingerprint, openSinks, type SinkWorld, untilSinkWaits } from '../../support/sinks';

jest.setTimeout(60_000);

const p = '987654321';
const P = '+51987654321';
const q = '912345678';
const Q = '+51912345678';

describe.each(['seed', 'repo'] as const)('the sink on PostgreSQL, profile %s', (profile) => {
  let world: SinkWorld;
  let t: Shop;
  beforeAll(async () => {
    world = await openSinks(profile);
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    t = new Shop(world);
    await t.open();
  });
  afterEach(async () => {
    expect(await world.rows('SELECT reason FROM cdc.dead_letter')).toEqual([]);
  });

  test('two contacts exchange phone and e-mail in one batch', async () => {
    await t.orders(
      t.orderEvent(1, { cid: 1n, phone: p, email: 'a@g.com', createdAt: 1n }),
      t.orderEvent(2, { cid: 2n, phone: q, email: 'b@g.com', createdAt: 2n }),
      // A third value in between, so that each is free when it is asked for.
      t.orderEvent(1, { cid: 1n, phone: '933333333', email: 'c@g.com', createdAt: 1n }),
      t.orderEvent(2, { cid: 2n, phone: p, email: 'a@g.com', createdAt: 2n }),
      t.orderEvent(1, { cid: 1n, phone: q, email: 'b@g.com', createdAt: 1n }),
    );
    const [one, two] = await t.contacts();
    expect([one, two]).toMatchObject([
      { phone: Q, email: 'b@g.com' },
      { phone: P, email: 'a@g.com' },
    ]);
    await t.orders(
      t.orderEvent(1, { cid: 1n, phone: '933333333', email: 'c@g.com', createdAt: 1n }),
      t.orderEvent(2, { cid: 2n, phone: q, email: 'b@g.com', createdAt: 2n }),
      t.orderEvent(1, { cid: 1n, phone: p, email: 'a@g.com', createdAt: 1n }),
    );
    expect(await t.contacts()).toMatchObject([
      { id: one!.id, phone: P, email: 'a@g.com' },
      { id: two!.id, phone: Q, email: 'b@g.com' },
    ]);
    expect(await t.conflicts()).toEqual([]);
  });

  test('a value that one contact gives up goes to a new one in the same batch', async () => {
    await t.order(1, { cid: 1n, email: 'a@g.com' });
    await t.orders(
      t.orderEvent(1, { cid: 1n, email: 'b@g.com' }),
      t.orderEvent(2, { phone: p, email: 'x@g.com' }),
      t.orderEvent(3, { cid: 3n, phone: q }),
    );
    expect(await t.contacts()).toMatchObject([{ email: 'b@g.com' }, { phone: P, email: 'x@g.com' }, { phone: Q }]);
  });

  test('a phone in a conversation stays', async () => {
    await t.order(1, { cid: 1n, phone: p });
    const [contact] = await t.contacts();
    await t.converse(contact!.id);
    await t.order(2, { cid: 1n, phone: q });
    expect(await t.contacts()).toMatchObject([{ phone: P, attributes: { total_orders: 2 } }]);
    expect(await t.conflicts()).toMatchObject([{ reason: 'phone_in_use_by_conversation', other: '' }]);
  });

  test('the orders of a contact that an agent merged follow to the one that is left', async () => {
    await t.orders(
      t.orderEvent(1, { phone: p, email: 'a@g.com' }),
      t.orderEvent(2, { phone: p }),
      t.orderEvent(3, { email: 'a@g.com' }),
    );
    const [merged] = await t.contacts();
    await world.rows('DELETE FROM contacts WHERE id::text = $1', [merged!.id]);
    const left = await t.appContact({ name: 'Queda', phone_number: P, email: 'a@g.com' });
    await t.order(3, { email: 'a@g.com', status: 'Enviado' });
    expect(await t.contacts()).toMatchObject([{ id: left, attributes: { total_orders: 3 } }]);
  });

  test('an order moves to another tenant and back', async () => {
    await t.open(2);
    await t.order(1, { phone: p, email: 'a@g.com' });
    await t.orders(t.orderEvent(1, { tenant: 2, phone: p, email: 'a@g.com' }, { seq: 1n }));
    expect(await t.contacts(1)).toMatchObject([{ attributes: { total_orders: 0 } }]);
    expect(await t.contacts(2)).toMatchObject([{ phone: P, email: 'a@g.com', attributes: { total_orders: 1 } }]);
    await t.order(1, { phone: p, email: 'a@g.com' });
    expect(await t.contacts(1)).toMatchObject([{ attributes: { total_orders: 1 } }]);
    expect(await t.contacts(2)).toMatchObject([{ attributes: { total_orders: 0 } }]);
  });

  test('created, deleted and created again in one batch', async () => {
    await t.orders(
      t.orderEvent(1, { phone: p }),
      t.orderEvent(1, null),
      t.orderEvent(1, { phone: p, name: 'Otra vez' }),
      t.orderEvent(2, null),
    );
    expect(await t.contacts()).toMatchObject([{ name: 'Otra vez', attributes: { total_orders: 1 } }]);
    expect(await t.fact(2)).toMatchObject({ deleted: true, tenant_id: t.ids.id(1), contact_id: null });
  });

  test('a truncate takes the orders of its partition that are older, in one batch with others', async () => {
    await t.open(2);
    const elsewhere = t.orderEvent(5, { tenant: 2, phone: q });
    await world.contacts.apply({ topic: 'ventia.orders', partition: 1, lastOffset: 0n, events: [elsewhere] });
    await t.orders(
      t.orderEvent(1, { phone: p, email: 'old@g.com', createdAt: 1n }),
      t.orderEvent(2, { phone: p, email: 'new@g.com', createdAt: 2n }),
    );
    const truncate = t.orderEvent(0, null, { op: 't', before: null });
    const batch = [truncate, t.orderEvent(3, { phone: p, createdAt: 1n })];
    expect(await t.orders(...batch)).toMatchObject({ applied: 2 });
    expect(await t.contacts(1)).toMatchObject([{ email: 'new@g.com', attributes: { total_orders: 1 } }]);
    expect(await t.contacts(2)).toMatchObject([{ attributes: { total_orders: 1 } }]);
    const before = await fingerprint(world);
    expect(await t.orders(...batch)).toMatchObject({ applied: 0, stale: 2, writes: 0 });
    expect(await fingerprint(world)).toEqual(before);
  });

  test('a late tenant brings more orders than are placed at a time', async () => {
    const events = Array.from({ length: 5200 }, (_, n) => t.orderEvent(n, { tenant: 2, email: `c${n % 100}@g.com` }));
    expect(await t.apply('orders', events)).toMatchObject({ parked: 5200, created: 0 });
    expect(await t.open(2)).toMatchObject({ placed: 5200, created: 101 });
    expect(await t.contacts(2)).toHaveLength(100);
  });

  test('what the application itself refuses costs that order only', async () => {
    await world.rows(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN IF NEW.name = 'Prohibido' THEN RAISE EXCEPTION 'not him'; END IF; RETURN NEW; END $$;
       CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    const result = await t.orders(
      t.orderEvent(1, { phone: p }),
      t.orderEvent(2, { phone: q, name: 'Prohibido' }),
      t.orderEvent(3, { email: 'a@g.com' }),
    );
    await world.rows('DROP TRIGGER refuse ON contacts; DROP FUNCTION refuse()');
    expect(result).toMatchObject({ applied: 2, deadLetters: 1, created: 2 });
    expect(await world.rows('SELECT row_id, sql_state FROM cdc.dead_letter')).toEqual([
      { row_id: t.ids.id(102), sql_state: 'P0001' },
    ]);
    await world.rows('DELETE FROM cdc.dead_letter');
  });

  test('the checkpoint tells the offset of the last batch and the highest position', async () => {
    const topic = 'ventia.orders';
    const [older, newer] = [t.orderEvent(1, { phone: p }), t.orderEvent(2, { phone: p })];
    const applied = async (lastOffset: bigint, events: ChangeEvent[]) => {
      await world.contacts.apply({ topic, partition: 7, lastOffset, events });
      return world.rows('SELECT last_offset, version FROM cdc.checkpoint WHERE topic = $1 AND partition = 7', [topic]);
    };
    const version = (row: Record<string, unknown>) => String(row.version).split('-')[1];
    const [first] = await applied(11n, [older, newer]);
    expect(first!.last_offset).toBe('11');
    expect(version(first!)).toBe(newer.position.commitLsn.toString(16).toUpperCase().padStart(16, '0'));
    expect(await applied(9n, [older])).toEqual([{ last_offset: '9', version: first!.version }]);
    expect(await applied(12n, [])).toEqual([{ last_offset: '12', version: first!.version }]);
  });

  test('says what became of the last changes, without their data', async () => {
    const { outcomes } = await t.orders(
      t.orderEvent(1, { phone: p, email: 'a@g.com' }),
      t.orderEvent(2, { phone: p }),
      t.orderEvent(3, { tenant: 2, phone: p }),
      t.orderEvent(4, { phone: 'n/a' }),
      t.orderEvent(2, null),
    );
    expect(outcomes.map(({ what }) => what)).toEqual([
      'contact created',
      'linked by phone',
      'parked',
      'nobody to link',
      'deleted',
    ]);
    expect(JSON.stringify(outcomes, (_, v) => (typeof v === 'bigint' ? String(v) : v))).not.toMatch(/g\.com|98765/);
  });
});

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

test.each([
  ['without an index on lower(email)', '', false],
  ['with one', 'CREATE INDEX ON contacts (lower(email), account_id);', true],
  ['with one that leads elsewhere', 'CREATE INDEX ON contacts (lower(name), account_id);', false],
])('finds e-mails in any case, %s', async (_, index, found) => {
  const world = await openSinks('repo', index);
  try {
    expect(await hasEmailIndex(world.database, await readCatalog(world.database, world.schema))).toBe(found);
    const t = new Shop(world);
    await t.tenants(t.tenantEvent(1), t.tenantEvent(2));
    const id = await t.appContact({ name: 'Ana', email: 'Ana@G.com' });
    const elsewhere = await t.appContact({ name: 'Ana', email: 'ANA@g.com' }, 2);
    await t.orders(t.orderEvent(1, { email: 'ana@g.com' }), t.orderEvent(2, { email: 'ANA@G.com' }));
    expect(await t.contacts(1)).toMatchObject([{ id, email: 'Ana@G.com', attributes: { total_orders: 2 } }]);
    expect(await t.contacts(2)).toMatchObject([{ id: elsewhere, attributes: {} }]);
  } finally {
    await world.close();
  }
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
