import type { Client } from 'pg';
import { canonicalPhone, newPerson, type Person, typedEmail, typedName, typedPhone } from '../../src/dev/shop/people';
import { Random } from '../../src/dev/shop/random';
import { TENANTS } from '../../src/dev/shop/tenants';
import { normalizeEmail } from '../../src/messaging/normalize/email';
import { normalizePhone, regionOf } from '../../src/messaging/normalize/phone';

/** An order as it lies in Ventia, and whose it is. */
export interface DirtyOrder {
  readonly tenant: number;
  readonly customer: Customer;
  readonly row: Readonly<Record<string, string | number | null>>;
  cancelled: boolean;
}

/** A person, whom no table names. */
export interface Customer {
  readonly tenant: number;
  readonly phone: string | null;
  readonly email: string | null;
  readonly orders: DirtyOrder[];
}

/** Ids and times that grow, so that a seed means the same data everywhere. */
export const idOf = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
export const tenantIdOf = (tenant: number): string => idOf(tenant + 1);
const FIRST_ORDER = 1000;

/** Orders of the demo's tenants by customers who come back, in the ways in which people and programs write them. */
export function dirtyOrders(seed: number, count: number): DirtyOrder[] {
  const random = new Random(seed);
  const known = TENANTS.map(() => [] as { person: Person; customer: Customer }[]);
  return Array.from({ length: count }, (_, n) => {
    const tenant = random.integer(0, TENANTS.length - 1);
    const { country } = TENANTS[tenant]!;
    const people = known[tenant]!;
    let found = people.length > 0 && random.chance(0.6) ? random.pick(people) : undefined;
    if (!found) {
      const person = newPerson(
        random,
        country,
        people.map(({ person }) => person),
      );
      found = { person, customer: { tenant, phone: canonicalPhone(person), email: person.email, orders: [] } };
      people.push(found);
    }
    const { person, customer } = found;
    person.orders++;
    const order: DirtyOrder = {
      tenant,
      customer,
      cancelled: random.chance(0.05),
      row: {
        id: idOf(FIRST_ORDER + n),
        tenant_id: tenantIdOf(tenant),
        order_number: `#${n}`,
        customer_name: typedName(random, person, `#${n}`),
        customer_email: typedEmail(random, person),
        customer_phone: typedPhone(random, person),
        customer_id: random.chance(0.85) ? person.customerId : null,
        customer_order_count: person.orders,
        status: 'Pagado',
        created_at: new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString(),
      },
    };
    customer.orders.push(order);
    return order;
  });
}

export async function insertTenants(client: Client): Promise<void> {
  for (const [n, { name, slug, country }] of TENANTS.entries())
    await client.query(
      `INSERT INTO ventia.tenants (id, name, slug, timezone, created_at) VALUES ($1, $2, $3, $4, '2026-01-01')`,
      [tenantIdOf(n), name, slug, country.timezone],
    );
}

export async function insertOrders(client: Client, orders: readonly DirtyOrder[]): Promise<void> {
  for (let from = 0; from < orders.length; from += 500)
    await client.query(
      `INSERT INTO ventia.orders (id, tenant_id, order_number, customer_name, customer_email, customer_phone, customer_id,
         customer_order_count, status, created_at)
       SELECT id, tenant_id, order_number, customer_name, customer_email, customer_phone, customer_id, customer_order_count, status,
         created_at FROM jsonb_populate_recordset(NULL::ventia.orders, $1)`,
      [JSON.stringify(orders.slice(from, from + 500).map(({ row }) => row))],
    );
}

export async function cancelOrders(client: Client, orders: readonly DirtyOrder[]): Promise<void> {
  const ids = orders.filter(({ cancelled }) => cancelled).map(({ row }) => row.id);
  await client.query(`UPDATE ventia.orders SET status = 'Cancelado' WHERE id = ANY ($1)`, [ids]);
}

interface ContactRow {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly total: number | null;
}

const contactsOf = async (client: Client): Promise<ContactRow[]> =>
  (
    await client.query<ContactRow>(
      `SELECT c.id, a.ventia_tenant_id AS tenant, c.name, c.email, c.phone_number AS phone,
              (c.custom_attributes->>'total_orders')::int AS total
       FROM messaging.contacts c JOIN messaging.accounts a ON a.id = c.account_id ORDER BY c.created_at, c.id`,
    )
  ).rows;

/** The contacts of each customer: those with the address, or with the number in whatever country it was put. */
function matched(contacts: readonly ContactRow[], customers: readonly Customer[]): Map<Customer, ContactRow[]> {
  const national = (phone: string, tenant: number) => phone.replace(`+${TENANTS[tenant]!.country.callingCode}`, '+');
  const byKey = new Map<string, ContactRow[]>();
  const add = (key: string, contact: ContactRow) => byKey.set(key, [...(byKey.get(key) ?? []), contact]);
  for (const contact of contacts) {
    if (contact.email) add(`${contact.tenant} ${contact.email.toLowerCase()}`, contact);
    if (contact.phone) add(`${contact.tenant} ${contact.phone}`, contact);
  }
  const found = (customer: Customer) => {
    const { tenant, phone, email } = customer;
    const keys = [email, phone, phone && national(phone, tenant)].filter((key) => key !== null);
    return [...new Set(keys.flatMap((key) => byKey.get(`${tenantIdOf(tenant)} ${key}`) ?? []))];
  };
  return new Map(customers.map((customer) => [customer, found(customer)]));
}

/** What an agent did: gave a contact a name, and corrected its address. */
export interface AgentEdit {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

/** Agents at work on the contacts of every n-th customer. */
export async function editContacts(
  client: Client,
  customers: readonly Customer[],
  every: number,
): Promise<AgentEdit[]> {
  const found = matched(await contactsOf(client), customers);
  const edits = customers
    .filter((_, n) => n % every === 0)
    .flatMap((customer, n): AgentEdit[] => {
      const [contact] = found.get(customer)!;
      return contact ? [{ id: contact.id, name: `Cliente VIP ${n}`, email: `corregido${n}@correo.pe` }] : [];
    });
  const unique = [...new Map(edits.map((edit) => [edit.id, edit])).values()];
  for (const { id, name, email } of unique)
    await client.query('UPDATE messaging.contacts SET name = $2, email = $3 WHERE id = $1', [id, name, email]);
  return unique;
}

/**
 * Customers whom nobody could have told apart or together: a family shares their number, or one of their orders has no number,
 * address or customer id in common with any of theirs before it.
 */
export function ambiguousCustomers(customers: readonly Customer[]): Set<Customer> {
  const owners = new Map<string, number>();
  const place = ({ tenant, phone }: Customer) => `${tenant} ${phone}`;
  for (const customer of customers) owners.set(place(customer), (owners.get(place(customer)) ?? 0) + 1);
  const isFamily = (customer: Customer) => customer.phone !== null && owners.get(place(customer))! > 1;
  return new Set(customers.filter((customer) => isFamily(customer) || hasTracelessOrder(customer)));
}

function hasTracelessOrder({ orders, tenant }: Customer): boolean {
  const region = regionOf(TENANTS[tenant]!.country.timezone);
  const known = new Set<string>();
  return orders.some(({ row }, n) => {
    const phone = normalizePhone(row.customer_phone as string | null, region);
    const email = normalizeEmail(row.customer_email as string | null, new Set());
    const keys = [phone, email, row.customer_id].filter((key) => key !== null).map(String);
    const shares = keys.some((key) => known.has(key));
    // Whoever has only a customer id that nobody has seen yet can neither be found nor be written to.
    if (!shares && phone === null && email === null) return true;
    for (const key of keys) known.add(key);
    return !shares && n > 0;
  });
}

/** What came out, by the name of the line in which it is shown. */
export async function measure(
  client: Client,
  orders: readonly DirtyOrder[],
  edits: readonly AgentEdit[],
): Promise<Record<string, number>> {
  const customers = [...new Set(orders.map(({ customer }) => customer))];
  const contacts = await contactsOf(client);
  const found = matched(contacts, customers);
  const real = new Set(customers.map(({ tenant, phone }) => `${tenantIdOf(tenant)} ${phone}`));
  const expected = new Map<string, number>();
  for (const customer of customers) {
    const counted = customer.orders.filter(({ cancelled }) => !cancelled).length;
    for (const { id } of found.get(customer)!) expected.set(id, (expected.get(id) ?? 0) + counted);
  }
  const count = (rows: Iterable<boolean>) => [...rows].filter(Boolean).length;
  const ambiguous = ambiguousCustomers(customers);
  const clear = customers.filter((customer) => !ambiguous.has(customer));
  const ofOthers = new Set([...ambiguous].flatMap((customer) => found.get(customer)!.map(({ id }) => id)));
  const byId = new Map(contacts.map((contact) => [contact.id, contact]));
  const [labels] = (await client.query('SELECT count(*)::int AS n FROM messaging.labels WHERE system')).rows;
  return {
    'people who ordered': customers.length,
    contacts: contacts.length,
    'people with two or more contacts': count(customers.map((customer) => found.get(customer)!.length > 1)),
    '- of them people who could be told': count(clear.map((customer) => found.get(customer)!.length > 1)),
    'phone numbers of nobody': count(contacts.map(({ tenant, phone }) => !!phone && !real.has(`${tenant} ${phone}`))),
    'placeholders as e-mail address': count(contacts.map(({ email }) => /@example\.com$/.test(email ?? ''))),
    'order numbers, addresses or "None" as name': count(
      contacts.map(({ name }) => /^#|@/.test(name) || name === 'None None'),
    ),
    'contacts whose total_orders is not their number of orders': count(
      contacts.map(({ id, total }) => expected.has(id) && total !== expected.get(id)),
    ),
    '- of them of people who could be told': count(
      contacts.map(({ id, total }) => expected.has(id) && !ofOthers.has(id) && total !== expected.get(id)),
    ),
    'edits of agents that were overwritten': count(
      edits.map(({ id, name, email }) => byId.get(id)?.name !== name || byId.get(id)?.email !== email),
    ),
    'system labels (two an account)': labels.n,
  };
}
