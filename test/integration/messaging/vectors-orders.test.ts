import { randomBytes } from 'node:crypto';
import { EPOCH_US } from '../../support/events';
import { Shop } from '../../support/shop';
import { dyingBeforeCommit, fingerprint, openSinks, type SinkWorld, untilSinkWaits } from '../../support/sinks';
import { vectorsOf } from '../../support/vectors';

jest.setTimeout(60_000);

const p = '987654321';
const P = '+51987654321';
const q = '912345678';
const Q = '+51912345678';

describe.each(['seed', 'repo'] as const)('order vectors, profile %s', (profile) => {
  const { vector, complete } = vectorsOf('Lifecycle, order, replay', profile);
  const { vector: privacyVector } = vectorsOf('Erasure and privacy', profile);
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

  const total = async (n = 1) =>
    (await t.contacts(n)).map(({ attributes }) => (attributes as { total_orders: number }).total_orders);

  vector('O01', 'a cancelled order does not count; the customer stays one', async () => {
    await t.orders(t.orderEvent(1, { phone: p }), t.orderEvent(2, { phone: p }));
    await t.order(2, { phone: p, status: 'Cancelado' });
    expect(await t.contacts()).toMatchObject([{ type: 2, attributes: { total_orders: 1 } }]);
  });

  vector('O02', 'a DELETE that carries only the id', async () => {
    await t.orders(t.orderEvent(1, { phone: p }), t.orderEvent(2, { phone: p }));
    await t.order(1, null, { before: null });
    expect(await total()).toEqual([1]);
  });

  vector('O03', 'the contact outlives its last order', async () => {
    await t.order(1, { phone: p, cid: 77n });
    await t.order(1, null);
    expect(await t.contacts()).toMatchObject([
      { phone: P, name: 'Ana Pérez', attributes: { total_orders: 0, ventia_customer_id: '77' } },
    ]);
  });

  vector('O05', 'an older version that comes late changes nothing', async () => {
    const newer = t.orderEvent(1, { phone: p, status: 'Cancelado' }, { lsn: 0x9000n });
    const older = t.orderEvent(1, { phone: p, status: 'Pendiente' }, { lsn: 0x8000n });
    await t.orders(newer);
    expect(await t.orders(older)).toMatchObject({ stale: 1, writes: 0 });
    expect(await total()).toEqual([0]);
  });

  vector('O06', 'an order before its tenant', async () => {
    await t.order(1, { phone: p, tenant: 2 });
    await expect(t.account(2)).rejects.toThrow('0 accounts');
    await t.open(2);
    expect(await t.contacts(2)).toMatchObject([{ phone: P, attributes: { total_orders: 1 } }]);
  });

  vector('O07', 'two rows of one shop order count once', async () => {
    const shopifyId = 'gid://shopify/Order/1';
    await t.orders(t.orderEvent(1, { phone: p, shopifyId }), t.orderEvent(2, { phone: p, shopifyId }));
    expect(await total()).toEqual([1]);
  });

  vector(
    'O08',
    'a draft and an order that were never matched count twice: a defect of the source, not repaired',
    async () => {
      await t.orders(t.orderEvent(1, { phone: p, draftId: '9' }), t.orderEvent(2, { phone: p, shopifyId: '9' }));
      expect(await total()).toEqual([2]);
    },
  );

  vector('O10', 'what an agent deleted is not made again; a new order may', async () => {
    const event = t.orderEvent(1, { phone: p });
    await t.orders(event);
    const [contact] = await t.contacts();
    await world.rows('DELETE FROM contacts WHERE id::text = $1', [contact!.id]);
    await t.orders(event);
    await t.order(1, { phone: p, status: 'Enviado' });
    await t.order(1, { phone: q, email: 'other@g.com' });
    expect(await t.contacts()).toEqual([]);
    expect(await t.fact(1)).toMatchObject({ contact_id: contact!.id });
    await t.order(2, { phone: p });
    expect(await t.contacts()).toMatchObject([{ phone: P, attributes: { total_orders: 1 } }]);
  });

  vector('O13', 'only a column outside the contract changed: no row of messaging is written', async () => {
    await t.order(1, { phone: p, email: 'a@g.com' });
    const before = await world.rows('SELECT c.*, c.xmin FROM contacts c');
    expect(await t.order(1, { phone: p, email: 'a@g.com' })).toMatchObject({ applied: 1, updated: 0, writes: 1 });
    expect(await world.rows('SELECT c.*, c.xmin FROM contacts c')).toEqual(before);
  });

  vector('O14', 'killed before the commit, and after it before the offset is committed', async () => {
    const event = t.orderEvent(1, { phone: p });
    const { contacts: sink } = await world.sinksWith({}, dyingBeforeCommit(world.database));
    const batch = { topic: 'ventia.orders', partition: 0, lastOffset: 0n, events: [event] };
    await expect(sink.apply(batch)).rejects.toThrow('killed');
    expect(await t.contacts()).toEqual([]);
    await t.orders(event);
    await t.orders(event);
    expect(await total()).toEqual([1]);
  });

  vector('O15', 'a poison order among a hundred costs itself only', async () => {
    const poison = t.orderEvent(50, { phone: '912345678', cid: randomBytes(7500).toString('base64').slice(0, 10_000) });
    const events = Array.from({ length: 100 }, (_, n) =>
      n === 50 ? poison : t.orderEvent(n, { email: `c${n}@g.com`, cid: BigInt(n) }),
    );
    expect(await t.orders(...events)).toMatchObject({ applied: 99, deadLetters: 1, created: 99 });
    expect(await t.contacts()).toHaveLength(99);
    const letters = await world.rows('SELECT * FROM cdc.dead_letter');
    expect(letters).toMatchObject([
      { source_table: 'orders', row_id: t.ids.id(150), tenant_id: t.ids.id(1), code: 'CDC-507', sql_state: '54000' },
    ]);
    expect(letters[0]!.reason).toMatch(/index row/);
    expect(JSON.stringify(letters[0]!.event)).toContain('912345678');

    const before = await fingerprint(world);
    expect(await t.orders(...events)).toMatchObject({ applied: 0, stale: 99, deadLetters: 1, writes: 0 });
    expect(await fingerprint(world)).toEqual(before);
    expect(await t.order(50, { email: 'c50@g.com' })).toMatchObject({ applied: 1, created: 1 });
    await world.rows('DELETE FROM cdc.dead_letter');
  });

  vector('O15', 'a poison order that waited for its tenant costs neither the tenant nor the others', async () => {
    const cid = randomBytes(7500).toString('base64').slice(0, 10_000);
    const orders = [1, 2, 3].map((n) => t.orderEvent(n, { tenant: 2, email: `c${n}@g.com`, ...(n === 2 && { cid }) }));
    expect(await t.orders(...orders)).toMatchObject({ parked: 3 });
    expect(await t.open(2)).toMatchObject({ applied: 1, placed: 2, deadLetters: 1 });
    expect(await t.contacts(2)).toHaveLength(2);
    expect(await world.rows('SELECT row_id, event FROM cdc.dead_letter')).toEqual([
      { row_id: t.ids.id(102), event: null },
    ]);
    expect(await t.open(2, { name: 'Otra' })).toMatchObject({ applied: 1, placed: 0, deadLetters: 0 });
    await world.rows('DELETE FROM cdc.dead_letter');
  });

  for (const first of ['snapshot', 'change']) {
    vector('O16', `a snapshot row of an older position loses, the ${first} first`, async () => {
      const snapshot = t.orderEvent(1, { email: 'old@g.com' }, { op: 'r', lsn: 0x8000n, seq: 7n });
      const change = t.orderEvent(1, { email: 'new@g.com' }, { op: 'u', lsn: 0x8001n });
      const events = first === 'snapshot' ? [snapshot, change] : [change, snapshot];
      for (const event of events) await t.orders(event);
      expect(await t.contacts()).toMatchObject([{ email: 'new@g.com', attributes: { total_orders: 1 } }]);
    });
  }

  vector('O17', 'times are those of the source, to the microsecond, wherever the sink runs', async () => {
    const zone = process.env.TZ;
    process.env.TZ = 'America/Lima';
    try {
      await t.order(1, { phone: p, createdAt: EPOCH_US + 987_654n });
      await t.order(2, { phone: q, createdAt: null });
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    const rows = await world.rows(
      `SELECT c.created_at::text, c.last_activity_at::text, now() AT TIME ZONE 'UTC' - c.updated_at < interval '1 minute' AS fresh
       FROM contacts c JOIN accounts a ON a.id = account_id WHERE ventia_tenant_id::text = $1 ORDER BY c.phone_number DESC`,
      [t.ids.id(1)],
    );
    const commit = t.log.at(-1)!.event.commitTime;
    const seconds = Number((commit - EPOCH_US) / 1_000_000n);
    const text = `${new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}.123456`;
    expect(rows).toEqual([
      { created_at: '2026-01-01 00:00:00.987654', last_activity_at: '2026-01-01 00:00:00.987654', fresh: true },
      { created_at: text, last_activity_at: text, fresh: true },
    ]);
  });

  vector('O19', 'contacts of a first load stand behind the latest conversation', async () => {
    const chat = await t.appContact({ name: 'Chat', phone_number: Q, last_activity_at: '2026-06-01' });
    const events = Array.from({ length: 10_000 }, (_, n) => t.orderEvent(n, { email: `c${n}@g.com` }, { op: 'r' }));
    for (let start = 0; start < events.length; start += 2000)
      await t.apply('orders', events.slice(start, start + 2000));
    const rows = await world.rows(
      `SELECT c.id::text, count(*) OVER ()::int AS contacts FROM contacts c JOIN accounts a ON a.id = account_id
       WHERE ventia_tenant_id::text = $1 ORDER BY c.last_activity_at DESC LIMIT 1`,
      [t.ids.id(1)],
    );
    expect(rows).toEqual([{ id: chat, contacts: 10_001 }]);
  });

  vector('O21', 'a large value that was not sent keeps what is stored', async () => {
    await t.order(1, { phone: p, email: 'a@g.com', name: 'Ana Pérez', shopifyId: '7', cid: 5n });
    const unchanged = ['customer_name', 'customer_email', 'customer_phone', 'customer_id', 'shopify_order_id'];
    await t.order(1, { name: null, status: 'Enviado' }, { unchanged });
    expect(await t.contacts()).toMatchObject([
      { name: 'Ana Pérez', email: 'a@g.com', phone: P, attributes: { total_orders: 1, ventia_customer_id: '5' } },
    ]);
    expect(await t.fact(1)).toMatchObject({ okey: 'shopify:7', status: 'Enviado', customer_id: '5' });
    const first = await t.order(
      2,
      { email: 'b@g.com', name: null },
      { unchanged: ['customer_name', 'shopify_order_id'] },
    );
    expect(first).toMatchObject({ incomplete: 1 });
    expect(await t.fact(2)).toMatchObject({ name: null, okey: null });
  });

  privacyVector('G03', 'personal data redacted in the source: link, contact and count stay', async () => {
    await t.order(1, { phone: p, email: 'a@g.com', cid: 5n });
    const before = await t.contacts();
    await t.order(1, { phone: null, email: 'redacted@example.com', name: null, cid: null });
    expect(await t.contacts()).toEqual(before);
    expect(await t.fact(1)).toMatchObject({ contact_id: before[0]!.id, phone: null, email: null });
  });

  test('total.orders.mode = source takes the count that came with the newest order', async () => {
    const told = new Shop(world, await world.sinksWith({ totalOrders: 'source' }));
    await told.open();
    await told.orders(told.orderEvent(1, { phone: p, count: 4 }), told.orderEvent(2, { phone: p, count: null }));
    expect(await told.contacts()).toMatchObject([{ attributes: { total_orders: 4 } }]);
    await told.order(1, { phone: p, count: null });
    expect(await told.contacts()).toMatchObject([{ attributes: { total_orders: 2 } }]);
  });

  test('an agent edits the contact between our look and our write', async () => {
    await t.order(1, { email: 'e1@g.com', name: 'Ana' });
    const [contact] = await t.contacts();
    await world.client.query('BEGIN');
    await t.edit(contact!.id, { email: 'fixed@g.com', name: 'Anita' });
    const applied = t.order(2, { email: 'e1@g.com', name: 'ANA' });
    await untilSinkWaits(world);
    await world.client.query('COMMIT');
    await applied;
    expect(await t.contacts()).toMatchObject([
      { id: contact!.id, email: 'fixed@g.com', name: 'Anita', attributes: { total_orders: 2 } },
    ]);
  });

  test('an agent deletes the contact between our look and our write', async () => {
    await t.order(1, { email: 'e1@g.com' });
    const [contact] = await t.contacts();
    await world.client.query('BEGIN');
    await world.rows('DELETE FROM contacts WHERE id::text = $1', [contact!.id]);
    const applied = t.order(1, { email: 'e2@g.com' });
    await untilSinkWaits(world);
    await world.client.query('COMMIT');
    await applied;
    expect(await t.contacts()).toEqual([]);
  });

  complete();
});
