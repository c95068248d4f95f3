import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { HeldKind } from './decide/directory';
import type { Lookup, Needs } from './decide/needs';
import {
  type Account,
  ALIAS_KINDS,
  type AliasKind,
  type Contact,
  type OrderFact,
  type TenantFact,
} from './decide/values';
import type { World } from './decide/world';
import { arrayText } from './rows';

/** Loads set-wise what a decision needs: one statement a kind of row, whatever the size of the batch. */
export interface Loader {
  /**
   * The orders, the tenants named, and the tenants those orders have now. Gives all these tenants, each with
   * the highest position that an erasure of it reaches.
   */
  subjects(
    sql: Sql,
    world: World,
    orderIds: Iterable<string>,
    tenantIds: Iterable<string>,
  ): Promise<ReadonlyMap<string, string | null>>;
  needs(sql: Sql, world: World, needs: Needs): Promise<void>;
}

/**
 * What statements return has a type of ours, whatever the column's is: a prepared one refuses to go on when that changes.
 */
export function createLoader(catalog: MessagingCatalog): Loader {
  const { emailIndex } = catalog;
  const text = statements(catalog);
  return {
    async subjects(sql, world, orderIds, tenantIds) {
      const orders = [...orderIds];
      const tenants = new Set(tenantIds);
      if (orders.length > 0) {
        const rows = await sql.query<FactRow>(FACTS_BY_ID, [arrayText(orders)], 'facts_by_id');
        for (const row of rows) {
          if (row.tenant_id !== null) tenants.add(row.tenant_id);
          world.loadFact(row.order_id, fact(row));
        }
        for (const id of orders) world.loadFact(id, null);
      }
      const rows = await sql.query<TenantRow>(text.tenants, [[...tenants]], 'tenants');
      for (const row of rows) world.loadTenant(row.tenant_id, tenant(row), account(row));
      return new Map(rows.map((row) => [row.tenant_id, row.erased_upto]));
    },

    async needs(sql, world, needs) {
      const { aliases, factsOf } = needs;
      if (aliases.length > 0) await loadAliases(sql, world, aliases);
      await loadContacts(sql, world, needs, text, emailIndex);
      if (factsOf.length === 0) return;
      const rows = await sql.query<FactRow>(FACTS_BY_CONTACT, [arrayText(factsOf)], 'facts_by_contact');
      for (const row of rows) world.loadFact(row.order_id, fact(row));
      for (const id of factsOf) world.knowFactsOf(id);
    },
  };
}

async function loadAliases(sql: Sql, world: World, aliases: Needs['aliases']): Promise<void> {
  const key = ({ value, accountId }: Lookup) => `${value} ${accountId}`;
  const keys = ALIAS_KINDS.map((kind) => arrayText(aliases.filter((alias) => alias.kind === kind).map(key)));
  const rows = await sql.query<AliasRow>(ALIASES, keys, 'aliases');
  const found = new Map(rows.map((row) => [`${row.kind} ${row.key}`, row.contact_id]));
  for (const alias of aliases) {
    const { accountId, kind, value } = alias;
    world.loadAlias(accountId, kind, value, found.get(`${kind} ${key(alias)}`) ?? null);
  }
}

/** The contacts, and who holds the values. */
async function loadContacts(
  sql: Sql,
  world: World,
  { held, contactIds }: Needs,
  text: Statements,
  emailIndex: boolean,
): Promise<void> {
  const wanted = new Set(contactIds);
  if (held.length > 0) {
    const valuesOf = (kind: HeldKind) => held.filter((lookup) => lookup.kind === kind).map(({ value }) => value);
    const accounts = new Set(held.map(({ accountId }) => accountId));
    const values = [valuesOf('phone'), valuesOf('email')];
    if (!emailIndex) values.push([...accounts]);
    // Without the index not prepared: only an array that is known when it is planned is hashed.
    const name = emailIndex ? 'holders' : undefined;
    const holders = await sql.query<Holder>(text.holders, values.map(arrayText), name);
    for (const { id, account_id } of holders) if (accounts.has(account_id) && !world.hasContact(id)) wanted.add(id);
  }
  if (wanted.size > 0) await loadContactsById(sql, world, [...wanted], text);
  for (const { accountId, kind, value } of held) world.directory(accountId).held[kind].know(value);
}

/** Each table by an array of ids, and put together here: joined row by row it takes PostgreSQL three times as long. */
async function loadContactsById(sql: Sql, world: World, ids: readonly string[], text: Statements): Promise<void> {
  const given = [arrayText(ids)];
  const contacts = await sql.query<ContactRow>(text.contacts, given, 'contacts');
  const memories = await sql.query<MemoryRow>(MEMORIES, given, 'memories');
  const aliases = await sql.query<AliasCount>(PHONE_ALIASES, given, 'phone_aliases');
  const conversations = await sql.query<{ id: string }>(text.conversations, given, 'conversations');
  const memoryOf = new Map(memories.map((row) => [row.contact_id, row]));
  const aliasesOf = new Map(aliases.map((row) => [row.contact_id, row.count]));
  const inConversation = new Set(conversations.map(({ id }) => id));
  for (const row of contacts) {
    const { id } = row;
    const memory = memoryOf.get(id);
    world.loadContact(
      id,
      contact(row, memory, inConversation.has(id)),
      (memory?.phone_aliases ?? 0) + (aliasesOf.get(id) ?? 0),
    );
  }
  for (const id of ids) world.loadContact(id, null);
}

const FACT_COLUMNS = `order_id, tenant_id, contact_id, phone, email, name, customer_id, order_count, status, okey,
  created_us, commit_us, version, deleted, erased, parked, raw_phone`;
const FACTS_BY_ID = `SELECT ${FACT_COLUMNS} FROM cdc.order_fact WHERE order_id = ANY ($1::text[])`;
const FACTS_BY_CONTACT = `SELECT ${FACT_COLUMNS} FROM cdc.order_fact WHERE contact_id = ANY ($1::text[])`;
const ALIASES = ALIAS_KINDS.map((kind, i) => {
  const [key, known] = [`${kind} || ' ' || account_id`, `value || ' ' || account_id`];
  return `
  SELECT '${kind}' AS kind, ${key} AS key, contact_id FROM cdc.contact_memory WHERE ${key} = ANY ($${i + 1}::text[])
  UNION ALL
  SELECT kind, ${known}, contact_id FROM cdc.identity_alias WHERE ${known} = ANY ($${i + 1}::text[]) AND kind = '${kind}'`;
}).join(' UNION ALL ');
const MEMORIES = `
  SELECT contact_id, ours, shadow_name, shadow_email, shadow_phone, (phone IS NOT NULL)::integer AS phone_aliases
  FROM cdc.contact_memory WHERE contact_id = ANY ($1::text[])`;
const PHONE_ALIASES = `
  SELECT contact_id, count(*)::integer FROM cdc.identity_alias WHERE contact_id = ANY ($1::text[]) AND kind = 'phone' GROUP BY 1`;

type Statements = ReturnType<typeof statements>;

function statements({ tables, types, has, emailIndex }: MessagingCatalog) {
  return {
    tenants: `
      SELECT k.id AS tenant_id, t.name, t.is_active, t.timezone, t.version, t.deleted,
             a.id::text AS account_id, a.name::text AS account_name,
             ${has['accounts.status'] ? 'a.status::integer' : '0'} AS account_status,
             (SELECT max(upto_version) FROM cdc.erasure e WHERE e.tenant_id = k.id) AS erased_upto
      FROM unnest($1::text[]) AS k (id)
      LEFT JOIN cdc.tenant_fact t ON t.tenant_id = k.id
      LEFT JOIN ${tables.accounts} a ON a.ventia_tenant_id = k.id::${types.tenant}`,
    // Also finds those who have a value in another account: PostgreSQL would compare with each account in turn. The predicate
    // on blank repeats that of a partial index.
    holders: `
      SELECT id::text, account_id::text FROM ${tables.contacts} WHERE phone_number = ANY ($1::text[]) AND phone_number <> ''
      UNION ALL
      SELECT id::text, account_id::text FROM ${tables.contacts}
      WHERE lower(email) = ANY ($2::text[])${emailIndex ? '' : ` AND account_id = ANY ($3::${types.account}[])`}`,
    contacts: `
      SELECT id::text, account_id::text, name::text, email::text, lower(email) AS email_key, phone_number::text,
             ${has['contacts.contact_type'] ? 'contact_type::integer' : '2 AS contact_type'},
             CASE WHEN jsonb_typeof(custom_attributes -> 'ventia_customer_id') = 'string'
               THEN custom_attributes ->> 'ventia_customer_id' END AS customer_id,
             CASE WHEN jsonb_typeof(custom_attributes -> 'total_orders') = 'number'
               THEN custom_attributes ->> 'total_orders' END AS total_orders
      FROM ${tables.contacts} WHERE id = ANY ($1::${types.contact}[])`,
    conversations: `
      SELECT DISTINCT contact_id::text AS id FROM ${tables.contact_inboxes} WHERE contact_id = ANY ($1::${types.contact}[])`,
  };
}

interface FactRow {
  readonly order_id: string;
  readonly tenant_id: string | null;
  readonly contact_id: string | null;
  readonly phone: string | null;
  readonly email: string | null;
  readonly name: string | null;
  readonly customer_id: string | null;
  readonly order_count: string | null;
  readonly status: string | null;
  readonly okey: string | null;
  readonly created_us: string | null;
  readonly commit_us: string;
  readonly version: string;
  readonly deleted: boolean;
  readonly erased: boolean;
  readonly parked: boolean;
  readonly raw_phone: string | null;
}

const fact = (row: FactRow): OrderFact => ({
  orderId: row.order_id,
  tenantId: row.tenant_id,
  contactId: row.contact_id,
  phone: row.phone,
  email: row.email,
  name: row.name,
  customerId: row.customer_id,
  orderCount: row.order_count === null ? null : Number(row.order_count),
  status: row.status,
  okey: row.okey,
  createdAt: row.created_us === null ? null : BigInt(row.created_us),
  commitAt: BigInt(row.commit_us),
  version: row.version,
  deleted: row.deleted,
  erased: row.erased,
  parked: row.parked,
  rawPhone: row.raw_phone,
});

interface TenantRow {
  readonly tenant_id: string;
  readonly name: string | null;
  readonly is_active: boolean;
  readonly timezone: string | null;
  readonly version: string | null;
  readonly deleted: boolean;
  readonly account_id: string | null;
  readonly account_name: string;
  readonly account_status: number | null;
  readonly erased_upto: string | null;
}

const tenant = (row: TenantRow): TenantFact | null =>
  row.version === null
    ? null
    : {
        tenantId: row.tenant_id,
        name: row.name,
        isActive: row.is_active,
        timezone: row.timezone,
        version: row.version,
        deleted: row.deleted,
      };

const account = (row: TenantRow): Account | null =>
  row.account_id === null
    ? null
    : {
        id: row.account_id,
        tenantId: row.tenant_id,
        name: row.account_name,
        status: row.account_status ?? 0,
        createdAt: null,
      };

interface AliasRow {
  readonly kind: AliasKind;
  readonly key: string;
  readonly contact_id: string;
}

interface Holder {
  readonly id: string;
  readonly account_id: string;
}

interface ContactRow {
  readonly id: string;
  readonly account_id: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly email_key: string | null;
  readonly phone_number: string | null;
  readonly contact_type: number | null;
  readonly customer_id: string | null;
  readonly total_orders: string | null;
}

interface AliasCount {
  readonly contact_id: string;
  readonly count: number;
}

interface MemoryRow {
  readonly contact_id: string;
  readonly ours: boolean;
  readonly shadow_name: string | null;
  readonly shadow_email: string | null;
  readonly shadow_phone: string | null;
  readonly phone_aliases: number;
}

const contact = (row: ContactRow, memory: MemoryRow | undefined, inConversation: boolean): Contact => ({
  id: row.id,
  accountId: row.account_id,
  name: row.name,
  email: row.email,
  emailKey: row.email_key,
  phone: row.phone_number,
  contactType: row.contact_type,
  customerId: row.customer_id,
  totalOrders: row.total_orders === null ? null : Number(row.total_orders),
  inConversation,
  ours: memory?.ours ?? false,
  shadow: {
    name: memory?.shadow_name ?? null,
    email: memory?.shadow_email ?? null,
    phone: memory?.shadow_phone ?? null,
  },
  createdAt: null,
});
