import { importAliases } from '../../../src/messaging/import-aliases';
import { RULES } from '../../support/events';
import { Shop } from '../../support/shop';
import { fingerprint, openSinks, type SinkWorld } from '../../support/sinks';

jest.setTimeout(120_000);

const CONTACTS = 50_000;

describe.each(['seed', 'repo'] as const)('what the old way left, profile %s', (profile) => {
  let world: SinkWorld;
  let t: Shop;
  beforeEach(async () => {
    world = await openSinks(profile);
    t = new Shop(world);
    await world.rows(
      `INSERT INTO accounts (ventia_tenant_id, name, created_at, updated_at)
       SELECT unnest($1::text[])::${world.catalog.types.tenant}, 'Vieja', now(), now()`,
      [[t.ids.id(1), t.ids.id(2)]],
    );
  });
  afterEach(() => world.close());

  const start = (rules = RULES) => importAliases(world.database, world.catalog, rules);
  const aliases = () =>
    world.rows('SELECT account_id, kind, value, contact_id FROM cdc.identity_alias ORDER BY value, account_id');

  test('customer ids become aliases; an order finds its contact by them, whose wrong phone stays', async () => {
    const id = await t.appContact({
      name: 'Ana',
      phone_number: '+987654321',
      custom_attributes: { ventia_customer_id: ' 77 ', total_orders: 1 },
    });
    const { id: account } = await t.account();
    expect(await start()).toBe(1);
    expect(await aliases()).toEqual([{ account_id: account, kind: 'customer_id', value: '77', contact_id: id }]);
    await t.open();
    await t.order(1, { cid: 77n, email: 'ana@g.com' });
    expect(await t.contacts()).toMatchObject([
      { id, phone: '+987654321', email: 'ana@g.com', attributes: { total_orders: 1, ventia_customer_id: '77' } },
    ]);
  });

  test('of several with one value the lowest id gets it, in each account by itself', async () => {
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await t.appContact({ custom_attributes: { ventia_customer_id: 'same' } }));
    const other = await t.appContact({ custom_attributes: { ventia_customer_id: 'same' } }, 2);
    const [lowest] = await world.rows<{ id: string }>(
      'SELECT id::text FROM contacts WHERE id::text = ANY ($1) ORDER BY contacts.id LIMIT 1',
      [ids],
    );
    expect(await start()).toBe(2);
    expect((await aliases()).map((alias) => alias.contact_id).sort()).toEqual([lowest!.id, other].sort());
  });

  test('numbers and texts count; blank ones, blocked ones, objects and what no index holds do not', async () => {
    const values: unknown[] = [
      7000000000000,
      'gid://1',
      '',
      '   ',
      null,
      { a: 1 },
      [1],
      true,
      'walk-in',
      'x'.repeat(9000),
    ];
    for (const ventia_customer_id of values)
      await t.appContact({ custom_attributes: JSON.stringify({ ventia_customer_id }) });
    for (const custom_attributes of [null, '[]', '"text"']) await t.appContact({ custom_attributes });
    expect(await start({ ...RULES, customerIdBlocklist: new Set(['walk-in']) })).toBe(2);
    expect((await aliases()).map(({ value }) => value)).toEqual(['7000000000000', 'gid://1']);
  });

  test('once: a second start, and two at once, make nothing more; one with facts nothing at all', async () => {
    await t.appContact({ custom_attributes: { ventia_customer_id: '1' } });
    const made = await Promise.all([start(), start()]);
    expect(made.reduce((sum, n) => sum + n)).toBe(1);
    const before = await fingerprint(world);
    expect(await start()).toBe(0);
    expect(await fingerprint(world)).toEqual(before);
    await t.appContact({ custom_attributes: { ventia_customer_id: '2' } });
    await t.open();
    expect(await start()).toBe(0);
    expect(await aliases()).toHaveLength(1);
  });

  test(`${CONTACTS} contacts, in chunks`, async () => {
    await world.rows(
      `INSERT INTO contacts (account_id, name, email, custom_attributes, created_at, updated_at)
       SELECT id, 'N', n || '@old.pe', jsonb_build_object('ventia_customer_id', n % 40000), now(), now()
       FROM accounts, generate_series(1, ${CONTACTS}) n WHERE ventia_tenant_id::text = $1`,
      [t.ids.id(1)],
    );
    expect(await start()).toBe(40_000);
    const wrong = await world.rows(
      `SELECT FROM cdc.identity_alias a
       JOIN contacts c ON c.account_id::text = a.account_id AND c.custom_attributes ->> 'ventia_customer_id' = a.value
       WHERE c.id < a.contact_id::${world.catalog.types.contact}`,
    );
    expect(wrong).toEqual([]);
  });
});
