import { createContactsSink } from '../../../src/messaging/apply';
import type { AliasKind } from '../../../src/messaging/decide/values';
import { type ErasureReport, erase, previewErasure } from '../../../src/messaging/erase/erase';
import { privacyKey } from '../../../src/messaging/privacy';
import { RULES } from '../../support/events';
import { Shop } from '../../support/shop';
import { fingerprint, openSinks, PRIVACY, type SinkWorld, untilSinkWaits } from '../../support/sinks';
import { vectorsOf } from '../../support/vectors';

jest.setTimeout(60_000);

const p = '987654321';
const P = '+51987654321';
const q = '912345678';
const Q = '+51912345678';

describe.each(['seed', 'repo'] as const)('erasure, profile %s', (profile) => {
  const { vector } = vectorsOf('Erasure and privacy', profile);
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
  afterEach(() => world.rows('DELETE FROM cdc.dead_letter'));

  const dependencies = (privacy = PRIVACY) => ({
    database: world.database,
    catalog: world.catalog,
    rules: RULES,
    privacy,
  });
  const request = (kind: AliasKind, value: string, n = 1) => ({ tenantId: t.ids.id(n), kind, value });
  const preview = (kind: AliasKind, value: string) => previewErasure(dependencies(), request(kind, value));
  /** As the command does it: up to all that the source has written by now. */
  const eraseNow = (kind: AliasKind, value: string, n = 1): Promise<ErasureReport> => {
    const { epoch, commitLsn } = t.log.at(-1)!.event.position;
    return erase(dependencies(), request(kind, value, n), { epoch, commitLsn, seq: 0xffffffffn }, async () => {});
  };
  const personal = async (...orders: number[]) => {
    const facts: unknown[] = [];
    for (const n of orders) {
      const { phone, email, name, customer_id, raw_phone } = await t.fact(n);
      facts.push([phone, email, name, customer_id, raw_phone]);
    }
    return facts;
  };
  const NOTHING = [null, null, null, null, null];
  /** Every row of both schemas that holds one of the texts. */
  const rowsWith = async (...texts: string[]) => {
    const rows = await fingerprint(world);
    return rows.filter((row) => texts.some((text) => row.includes(text)));
  };

  vector('G01', 'erased by e-mail, a replay of everything brings nothing back; counts stay', async () => {
    await t.orders(
      t.orderEvent(1, { phone: p, email: 'g01@g.com', name: 'Gloria Uno', cid: 4401n }),
      t.orderEvent(2, { phone: p, email: 'g01@g.com', name: 'Gloria Uno', cid: 4401n, status: 'Cancelado' }),
      t.orderEvent(3, { phone: q, email: 'other@g.com', name: 'Otra' }),
    );
    const [contact] = await t.contacts();
    await t.edit(contact!.id, { custom_attributes: { ...(contact!.attributes as object), talla: 'M' } });
    const before = await t.fact(1);

    expect(await eraseNow('email', ' G01@G.com')).toEqual({
      contacts: [{ id: contact!.id, cleared: ['name', 'email', 'phone_number', 'custom_attributes'], kept: [] }],
      orders: [1, 2].map((n) => ({ id: t.ids.id(100 + n), where: 'linked' })),
      aliases: 3,
      deadLetters: [],
      hashes: 3,
      nothing: false,
    });
    expect((await t.contacts())[0]).toMatchObject({
      name: '',
      email: null,
      phone: null,
      type: 2,
      attributes: { talla: 'M' },
    });
    expect(await t.fact(1)).toEqual({
      ...before,
      ...{ phone: null, email: null, name: null, customer_id: null, erased: true },
    });
    expect(await rowsWith('g01@g.com', P, '4401', 'Gloria')).toEqual([]);

    const erased = await fingerprint(world);
    for (const result of await t.replay()) expect(result).toMatchObject({ applied: 0, writes: 0 });
    expect(await fingerprint(world)).toEqual(erased);
    expect((await t.contacts())[1]).toMatchObject({ email: 'other@g.com', name: 'Otra', phone: Q });
  });

  vector(
    'G01',
    'the ledger lost its facts: the replay knows the erased by their hashes, whichever key an order has',
    async () => {
      const events = [
        t.orderEvent(1, { phone: p, email: 'lost@g.com', name: 'Lola', cid: 4402n }),
        t.orderEvent(2, { email: 'lost@g.com', name: 'Lola' }),
        t.orderEvent(3, { phone: `0051${p}`, name: 'Lola' }),
        t.orderEvent(4, { cid: 4402n, name: 'Lola' }),
        t.orderEvent(5, { email: 'else@g.com', name: 'Elsa' }),
      ];
      await t.orders(...events);
      await eraseNow('phone', p);
      await world.rows('DELETE FROM cdc.order_fact');
      await t.orders(...events);
      expect(await personal(1, 2, 3, 4)).toEqual([NOTHING, NOTHING, NOTHING, NOTHING]);
      expect(await t.fact(2)).toMatchObject({ erased: true, status: 'Pagado', okey: `order:${t.ids.id(102)}` });
      expect(await t.fact(5)).toMatchObject({ erased: false, email: 'else@g.com' });
      expect(await rowsWith('lost@g.com', P, '4402', 'Lola')).toEqual([]);
    },
  );

  test('a second time finds nothing, and reaches further', async () => {
    await t.order(1, { email: 'twice@g.com' });
    await eraseNow('email', 'twice@g.com');
    expect(await preview('email', 'twice@g.com')).toMatchObject({
      nothing: true,
      contacts: [],
      orders: [],
      aliases: 0,
    });
    const late = t.orderEvent(2, { email: 'twice@g.com' });
    t.orderEvent(3, {});
    t.log.push({ topic: 'orders', event: t.orderEvent(4, {}) });
    expect(await eraseNow('email', 'twice@g.com')).toMatchObject({ nothing: true });
    await t.apply('orders', [late]);
    expect(await personal(2)).toEqual([NOTHING]);
  });

  test('a preview writes nothing, and shows what is erased then, by ids only', async () => {
    await t.orders(
      t.orderEvent(1, { phone: p, email: 'pre@g.com', name: 'Prisca', cid: 4403n }),
      t.orderEvent(2, { tenant: 2, phone: p }),
    );
    const before = await fingerprint(world);
    const shown = await preview('customer_id', '4403');
    expect(await fingerprint(world)).toEqual(before);
    expect(JSON.stringify(shown)).not.toMatch(/pre@g|987654321|Prisca|4403/);
    expect(await eraseNow('customer_id', '4403')).toEqual(shown);
  });

  test('an order of before the erasure that the sink has not seen yet comes without its person', async () => {
    const late = t.orderEvent(1, { email: 'late@g.com', name: 'Lía' });
    await t.order(2, { email: 'x@g.com' });
    expect(await eraseNow('email', 'late@g.com')).toMatchObject({ nothing: true, hashes: 1 });
    await t.apply('orders', [late]);
    expect(await personal(1)).toEqual([NOTHING]);
    expect(await t.fact(1)).toMatchObject({ erased: true, contact_id: null });
    expect(await t.contacts()).toHaveLength(1);
  });

  test('later versions of an erased order stay without the person; the contact is not written', async () => {
    await t.order(1, { phone: p, email: 'stay@g.com', name: 'Sara' });
    await eraseNow('phone', P);
    const contacts = await world.rows('SELECT c.*, c.xmin FROM contacts c');
    await t.order(1, { phone: p, email: 'stay@g.com', name: 'Sara', status: 'Enviado' });
    await t.order(1, null);
    await t.order(1, { phone: p, email: 'new@g.com', name: 'Sara', cid: 5n });
    expect(await personal(1)).toEqual([NOTHING]);
    expect(await t.fact(1)).toMatchObject({ erased: true, status: 'Pagado', deleted: false });
    expect(await world.rows('SELECT c.*, c.xmin FROM contacts c')).toEqual(contacts);
  });

  test('who comes back is a new contact', async () => {
    await t.order(1, { phone: p, email: 'back@g.com', name: 'Bea' });
    await eraseNow('email', 'back@g.com');
    expect(await t.order(2, { phone: p, email: 'back@g.com', name: 'Bea' })).toMatchObject({ created: 1 });
    expect((await t.contacts()).map(({ email, phone, attributes }) => [email, phone, attributes])).toEqual([
      [null, null, {}],
      ['back@g.com', P, { total_orders: 1 }],
    ]);
  });

  test('what agents wrote is told and stays; a new order then finds them by it, and counts the erased ones', async () => {
    await t.order(1, { phone: p, email: 'mine@g.com', name: 'Ana' });
    const { id } = (await t.contacts())[0]!;
    await t.edit(id, { email: 'agent@g.com', name: 'Anita VIP' });
    expect(await eraseNow('phone', p)).toMatchObject({
      contacts: [{ id, cleared: ['phone_number', 'custom_attributes'], kept: ['name', 'email'] }],
    });
    expect(await t.contacts()).toMatchObject([
      { id, name: 'Anita VIP', email: 'agent@g.com', phone: null, attributes: {} },
    ]);
    await t.order(2, { email: 'agent@g.com', phone: p });
    expect(await t.contacts()).toMatchObject([{ id, name: 'Anita VIP', phone: P, attributes: { total_orders: 2 } }]);
  });

  test('a phone is cleared also where it has a conversation, and one that WhatsApp writes otherwise is found', async () => {
    await t.order(1, { phone: p });
    const [contact] = await t.contacts();
    await t.converse(contact!.id);
    await eraseNow('phone', p);
    expect(await t.contacts()).toMatchObject([{ phone: null, name: '' }]);
    const mexican = await t.appContact({ name: 'Mari', phone_number: '+5215512345678' });
    for (const typed of ['+525512345678', '+5215512345678'])
      expect(await preview('phone', typed)).toMatchObject({
        contacts: [{ id: mexican, kept: ['name', 'phone_number'] }],
      });
  });

  test('a shared e-mail erases each who used it; the same address in another tenant is another person', async () => {
    await t.open(2);
    await t.orders(
      t.orderEvent(1, { phone: p, email: 'fam@g.com', name: 'Ana' }),
      t.orderEvent(2, { phone: q, email: 'fam@g.com', name: 'Luis' }),
      t.orderEvent(3, { tenant: 2, email: 'fam@g.com', name: 'Ana' }),
    );
    expect((await eraseNow('email', 'fam@g.com')).contacts).toHaveLength(2);
    expect(await t.contacts()).toMatchObject([
      { name: '', phone: null },
      { name: '', phone: null },
    ]);
    expect(await t.contacts(2)).toMatchObject([{ name: 'Ana', email: 'fam@g.com' }]);
  });

  test('orders whose contact an agent deleted', async () => {
    await t.order(1, { phone: p, email: 'gone@g.com' });
    const [contact] = await t.contacts();
    await world.rows('DELETE FROM contacts WHERE id::text = $1', [contact!.id]);
    expect(await eraseNow('email', 'gone@g.com')).toMatchObject({
      contacts: [],
      orders: [{ where: 'linked' }],
      aliases: 2,
    });
    expect(await personal(1)).toEqual([NOTHING]);
  });

  test('parked orders, whatever country their phone is from; when the tenant comes they belong to nobody', async () => {
    await t.orders(
      t.orderEvent(1, { tenant: 2, phone: '987 654 321', name: 'Pía', email: 'park@g.com' }),
      t.orderEvent(2, { tenant: 2, phone: '55 1234 5678', name: 'Moctezuma' }),
    );
    expect(await eraseNow('phone', P, 2)).toMatchObject({
      orders: [{ id: t.ids.id(101), where: 'parked' }],
      hashes: 2,
    });
    await eraseNow('phone', '+525512345678', 2);
    expect(await personal(1, 2)).toEqual([NOTHING, NOTHING]);
    await t.open(2);
    expect(await t.contacts(2)).toEqual([]);
    expect(await t.fact(1)).toMatchObject({ parked: false, erased: true, contact_id: null, status: 'Pagado' });
  });

  test('dead letters are emptied; their retry brings no person', async () => {
    await world.rows(`ALTER TABLE contacts ADD CONSTRAINT no_poison CHECK (name <> 'Poison') NOT VALID`);
    const events = [
      t.orderEvent(1, { phone: '955111222', email: 'dead@g.com', name: 'Poison', cid: 7000000000000001n }),
      t.orderEvent(2, { email: 'alive@g.com', name: 'Poison' }),
    ];
    expect(await t.orders(...events)).toMatchObject({ deadLetters: 2 });
    await world.rows('ALTER TABLE contacts DROP CONSTRAINT no_poison');
    expect(await eraseNow('customer_id', '7000000000000001')).toMatchObject({ deadLetters: [t.ids.id(101)] });
    expect(await rowsWith('dead@g.com', '955111222', '7000000000000001')).toEqual([]);
    expect(await rowsWith('alive@g.com')).toHaveLength(1);
    expect(await t.orders(...events)).toMatchObject({ applied: 2, deadLetters: 0 });
    expect(await personal(1)).toEqual([NOTHING]);
    expect(await t.contacts()).toMatchObject([{ email: 'alive@g.com' }]);

    // As from the dead letter itself, which says no more of the person than the order's id.
    await world.rows('DELETE FROM cdc.order_fact WHERE order_id = $1', [t.ids.id(101)]);
    const emptied = t.orderEvent(1, { name: null }, { lsn: events[0]!.position.commitLsn });
    await t.apply('orders', [emptied]);
    expect(await t.fact(1)).toMatchObject({ erased: true });
  });

  test('a sink in the middle of a batch, and an erasure that waits for it', async () => {
    await t.order(1, { phone: '955111333', email: 'race@g.com', name: 'Rita' });
    const [contact] = await t.contacts();
    await world.client.query('BEGIN');
    await t.edit(contact!.id, { blocked: true });
    const applied = t.order(2, { phone: '955111333', email: 'race@g.com', name: 'Rita R' });
    await untilSinkWaits(world);
    const erased = eraseNow('email', 'race@g.com');
    await untilSinkWaits(world, 2);
    await world.client.query('COMMIT');
    expect(await applied).toMatchObject({ applied: 1 });
    expect((await erased).orders).toHaveLength(2);
    expect(await rowsWith('race@g.com', '955111333', 'Rita')).toEqual([]);
  });

  test('an agent who writes between our look and our write keeps what was written', async () => {
    await t.order(1, { phone: p, email: 'edit@g.com', name: 'Eva' });
    const [contact] = await t.contacts();
    await world.client.query('BEGIN');
    await t.edit(contact!.id, { email: 'fixed@g.com' });
    const erased = eraseNow('phone', p);
    await untilSinkWaits(world);
    await world.client.query('COMMIT');
    await erased;
    expect(await t.contacts()).toMatchObject([{ email: 'fixed@g.com', phone: null, name: '' }]);
  });

  test('what belongs to it fails: nothing is erased', async () => {
    await t.order(1, { phone: p });
    const before = await fingerprint(world);
    const position = t.log.at(-1)!.event.position;
    await expect(
      erase(dependencies(), request('phone', p), position, () => Promise.reject(new Error('Kafka is away'))),
    ).rejects.toThrow('Kafka is away');
    expect(await fingerprint(world)).toEqual(before);
  });

  test('a tenant that nobody knows is a typing error', async () => {
    await expect(previewErasure(dependencies(), request('email', 'a@g.com', 77))).rejects.toMatchObject({
      kind: 'tenant_unknown',
    });
  });

  describe('the key', () => {
    const sinkWith = (secret: string | null) =>
      createContactsSink({ ...dependencies(), privacy: secret === null ? null : privacyKey(secret) });

    test('another one is refused, before anything is written', async () => {
      await t.order(1, { phone: p });
      await eraseNow('phone', p);
      const other = dependencies(privacyKey('another key, which nobody has used'));
      await expect(previewErasure(other, request('phone', p))).rejects.toMatchObject({
        kind: 'privacy_key',
        code: 'CDC-508',
      });
    });

    test.each([null, 'another key, which nobody has used'])(
      'a sink with %p waits, where it could bring somebody back',
      async (secret) => {
        const event = t.orderEvent(1, { phone: p, email: 'key@g.com' });
        await t.order(2, { phone: q });
        await eraseNow('phone', p);
        const batch = { topic: 'ventia.orders', partition: 0, lastOffset: 0n };
        const sink = sinkWith(secret);
        await expect(sink.apply({ ...batch, events: [event] })).rejects.toMatchObject({ kind: 'privacy_key' });
        expect(await t.fact(1)).toBeUndefined();
        const later = t.orderEvent(3, { email: 'later@g.com' });
        expect(await sink.apply({ ...batch, events: [later] })).toMatchObject({ applied: 1 });
      },
    );
  });
});
