import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { HeldKind } from './decide/directory';
import type { Needs } from './decide/needs';
import type { Rules } from './decide/rules';
import { type Account, ALIAS_KINDS, type AliasKind, type Contact, type TenantFact } from './decide/values';
import type { World } from './decide/world';
import { loadOrders, loadOrdersOf, loadRests } from './load-orders';
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
export function createLoader(catalog: MessagingCatalog, rules: Rules): Loader {
  const { emailIndex } = catalog;
  const text = statements(catalog);
  return {
    async subjects(sql, world, orderIds, tenantIds) {
      const orders = [...orderIds];
      const tenants = new Set(tenantIds);
      await loadOrders(sql, world, orders);
      for (const id of orders) {
        const tenantId = world.fact(id)?.tenantId;
        if (tenantId) tenants.add(tenantId);
      }
      return loadTenants(sql, world, [...tenants], text);
    },

    async needs(sql, world, needs) {
      if (needs.aliases.length > 0) await loadAliases(sql, world, needs.aliases);
      await loadContacts(sql, world, needs, text, emailIndex);
      await loadOrdersOf(sql, world, needs.factsOf);
      await loadRests(sql, world, needs, rules);
    },
  };
}

/** Gives by tenant the highest position that an erasure reaches. */
async function loadTenants(
  sql: Sql,
  world: World,
  ids: readonly string[],
  text: Statements,
): Promise<ReadonlyMap<string, string | null>> {
  const given = [arrayText(ids)];
  const facts = await sql.query<TenantRow>(TENANTS, given, 'tenants');
  const accounts = await sql.query<AccountRow>(text.accounts, given, 'accounts');
  const erasures = await sql.query<{ tenant_id: string; upto: string }>(ERASED_UPTO, given, 'erased_upto');
  const factOf = new Map(facts.map((row) => [row.tenant_id, tenant(row)]));
  const accountOf = new Map(accounts.map((row) => [row.tenant_id, account(row)]));
  for (const id of ids) world.loadTenant(id, factOf.get(id) ?? null, accountOf.get(id) ?? null);
  const erased = new Map<string, string | null>(ids.map((id) => [id, null]));
  for (const { tenant_id, upto } of erasures) erased.set(tenant_id, upto);
  return erased;
}

async function loadAliases(sql: Sql, world: World, aliases: Needs['aliases']): Promise<void> {
  const keys = aliases.map(({ value, accountId }) => `${value} ${accountId}`);
  const given = ALIAS_KINDS.map((kind) => arrayText(keys.filter((_, i) => aliases[i]!.kind === kind)));
  const rows = await sql.query<AliasRow>(ALIASES, given, 'aliases');
  const found = {
    customer_id: new Map<string, string>(),
    phone: new Map<string, string>(),
    email: new Map<string, string>(),
  };
  for (const { kind, key, contact_id } of rows) found[kind].set(key, contact_id);
  aliases.forEach(({ accountId, kind, value }, i) => {
    world.loadAlias(accountId, kind, value, found[kind].get(keys[i]!) ?? null);
  });
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

const ALIASES = ALIAS_KINDS.map((kind, i) => {
  const [key, known] = [`${kind} || ' ' || account_id`, `value || ' ' || account_id`];
  return `
  SELECT '${kind}' AS kind, ${key} AS key, contact_id FROM cdc.contact_memory WHERE ${key} = ANY ($${i + 1}::text[])
  UNION ALL
  SELECT kind, ${known}, contact_id FROM cdc.identity_alias WHERE ${known} = ANY ($${i + 1}::text[]) AND kind = '${kind}'`;
}).join(' UNION ALL ');
const TENANTS = `
  SELECT tenant_id, name, is_active, timezone, version, deleted FROM cdc.tenant_fact WHERE tenant_id = ANY ($1::text[])`;
const ERASED_UPTO = `
  SELECT tenant_id, max(upto_version) AS upto FROM cdc.erasure WHERE tenant_id = ANY ($1::text[]) GROUP BY 1`;
const MEMORIES = `
  SELECT contact_id, ours, shadow_name, shadow_email, shadow_phone, (phone IS NOT NULL)::integer AS phone_aliases
  FROM cdc.contact_memory WHERE contact_id = ANY ($1::text[])`;
const PHONE_ALIASES = `
  SELECT contact_id, count(*)::integer FROM cdc.identity_alias WHERE contact_id = ANY ($1::text[]) AND kind = 'phone' GROUP BY 1`;

type Statements = ReturnType<typeof statements>;

function statements({ tables, types, has, emailIndex }: MessagingCatalog) {
  return {
    accounts: `
      SELECT ventia_tenant_id::text AS tenant_id, id::text, name::text,
             ${has['accounts.status'] ? 'coalesce(status, 0)::integer' : '0'} AS status
      FROM ${tables.accounts} WHERE ventia_tenant_id = ANY ($1::${types.tenant}[])`,
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

interface TenantRow {
  readonly tenant_id: string;
  readonly name: string | null;
  readonly is_active: boolean;
  readonly timezone: string | null;
  readonly version: string;
  readonly deleted: boolean;
}

const tenant = (row: TenantRow): TenantFact => ({
  tenantId: row.tenant_id,
  name: row.name,
  isActive: row.is_active,
  timezone: row.timezone,
  version: row.version,
  deleted: row.deleted,
});

interface AccountRow {
  readonly tenant_id: string;
  readonly id: string;
  readonly name: string;
  readonly status: number;
}

const account = (row: AccountRow): Account => ({
  id: row.id,
  tenantId: row.tenant_id,
  name: row.name,
  status: row.status,
  createdAt: null,
});

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
