import type { ChangeEvent } from '../../../src/core/change';
import { Shop } from '../../support/shop';
import { fingerprint, openSinks, type SinkWorld } from '../../support/sinks';

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

test.each([
  ['with an index on lower(email)', '', true],
  ['without one', 'DROP INDEX index_contacts_on_lower_email_account_id;', false],
  [
    'with one that leads elsewhere',
    'DROP INDEX index_contacts_on_lower_email_account_id; CREATE INDEX ON contacts (lower(name), account_id);',
    false,
  ],
])('finds e-mails in any case, %s', async (_, index, found) => {
  const world = await openSinks('repo', index);
  try {
    const { emailIndex, warnings } = world.catalog;
    expect(emailIndex).toBe(found);
    expect(warnings.some(({ what }) => what.includes('lower(email)'))).toBe(!found);
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
