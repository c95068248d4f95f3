import type { Sql } from '../core/ports/sql';
import type { Change } from './decide/shelf';
import {
  ALIAS_KINDS,
  type Alias,
  type AliasKind,
  type Conflict,
  type Contact,
  type OrderFact,
  type TenantFact,
} from './decide/values';
import { fieldOf, isNew, type World } from './decide/world';
import type { RealIds } from './ids';
import { type Column, column, copy, execute, names, query, type Rows, sorted, unnest } from './rows';

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
  let rows = await copy(
    sql,
    TENANTS,
    TENANT,
    sorted(tenants.added, ({ tenantId }) => tenantId),
    ids,
  );
  rows += await write(UPDATE_TENANTS, tenants.changed);
  rows += await copy(
    sql,
    FACTS,
    FACT,
    sorted(facts.added, ({ orderId }) => orderId),
    ids,
  );
  rows += await write(UPDATE_FACTS, facts.changed);
  const { first, further } = firstKnownBy(aliases.added);
  const memories = contacts.added.map((contact): NewMemory => ({ ...contact, first: first.get(contact.id) ?? {} }));
  for (const kind of ALIAS_KINDS)
    rows += await write(
      FORGET[kind],
      aliases.changed.filter((alias) => alias.kind === kind),
    );
  rows += await copy(sql, NEW_MEMORIES, NEW_MEMORY, memories, ids);
  rows += await write(UPSERT_MEMORIES, contacts.changed);
  rows += await copy(
    sql,
    ALIASES,
    ALIAS,
    sorted(further, ({ value }) => value),
    ids,
  );
  rows += await write(UPSERT_ALIASES, aliases.changed);
  const recorded = await query<Conflict, { reason: string }>(sql, RECORD_CONFLICTS, [...world.conflicts()], ids);
  return { rows: rows + recorded.length, conflicts: recorded.map((row) => row.reason) };
}

/** By new contacts the first value of each kind that leads to them: it goes with their memory. */
function firstKnownBy(added: readonly Alias[]): { first: ReadonlyMap<string, FirstValues>; further: Alias[] } {
  const first = new Map<string, { [K in AliasKind]?: string }>();
  const further: Alias[] = [];
  for (const alias of added) {
    const { contactId, kind, value } = alias;
    const values = first.get(contactId) ?? {};
    if (!isNew(contactId) || values[kind] !== undefined) further.push(alias);
    else first.set(contactId, Object.assign(values, { [kind]: value }));
  }
  return { first, further };
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

type FirstValues = Partial<Readonly<Record<AliasKind, string>>>;
interface NewMemory extends Contact {
  readonly first: FirstValues;
}
const NEW_MEMORY: readonly Column<NewMemory>[] = [
  ...MEMORY,
  ...ALIAS_KINDS.map((kind) => column<NewMemory>(kind, 'text', ({ first }) => first[kind] ?? null)),
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

/** All columns but the first, which is the key. */
function updating<R>(table: string, columns: readonly Column<R>[]): Rows<R> {
  const [key, ...others] = columns.map(({ name }) => name);
  const assignments = others.map((name) => `${name} = u.${name}`).join(', ');
  const text = `UPDATE cdc.${table} t SET ${assignments} FROM ${unnest(columns)} WHERE t.${key} = u.${key}`;
  return { name: `update_${table}`, text, columns };
}

function forgetting(kind: AliasKind): Rows<Alias> {
  const columns = [column<Alias>('key', 'text', ({ value, accountId }) => `${value} ${accountId}`)];
  const text = `
    UPDATE cdc.contact_memory SET ${kind} = NULL WHERE ${kind} || ' ' || account_id = ANY ($1::text[])`;
  return { name: `forget_${kind}`, text, columns };
}

const TENANTS = `cdc.tenant_fact (${names(TENANT)})`;
const UPDATE_TENANTS = updating('tenant_fact', TENANT);
const FACTS = `cdc.order_fact (${names(FACT)})`;
const NEW_MEMORIES = `cdc.contact_memory (${names(NEW_MEMORY)})`;
const ALIASES = `cdc.identity_alias (${names(ALIAS)})`;
const UPSERT_MEMORIES = upsertion('contact_memory', 1, MEMORY);
/** A value that leads to another contact now is no longer among the first of the former. */
const FORGET = Object.fromEntries(ALIAS_KINDS.map((kind) => [kind, forgetting(kind)])) as Record<
  AliasKind,
  Rows<Alias>
>;
const UPSERT_ALIASES = upsertion('identity_alias', 3, ALIAS);
const RECORD_CONFLICTS = insertion('conflict', CONFLICT, 'ON CONFLICT DO NOTHING RETURNING reason');
const UPDATE_FACTS = updating('order_fact', FACT);
