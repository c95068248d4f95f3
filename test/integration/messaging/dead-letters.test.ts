import { Shop } from '../../support/shop';
import { fingerprint, openSinks, type SinkWorld } from '../../support/sinks';

jest.setTimeout(60_000);

const POISON = 'poison@g.com';

describe.each(['seed', 'repo'] as const)('dead letters, profile %s', (profile) => {
  let world: SinkWorld;
  let t: Shop;
  beforeAll(async () => {
    world = await openSinks(profile);
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    t = new Shop(world);
    await t.open();
    await world.rows(
      `ALTER TABLE contacts ADD CONSTRAINT no_poison CHECK (email <> '${POISON}' AND name <> 'Ana Poison') NOT VALID`,
    );
  });
  afterEach(async () => {
    await mend();
    await world.rows('DELETE FROM cdc.dead_letter');
  });

  const mend = () => world.rows('ALTER TABLE contacts DROP CONSTRAINT IF EXISTS no_poison');
  const letters = () =>
    world.rows('SELECT source_table, row_id, sql_state, event IS NULL AS parked FROM cdc.dead_letter ORDER BY row_id');
  const letter = (n: number, parked = false) => ({
    source_table: 'orders',
    row_id: t.ids.id(100 + n),
    sql_state: '23514',
    parked,
  });

  test('O15 a replay retries what was set aside, and forgets it when it is applied', async () => {
    const events = [1, 2, 3].map((n) => t.orderEvent(n, { email: n === 2 ? POISON : `c${n}@g.com` }));
    expect(await t.orders(...events)).toMatchObject({ applied: 2, deadLetters: 1 });
    expect(await letters()).toEqual([letter(2)]);

    expect(await t.orders(...events)).toMatchObject({ applied: 0, stale: 2, deadLetters: 1, writes: 0 });
    expect(await letters()).toEqual([letter(2)]);

    await mend();
    expect(await t.orders(...events)).toMatchObject({ applied: 1, stale: 2, deadLetters: 0, created: 1 });
    expect(await letters()).toEqual([]);
    expect(await t.contacts()).toHaveLength(3);

    const before = await fingerprint(world);
    expect(await t.orders(...events)).toMatchObject({ applied: 0, writes: 0 });
    expect(await fingerprint(world)).toEqual(before);
  });

  test('O15 a newer change of the order that can be applied settles the older one; a replay of that is stale', async () => {
    const poison = t.orderEvent(1, { email: POISON });
    await t.orders(poison);
    expect(await t.order(1, { email: 'mended@g.com' })).toMatchObject({ applied: 1, created: 1 });
    expect(await letters()).toEqual([]);
    expect(await t.orders(poison)).toMatchObject({ stale: 1, writes: 0 });
    expect(await letters()).toEqual([]);
  });

  test('other orders settle nothing, nor does an older change of the same order', async () => {
    const older = t.orderEvent(1, { email: 'older@g.com' }, { lsn: 0x500_0000n });
    await t.orders(t.orderEvent(1, { email: POISON }, { lsn: 0x500_0001n }));
    await t.order(2, { email: 'c2@g.com' });
    await t.orders(older);
    expect(await letters()).toEqual([letter(1)]);
  });

  test('what waits is counted, with its age', async () => {
    await t.order(1, { email: POISON });
    await t.order(2, { tenant: 2, email: 'a@g.com' });
    const parked = t.orderEvent(3, { tenant: 2, email: 'b@g.com' });
    const sinceMs = Date.now() - 3_600_000;
    await t.orders({ ...parked, commitTime: BigInt(sinceMs) * 1000n });
    const { deadLettersSinceMs, ...backlog } = await world.contacts.backlog();
    expect(backlog).toEqual({ deadLetters: 1, parked: 2, parkedSinceMs: expect.any(Number) });
    expect(backlog.parkedSinceMs).toBeLessThanOrEqual(sinceMs);
    expect(Math.abs(deadLettersSinceMs! - Date.now())).toBeLessThan(60_000);
    expect(await world.accounts.backlog()).toEqual({
      deadLetters: 0,
      deadLettersSinceMs: null,
      parked: 0,
      parkedSinceMs: null,
    });
    await world.rows('DELETE FROM cdc.order_fact WHERE parked');
  });

  test('a deleted order needs no retry', async () => {
    await t.order(1, { email: POISON });
    await t.order(1, null);
    expect(await letters()).toEqual([]);
  });

  test('a change of a tenant', async () => {
    await world.rows(`ALTER TABLE accounts ADD CONSTRAINT no_poison CHECK (name <> 'Poison') NOT VALID`);
    const event = t.tenantEvent(1, { name: 'Poison' });
    expect(await t.tenants(event)).toMatchObject({ deadLetters: 1 });
    await world.rows('ALTER TABLE accounts DROP CONSTRAINT no_poison');
    expect(await letters()).toMatchObject([{ source_table: 'tenants', row_id: t.ids.id(1) }]);
    expect(await t.tenants(event)).toMatchObject({ applied: 1 });
    expect(await t.account()).toMatchObject({ name: 'Poison' });
    expect(await letters()).toEqual([]);
  });

  describe('an order that waited for its tenant and could not be placed', () => {
    const waiting = async () => {
      const events = [1, 2].map((n) => t.orderEvent(n, { tenant: 2, email: n === 2 ? POISON : `c${n}@g.com` }));
      await t.orders(...events);
      expect(await t.open(2)).toMatchObject({ placed: 1, deadLetters: 1 });
      expect(await letters()).toEqual([letter(2, true)]);
      return events;
    };

    test('is not tried again by itself; a replay of it is a retry', async () => {
      const events = await waiting();
      await mend();
      expect(await t.order(3, { tenant: 2, email: 'c3@g.com' })).toMatchObject({ applied: 1, placed: 0 });
      expect(await letters()).toEqual([letter(2, true)]);
      expect(await t.orders(...events)).toMatchObject({ placed: 1, deadLetters: 0 });
      expect(await t.contacts(2)).toHaveLength(3);
      expect(await letters()).toEqual([]);
    });

    test('a retry in vain leaves it where it is', async () => {
      const events = await waiting();
      expect(await t.orders(...events)).toMatchObject({ placed: 0, deadLetters: 1, writes: 0 });
      expect(await letters()).toEqual([letter(2, true)]);
    });

    test('a newer change of it is one, too', async () => {
      await waiting();
      expect(await t.order(2, { tenant: 2, email: 'mended@g.com' })).toMatchObject({ applied: 1 });
      expect(await letters()).toEqual([]);
      expect((await t.contacts(2)).map(({ email }) => email).sort()).toEqual(['c1@g.com', 'mended@g.com']);
    });
  });
});
