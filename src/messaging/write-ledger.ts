import type { Sql } from '../core/ports/sql';
import type { Alias, Conflict, Contact, OrderFact, TenantFact } from './decide/values';
import { fieldOf, type World } from './decide/world';
import type { RealIds } from './ids';
import { RaceLost } from './race';
import { type Column, column, execute, names, query, type Rows, unnest } from './rows';

export interface LedgerWrites {
  readonly rows: number;
  /** Reasons of the conflicts that are newly recorded. */
  readonly conflicts: readonly string[];
}

/** Writes what the sinks know, after Messaging's rows have their ids. */
export async function writeLedger(sql: Sql, world: World, ids: RealIds): Promise<LedgerWrites> {
  const tenants = Array.from(world.tenantChanges(), ({ after }) => after);
  let rows = await execute(sql, UPSERT_TENANTS, tenants);
  rows += await writeFacts(sql, world, ids);
  const memories = remembered(world).map((c) => ({ ...c, id: ids.get(c.id), accountId: ids.get(c.accountId) }));
  rows += await execute(sql, UPSERT_MEMORIES, memories);
  const aliases = Array.from(world.aliasChanges(), (alias) => ({
    ...alias,
    accountId: ids.get(alias.accountId),
    contactId: ids.get(alias.contactId),
  }));
  rows += await execute(sql, UPSERT_ALIASES, aliases);
  const conflicts = Array.from(world.conflicts(), (conflict) => ({
    ...conflict,
    contactId: ids.get(conflict.contactId),
    otherId: ids.get(conflict.otherId),
  }));
  const recorded = await query<Conflict, { reason: string }>(sql, INSERT_CONFLICTS, conflicts);
  return { rows: rows + recorded.length, conflicts: recorded.map((row) => row.reason) };
}

async function writeFacts(sql: Sql, world: World, ids: RealIds): Promise<number> {
  const added: OrderFact[] = [];
  const changed: OrderFact[] = [];
  for (const { before, after } of world.factChanges()) {
    const contactId = after.contactId === null ? null : ids.get(after.contactId);
    (before ? changed : added).push({ ...after, contactId });
  }
  const inserted = await execute(sql, INSERT_FACTS, added);
  // Two partitions may tell of one order when a DELETE does not tell its tenant; whoever comes second decides again.
  if (inserted < added.length) throw new RaceLost();
  return inserted + (await execute(sql, UPDATE_FACTS, changed));
}

/** Contacts of which there is something new to remember. */
function remembered(world: World): Contact[] {
  const contacts: Contact[] = [];
  for (const { before, after } of world.contactChanges()) {
    if (!before || before.shadow !== after.shadow) contacts.push(after);
  }
  return contacts;
}

const TENANT: readonly Column<TenantFact>[] = [
  column('tenant_id', 'text', (t) => t.tenantId),
  column('name', 'text', (t) => t.name),
  column('is_active', 'boolean', (t) => t.isActive),
  column('timezone', 'text', (t) => t.timezone),
  column('version', 'text', (t) => t.version),
  column('deleted', 'boolean', (t) => t.deleted),
];

const FACT: readonly Column<OrderFact>[] = [
  column('order_id', 'text', (f) => f.orderId),
  column('tenant_id', 'text', (f) => f.tenantId),
  column('contact_id', 'text', (f) => f.contactId),
  column('phone', 'text', (f) => f.phone),
  column('email', 'text', (f) => f.email),
  column('name', 'text', (f) => f.name),
  column('customer_id', 'text', (f) => f.customerId),
  column('order_count', 'bigint', (f) => f.orderCount),
  column('status', 'text', (f) => f.status),
  column('okey', 'text', (f) => f.okey),
  column('created_us', 'bigint', (f) => (f.createdAt === null ? null : String(f.createdAt))),
  column('commit_us', 'bigint', (f) => String(f.commitAt)),
  column('version', 'text', (f) => f.version),
  column('deleted', 'boolean', (f) => f.deleted),
  column('erased', 'boolean', (f) => f.erased),
  column('parked', 'boolean', (f) => f.parked),
  column('raw_phone', 'text', (f) => f.rawPhone),
];

const MEMORY: readonly Column<Contact>[] = [
  column('contact_id', 'text', (c) => c.id),
  column('account_id', 'text', (c) => c.accountId),
  column('ours', 'boolean', (c) => c.ours),
  column('shadow_name', 'text', (c) => c.shadow.name),
  column('shadow_email', 'text', (c) => c.shadow.email),
  column('shadow_phone', 'text', (c) => c.shadow.phone),
];

const ALIAS: readonly Column<Alias>[] = [
  column('account_id', 'text', (a) => a.accountId),
  column('kind', 'text', (a) => a.kind),
  column('value', 'text', (a) => a.value),
  column('contact_id', 'text', (a) => a.contactId),
];

const CONFLICT: readonly Column<Conflict>[] = [
  column('order_id', 'text', (c) => c.orderId),
  column('contact_id', 'text', (c) => c.contactId),
  column('other_id', 'text', (c) => c.otherId),
  column('field', 'text', (c) => fieldOf(c.reason)),
  column('reason', 'text', (c) => c.reason),
];

function insertion<R>(table: string, columns: readonly Column<R>[], onConflict: string): Rows<R> {
  const text = `INSERT INTO cdc.${table} (${names(columns)}) SELECT * FROM ${unnest(columns)} ON CONFLICT ${onConflict}`;
  return { text, columns };
}

/** All columns but the key's take the new values. */
function upsertion<R>(table: string, keys: number, columns: readonly Column<R>[]): Rows<R> {
  const assignments = columns.slice(keys).map(({ name }) => `${name} = excluded.${name}`);
  return insertion(table, columns, `(${names(columns.slice(0, keys))}) DO UPDATE SET ${assignments.join(', ')}`);
}

const UPSERT_TENANTS = upsertion('tenant_fact', 1, TENANT);
const UPSERT_MEMORIES = upsertion('contact_memory', 1, MEMORY);
const UPSERT_ALIASES = upsertion('identity_alias', 3, ALIAS);
const INSERT_FACTS = insertion('order_fact', FACT, 'DO NOTHING');
const INSERT_CONFLICTS = insertion('conflict', CONFLICT, 'DO NOTHING RETURNING reason');
const UPDATE_FACTS: Rows<OrderFact> = {
  columns: FACT,
  text: `
    UPDATE cdc.order_fact f SET ${FACT.slice(1)
      .map(({ name }) => `${name} = u.${name}`)
      .join(', ')}
    FROM ${unnest(FACT)} WHERE f.order_id = u.order_id`,
};
