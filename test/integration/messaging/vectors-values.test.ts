import { emailVectors, nameVectors } from '../../fixtures/email-name-vectors';
import { phoneRows } from '../../fixtures/phone-vectors';
import { type OrderInput, Shop } from '../../support/shop';
import { openSinks, type SinkWorld } from '../../support/sinks';
import { vectorsOf } from '../../support/vectors';

jest.setTimeout(60_000);

/** Phones, addresses and names as orders bring them, and what then stands in the contact; each order has a tenant of its own. */
describe.each(['seed', 'repo'] as const)('vectors of values, profile %s', (profile) => {
  let world: SinkWorld;
  beforeAll(async () => {
    world = await openSinks(profile);
  });
  afterAll(() => world.close());

  async function contactsOf(...orders: OrderInput[]) {
    const t = new Shop(world);
    await t.tenants(...orders.map((_, n) => t.tenantEvent(n + 1)));
    await t.orders(...orders.map((order, n) => t.orderEvent(n, { ...order, tenant: n + 1 })));
    const contacts = [];
    for (const n of orders.keys()) contacts.push(...(await t.contacts(n + 1)));
    return contacts;
  }
  /** A section's rows in their order; `asOrder` makes a contact whatever becomes of the value. */
  function section(
    name: 'Phones (Peru)' | 'E-mail addresses' | 'Names',
    letter: string,
    rows: readonly (readonly (readonly [raw: string | null, expected: string | null])[])[],
    asOrder: (raw: string | null) => OrderInput,
    column: (expected: string | null) => object,
  ) {
    const { vector, complete } = vectorsOf(name, profile);
    rows.forEach((row, i) => {
      const says = row.map(([raw]) => JSON.stringify(raw)).join(', ');
      vector(`${letter}${String(i + 1).padStart(2, '0')}`, says, async () => {
        const contacts = await contactsOf(...row.map(([raw]) => asOrder(raw)));
        expect(contacts).toMatchObject(row.map(([, expected]) => column(expected)));
      });
    });
    complete();
  }

  section(
    'Phones (Peru)',
    'P',
    phoneRows.map((row) => row.map(([raw, , expected]) => [raw, expected] as const)),
    (phone) => ({ phone, email: 'a@g.com' }),
    (phone) => ({ phone, email: 'a@g.com' }),
  );
  section(
    'E-mail addresses',
    'E',
    emailVectors,
    (email) => ({ email, phone: '987654321' }),
    (email) => ({ email, phone: '+51987654321' }),
  );
  section(
    'Names',
    'N',
    nameVectors,
    (name) => ({ name, email: 'a@g.com' }),
    (name) => ({ name: name ?? '', email: 'a@g.com' }),
  );
});
