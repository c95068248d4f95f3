import { Shop } from '../../support/shop';
import { openSinks, type SinkWorld, untilSinkWaits } from '../../support/sinks';
import { vectorsOf } from '../../support/vectors';

jest.setTimeout(60_000);

/**
 * Identity, through the real sink. Profile repo has integer ids and no phone, customer id or count on its orders: vectors about
 * those (`columns`) run there too, as an installation whose orders had the columns; those of e-mail alone as it is.
 */
const p = '987654321';
const P = '+51987654321';
const q = '912345678';
const Q = '+51912345678';

interface Vector {
  readonly id: string;
  readonly says: string;
  readonly run: (t: Shop) => Promise<void>;
}

const vector = (id: string, says: string, run: Vector['run']): Vector => ({ id, says, run });

const VECTORS: readonly Vector[] = [
  vector('I01', 'a first order makes a contact', async (t) => {
    await t.order(1, { phone: p, email: 'Ana@Gmail.com', cid: 77n });
    expect(await t.contacts()).toMatchObject([
      {
        name: 'Ana Pérez',
        email: 'ana@gmail.com',
        phone: P,
        type: 2,
        attributes: { ventia_customer_id: '77', total_orders: 1 },
      },
    ]);
  }),

  vector('I02', 'the same version again writes nothing', async (t) => {
    const event = t.orderEvent(1, { phone: p });
    expect(await t.orders(event)).toMatchObject({ applied: 1, created: 1 });
    expect(await t.orders(event)).toMatchObject({ applied: 0, stale: 1, created: 0, updated: 0, writes: 0 });
    expect(await t.contacts()).toMatchObject([{ phone: P, attributes: { total_orders: 1 } }]);
  }),

  vector('I03', 'another format of phone and e-mail is the same person', async (t) => {
    await t.order(1, { phone: p, email: 'a@g.com' });
    await t.order(2, { phone: '+51 987-654-321', email: 'A@G.com' });
    expect(await t.contacts()).toMatchObject([{ phone: P, email: 'a@g.com', attributes: { total_orders: 2 } }]);
  }),
  vector('I03', 'another case of the e-mail is the same person', async (t) => {
    await t.order(1, { email: 'a@g.com' });
    await t.order(2, { email: ' A@G.com ' });
    expect(await t.contacts()).toMatchObject([{ phone: null, email: 'a@g.com', attributes: { total_orders: 2 } }]);
  }),

  vector('I04', 'a phone and an e-mail that never came together are two people', async (t) => {
    await t.order(1, { phone: p, email: 'no-email-shopify-12345@example.com' });
    await t.order(2, { email: 'a@g.com' });
    expect(await t.contacts()).toMatchObject([
      { phone: P, email: null, attributes: { total_orders: 1 } },
      { phone: null, email: 'a@g.com', attributes: { total_orders: 1 } },
    ]);
  }),

  vector('I05', 'a known e-mail brings its phone', async (t) => {
    await t.order(1, { email: 'a@g.com' });
    await t.order(2, { email: 'a@g.com', phone: p });
    expect(await t.contacts()).toMatchObject([{ phone: P, email: 'a@g.com', attributes: { total_orders: 2 } }]);
  }),

  vector('I06', 'phone and e-mail of two people: the phone decides, nothing is stolen', async (t) => {
    const a = await t.appContact({ name: 'A', phone_number: P });
    const b = await t.appContact({ name: 'B', email: 'b@g.com' });
    await t.order(1, { phone: p, email: 'b@g.com' });
    expect(await t.contacts()).toMatchObject([
      { id: a, email: null, attributes: { total_orders: 1 } },
      { id: b, email: 'b@g.com', phone: null, attributes: {}, type: 0 },
    ]);
    expect(await t.conflicts()).toEqual([
      { order: t.ids.id(101), reason: 'email_belongs_to_other', contact: a, other: b },
    ]);
  }),

  vector('I07', 'a shared e-mail with two phones is two people', async (t) => {
    await t.order(1, { phone: p, email: 'fam@g.com' });
    await t.order(2, { phone: q, email: 'fam@g.com', name: 'Luis' });
    const contacts = await t.contacts();
    expect(contacts).toMatchObject([
      { phone: P, email: 'fam@g.com', attributes: { total_orders: 1 } },
      { phone: Q, email: null, name: 'Luis', attributes: { total_orders: 1 } },
    ]);
    expect(await t.conflicts()).toEqual([
      {
        order: t.ids.id(102),
        reason: 'email_shared_different_phone',
        contact: contacts[1]!.id,
        other: contacts[0]!.id,
      },
    ]);
  }),

  vector('I09', 'a customer id outlives the phone', async (t) => {
    await t.order(1, { phone: p, cid: 77n });
    await t.order(2, { phone: q, cid: 77n });
    expect(await t.contacts()).toMatchObject([{ phone: Q, attributes: { total_orders: 2 } }]);
  }),

  vector('I11', 'the new phone of a customer belongs to a WhatsApp contact', async (t) => {
    await t.order(1, { phone: p, cid: 77n });
    const [a] = await t.contacts();
    const b = await t.appContact({ name: 'Wa', phone_number: Q });
    const before = await t.world.rows('SELECT *, xmin FROM contacts WHERE id::text = $1', [b]);
    await t.order(2, { phone: q, cid: 77n });
    expect((await t.contacts()).find((contact) => contact.id === a!.id)).toMatchObject({
      phone: P,
      attributes: { total_orders: 2 },
    });
    expect(await t.world.rows('SELECT *, xmin FROM contacts WHERE id::text = $1', [b])).toEqual(before);
    expect(await t.conflicts()).toEqual([
      { order: t.ids.id(102), reason: 'phone_belongs_to_other', contact: a!.id, other: b },
    ]);
  }),

  vector('I13', 'a contact named by its number gets its name', async (t) => {
    const id = await t.appContact({ name: P.slice(1), phone_number: P });
    await t.order(1, { phone: p, name: 'Ana Pérez' });
    expect(await t.contacts()).toMatchObject([{ id, name: 'Ana Pérez', phone: P, type: 2 }]);
  }),

  vector('I14', 'a profile name stays', async (t) => {
    const id = await t.appContact({ name: 'Mari 🌸', phone_number: P, contact_type: 1 });
    await t.order(1, { phone: p, name: 'Ana Pérez', email: 'a@g.com' });
    expect(await t.contacts()).toMatchObject([{ id, name: 'Mari 🌸', email: 'a@g.com', type: 2 }]);
  }),

  vector('I15', 'neither phone nor e-mail: nobody', async (t) => {
    await t.order(1, { phone: 'n/a', email: 'no-email-woo-4123@example.com', cid: 5n });
    expect(await t.contacts()).toEqual([]);
    expect(await t.fact(1)).toMatchObject({ contact_id: null, deleted: false, customer_id: '5' });
  }),

  vector('I17', 'a corrected e-mail corrects the contact', async (t) => {
    await t.order(1, { email: 'ana@gmial.com' });
    const [before] = await t.contacts();
    await t.order(1, { email: 'ana@gmail.com' });
    expect(await t.contacts()).toMatchObject([{ id: before!.id, email: 'ana@gmail.com' }]);
  }),

  vector('I20', "an agent's e-mail stays, and makes no second contact", async (t) => {
    await t.order(1, { email: 'e1@g.com', status: 'Pendiente' });
    const [contact] = await t.contacts();
    await t.edit(contact!.id, { email: 'fixed@g.com' });
    await t.order(1, { email: 'e1@g.com', status: 'Pagado' });
    expect(await t.contacts()).toMatchObject([{ id: contact!.id, email: 'fixed@g.com' }]);
  }),

  vector('I21', 'the former e-mail still finds the contact', async (t) => {
    await t.order(1, { email: 'e1@g.com' });
    const [contact] = await t.contacts();
    await t.edit(contact!.id, { email: 'fixed@g.com' });
    await t.order(1, { email: 'e1@g.com', status: 'Enviado' });
    await t.order(2, { email: 'e1@g.com' });
    expect(await t.contacts()).toMatchObject([
      { id: contact!.id, email: 'fixed@g.com', attributes: { total_orders: 2 } },
    ]);
    expect(await t.conflicts()).toContainEqual({
      order: t.ids.id(102),
      reason: 'email_kept_agent_value',
      contact: contact!.id,
      other: '',
    });
  }),

  vector('I22', "an agent's name stays", async (t) => {
    await t.order(1, { phone: p });
    const [contact] = await t.contacts();
    await t.edit(contact!.id, { name: 'Anita VIP' });
    await t.order(2, { phone: p, name: 'ANA PEREZ' });
    expect(await t.contacts()).toMatchObject([{ name: 'Anita VIP', attributes: { total_orders: 2 } }]);
  }),

  vector('I23', 'a newer name is taken', async (t) => {
    await t.order(1, { phone: p, name: 'Ana' });
    await t.order(2, { phone: p, name: 'Ana Pérez Díaz' });
    expect(await t.contacts()).toMatchObject([{ name: 'Ana Pérez Díaz' }]);
  }),

  vector('I26', 'a blocked contact is matched and stays blocked', async (t) => {
    const id = await t.appContact({ name: 'X', phone_number: P, blocked: true });
    await t.order(1, { phone: p, email: 'a@g.com' });
    expect(await t.contacts()).toMatchObject([{ id, blocked: true, attributes: { total_orders: 1 } }]);
  }),

  vector('I27', 'two tenants never share a contact', async (t) => {
    await t.open(2);
    await t.order(1, { phone: p });
    await t.order(2, { phone: p, tenant: 2 });
    expect(await t.contacts(1)).toMatchObject([{ phone: P, attributes: { total_orders: 1 } }]);
    expect(await t.contacts(2)).toMatchObject([{ phone: P, attributes: { total_orders: 1 } }]);
  }),

  vector('I28', 'a legacy e-mail in capitals is matched and left as it is', async (t) => {
    const id = await t.appContact({ name: 'Ana', email: 'Ana@G.com' });
    await t.order(1, { email: 'ana@g.com' });
    expect(await t.contacts()).toMatchObject([{ id, email: 'Ana@G.com', attributes: { total_orders: 1 } }]);
  }),

  vector('I29', 'a landline is not written', async (t) => {
    await t.order(1, { phone: '01 4445555', email: 'a@g.com' });
    expect(await t.contacts()).toMatchObject([{ phone: null, email: 'a@g.com' }]);
  }),

  vector('I31', 'our keys join the custom attributes', async (t) => {
    await t.appContact({ name: 'Ana', phone_number: P, custom_attributes: { talla: 'M' } });
    await t.order(1, { phone: p, cid: 7000000000000001n });
    expect(await t.contacts()).toMatchObject([
      { attributes: { talla: 'M', ventia_customer_id: '7000000000000001', total_orders: 1 } },
    ]);
  }),

  ...[null, '[]', '"x"'].map((attributes) =>
    vector('I47', `custom attributes ${attributes} become an object`, async (t) => {
      await t.appContact({ name: 'Ana', phone_number: P, custom_attributes: attributes });
      await t.order(1, { phone: p });
      expect((await t.contacts())[0]!.attributes).toEqual({ total_orders: 1 });
    }),
  ),

  vector('I48', 'the application inserts the same phone between our look and our write', async (t) => {
    await t.world.client.query('BEGIN');
    const id = await t.appContact({ name: 'De Rails', phone_number: P });
    const applied = t.order(1, { phone: p, email: 'a@g.com' });
    await untilSinkWaits(t.world);
    await t.world.client.query('COMMIT');
    expect(await applied).toMatchObject({ applied: 1, created: 0, updated: 1 });
    expect(await t.contacts()).toMatchObject([
      { id, name: 'De Rails', email: 'a@g.com', attributes: { total_orders: 1 } },
    ]);
  }),

  vector('I50', 'without a name the number stands in, so that a profile name can replace it', async (t) => {
    await t.order(1, { phone: p, name: '#D1023' });
    expect(await t.contacts()).toMatchObject([{ name: P, phone: P }]);
  }),
];

describe.each(['seed', 'repo'] as const)('identity vectors, profile %s', (profile) => {
  let world: SinkWorld;
  beforeAll(async () => {
    world = await openSinks(profile);
  });
  afterAll(() => world.close());

  const tests = vectorsOf('Identity', profile);
  for (const { id, says, run } of VECTORS) {
    tests.vector(id, says, async () => {
      const shop = new Shop(world);
      await shop.open();
      await run(shop);
      expect(await world.rows('SELECT reason FROM cdc.dead_letter')).toEqual([]);
    });
  }
  tests.complete();
});
