import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { Contact } from './decide/values';
import type { World } from './decide/world';
import type { RealIds } from './ids';
import { insertNamed, type NamedRows } from './named-rows';
import { RaceLost } from './race';
import { type Column, column, execute, type Rows, unnest } from './rows';
import { timestampText } from './timestamp';

export interface ContactWrites {
  readonly created: number;
  readonly updated: number;
}

/**
 * Throws RaceLost when a contact is no longer as it was when it was decided about: what people and the application wrote
 * meanwhile is looked at first (Invariant 10).
 */
export async function writeContacts(
  sql: Sql,
  statements: ContactStatements,
  world: World,
  ids: RealIds,
): Promise<ContactWrites> {
  const added: Contact[] = [];
  const changed: Change[] = [];
  for (const { before, after } of world.contactChanges()) {
    if (!before) added.push(after);
    else if (differs(before, after))
      changed.push({ was: before, now: after, replacesPhone: replacesPhone(before, after) });
  }
  // Unique indexes are checked row by row: what moves from one contact to another is cleared, then set, then inserted.
  const cleared = givenAway(changed);
  if ((await execute(sql, statements.clear, [...cleared], ids)) < cleared.size) throw new RaceLost();
  const written = changed.map((change) => (cleared.has(change) ? { ...change, was: withoutReplaced(change) } : change));
  if ((await execute(sql, statements.update, written, ids)) < written.length) throw new RaceLost();

  await insertNamed(sql, statements.insert, added, ids);
  return { created: added.length, updated: changed.length };
}

interface Change {
  /** As it was decided about; the row must still be so. */
  readonly was: Contact;
  readonly now: Contact;
  readonly replacesPhone: boolean;
}

const differs = (a: Contact, b: Contact): boolean =>
  a.name !== b.name ||
  a.email !== b.email ||
  a.phone !== b.phone ||
  a.contactType !== b.contactType ||
  a.customerId !== b.customerId ||
  a.totalOrders !== b.totalOrders;

const replacesPhone = (was: Contact, now: Contact): boolean => !!was.phone && now.phone !== was.phone;

/** Changes that give up a value which another change takes. */
function givenAway(changes: readonly Change[]): Set<Change> {
  const taken = new Set<string>();
  for (const { was, now } of changes) {
    if (now.email !== was.email) taken.add(`${now.accountId} ${now.email}`);
    if (now.phone !== was.phone) taken.add(`${now.accountId} ${now.phone}`);
  }
  const gives = ({ was, now }: Change) =>
    (was.email !== now.email && taken.has(`${was.accountId} ${was.email}`)) ||
    (was.phone !== now.phone && taken.has(`${was.accountId} ${was.phone}`));
  return new Set(changes.filter(gives));
}

function withoutReplaced({ was, now }: Change): Contact {
  return {
    ...was,
    email: was.email === now.email ? was.email : null,
    phone: was.phone === now.phone ? was.phone : null,
  };
}

/** Our keys of custom_attributes, as far as they differ from `was`: the others are Messaging's. */
function attributes(now: Contact, was: Contact | null): string {
  return JSON.stringify({
    ...(now.customerId !== (was?.customerId ?? null) && { ventia_customer_id: now.customerId }),
    ...(now.totalOrders !== (was?.totalOrders ?? null) && { total_orders: now.totalOrders }),
  });
}

const NOW = `now() AT TIME ZONE 'UTC'`;

export interface ContactStatements {
  readonly insert: NamedRows<Contact>;
  readonly clear: Rows<Change>;
  readonly update: Rows<Change>;
}

export function contactStatements(catalog: MessagingCatalog): ContactStatements {
  return { insert: insertion(catalog), clear: clearing(catalog), update: update(catalog) };
}

/** Somebody who is there already is a unique violation, and that a race. The time is that of the transaction, in UTC. */
function insertion({ tables, types, has, newId }: MessagingCatalog): NamedRows<Contact> {
  const columns: Column<Contact>[] = [
    column('id', types.contact, (c, ids) => ids.get(c.id)),
    column('account_id', types.account, (c, ids) => ids.get(c.accountId)),
    column('name', 'text', (c) => c.name),
    column('email', 'text', (c) => c.email),
    column('phone_number', 'text', (c) => c.phone),
    column('custom_attributes', 'jsonb', (c) => attributes(c, null)),
    column('created_at', 'timestamp', (c) => timestampText(c.createdAt!)),
    column('updated_at', 'timestamp', () => 'now'),
  ];
  // Without it, contacts of a first load would stand before every conversation: NULL sorts first.
  if (has['contacts.last_activity_at'])
    columns.push(column('last_activity_at', 'timestamp', (c) => timestampText(c.createdAt!)));
  if (has['contacts.contact_type']) columns.push(column('contact_type', 'integer', (c) => c.contactType ?? 0));
  return { into: tables.contacts, newId: newId.contact, columns };
}

function clearing(catalog: MessagingCatalog): Rows<Change> {
  const { columns, unchanged } = seen(catalog);
  columns.push(
    column('email', 'text', (change) => withoutReplaced(change).email),
    column('phone', 'text', (change) => withoutReplaced(change).phone),
  );
  const text = `
    UPDATE ${catalog.tables.contacts} c SET email = u.email, phone_number = u.phone, updated_at = ${NOW}
    FROM ${unnest(columns)} WHERE ${unchanged}`;
  return { name: 'clear_contacts', text, columns };
}

function update(catalog: MessagingCatalog): Rows<Change> {
  const { columns, unchanged } = seen(catalog);
  columns.push(
    column('name', 'text', ({ now }) => now.name),
    column('email', 'text', ({ now }) => now.email),
    column('phone', 'text', ({ now }) => now.phone),
    column('attributes', 'jsonb', ({ now, was }) => attributes(now, was)),
    column('replaces_phone', 'boolean', (change) => change.replacesPhone),
  );
  const type = catalog.has['contacts.contact_type'] ? 'contact_type = u.type, ' : '';
  if (type) columns.push(column('type', 'integer', ({ now }) => now.contactType));
  const text = `
    UPDATE ${catalog.tables.contacts} c SET name = u.name, email = u.email, phone_number = u.phone, ${type}
      custom_attributes =
        CASE WHEN jsonb_typeof(c.custom_attributes) = 'object' THEN c.custom_attributes ELSE '{}' END || u.attributes,
      updated_at = ${NOW}
    FROM ${unnest(columns)}
    WHERE ${unchanged}
      AND NOT (u.replaces_phone
        AND EXISTS (SELECT FROM ${catalog.tables.contact_inboxes} i WHERE i.contact_id = c.id))`;
  return { name: 'update_contacts', text, columns };
}

/** The row is the one that was decided about. */
function seen({ types, has }: MessagingCatalog): { columns: Column<Change>[]; unchanged: string } {
  const columns: Column<Change>[] = [
    column('id', types.contact, ({ now }) => now.id),
    column('was_name', 'text', ({ was }) => was.name),
    column('was_email', 'text', ({ was }) => was.email),
    column('was_phone', 'text', ({ was }) => was.phone),
  ];
  let unchanged = `c.id = u.id AND c.name IS NOT DISTINCT FROM u.was_name
      AND c.email IS NOT DISTINCT FROM u.was_email AND c.phone_number IS NOT DISTINCT FROM u.was_phone`;
  if (has['contacts.contact_type']) {
    columns.push(column('was_type', 'integer', ({ was }) => was.contactType));
    unchanged += ' AND c.contact_type IS NOT DISTINCT FROM u.was_type';
  }
  return { columns, unchanged };
}
