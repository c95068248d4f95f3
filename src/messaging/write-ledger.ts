import type { Sql } from '../core/ports/sql';
import type { Change } from './decide/shelf';
import type { Alias, Conflict, Contact, OrderFact, TenantFact } from './decide/values';
import { fieldOf, type World } from './decide/world';
import type { RealIds } from './ids';
import { type Column, column, copy, execute, names, query, type Rows, unnest } from './rows';

export interface LedgerWrites {
  readonly rows: number;
  /** Reasons of the conflicts that are newly recorded. */
  readonly conflicts: readonly string[];
}

/**
 * Writes what the sinks know, after Messaging's rows have their ids. What was not there is inserted without looking for
 * conflicts: the tenant is locked, and where that is not enough the unique violation is a race like any other.
 */
export async function writeLedger(sql: Sql, world: World, ids: RealIds): Promise<LedgerWrites> {
  const write = <R>(statement: Rows<R>, rows: readonly R[]) => execute(sql, statement, rows, ids);
  const tenants = split(world.tenantChanges());
  const facts = split(world.factChanges());
  const aliases = split(world.aliasChanges());
  const contacts = split(world.contactChanges(), remembersMore);
  let rows = await write(UPSERT_TENANTS, [...tenants.added, ...tenants.changed]);
  rows += await copy(sql, FACTS, FACT, facts.added, ids);
  rows += await write(UPDATE_FACTS, facts.changed);
  rows += await copy(sql, MEMORIES, MEMORY, contacts.added, ids);
  rows += await write(UPSERT_MEMORIES, contacts.changed);
  rows += await copy(sql, ALIASES, ALIAS, aliases.added, ids);
  rows += await write(UPSERT_ALIASES, aliases.changed);
  const recorded = await query<Conflict, { reason: string }>(sql, RECORD_CONFLICTS, [...world.conflicts()], ids);
  return { rows: rows + recorded.length, conflicts: recorded.map((row) => row.reason) };
}

/** Rows that were not there, and those that were and of which `matters` is true. */
function split<R>(changes: readonly Change<R>[], matters: (before: R, after: R) => boolean = () => true) {
  const added: R[] = [];
  const changed: R[] = [];
  for (const { before, after } of changes) {
    if (before === null) added.push(after);
    else if (matters(before, after)) changed.push(after);
  }
  return { added, changed };
}

const remembersMore = (before: Contact, after: Contact): boolean => before.shadow !== after.shadow;

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
  column('contact_id', 'text', (f, ids) => f.contactId && ids.get(f.contactId)),
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
  column('contact_id', 'text', (c, ids) => ids.get(c.id)),
  column('account_id', 'text', (c, ids) => ids.get(c.accountId)),
  column('ours', 'boolean', (c) => c.ours),
  column('shadow_name', 'text', (c) => c.shadow.name),
  column('shadow_email', 'text', (c) => c.shadow.email),
  column('shadow_phone', 'text', (c) => c.shadow.phone),
];

const ALIAS: readonly Column<Alias>[] = [
  column('value', 'text', (a) => a.value),
  column('kind', 'text', (a) => a.kind),
  column('account_id', 'text', (a, ids) => ids.get(a.accountId)),
  column('contact_id', 'text', (a, ids) => ids.get(a.contactId)),
];

const CONFLICT: readonly Column<Conflict>[] = [
  column('order_id', 'text', (c) => c.orderId),
  column('contact_id', 'text', (c, ids) => ids.get(c.contactId)),
  column('other_id', 'text', (c, ids) => ids.get(c.otherId)),
  column('field', 'text', (c) => fieldOf(c.reason)),
  column('reason', 'text', (c) => c.reason),
];

function insertion<R>(table: string, columns: readonly Column<R>[], rest = ''): Rows<R> {
  return {
    name: table,
    columns,
    text: `INSERT INTO cdc.${table} (${names(columns)}) SELECT * FROM ${unnest(columns)} ${rest}`,
  };
}

/** All columns but the key's take the new values. */
function upsertion<R>(table: string, keys: number, columns: readonly Column<R>[]): Rows<R> {
  const assignments = columns.slice(keys).map(({ name }) => `${name} = excluded.${name}`);
  const key = names(columns.slice(0, keys));
  return insertion(table, columns, `ON CONFLICT (${key}) DO UPDATE SET ${assignments.join(', ')}`);
}

const UPSERT_TENANTS = upsertion('tenant_fact', 1, TENANT);
const FACTS = `cdc.order_fact (${names(FACT)})`;
const MEMORIES = `cdc.contact_memory (${names(MEMORY)})`;
const ALIASES = `cdc.identity_alias (${names(ALIAS)})`;
const UPSERT_MEMORIES = upsertion('contact_memory', 1, MEMORY);
const UPSERT_ALIASES = upsertion('identity_alias', 3, ALIAS);
const RECORD_CONFLICTS = insertion('conflict', CONFLICT, 'ON CONFLICT DO NOTHING RETURNING reason');
const UPDATE_FACTS: Rows<OrderFact> = {
  name: 'order_fact',
  columns: FACT,
  text: `
    UPDATE cdc.order_fact f SET ${FACT.slice(1)
      .map(({ name }) => `${name} = u.${name}`)
      .join(', ')}
    FROM ${unnest(FACT)} WHERE f.order_id = u.order_id`,
};
