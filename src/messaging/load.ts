import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { HeldKind } from './decide/directory';
import type { Needs } from './decide/needs';
import type { Account, Contact, OrderFact, TenantFact } from './decide/values';
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

    async needs(sql, world, { aliases, held, contactIds, factsOf }) {
      if (aliases.length > 0) await loadAliases(sql, world, aliases);
      if (contactIds.length > 0 || held.length > 0)
        await loadContacts(sql, world, held, contactIds, text.contacts, emailIndex);
      if (factsOf.length === 0) return;
      const rows = await sql.query<FactRow>(FACTS_BY_CONTACT, [arrayText(factsOf)], 'facts_by_contact');
      for (const row of rows) world.loadFact(row.order_id, fact(row));
      for (const id of factsOf) world.knowFactsOf(id);
    },
  };
}

async function loadAliases(sql: Sql, world: World, aliases: Needs['aliases']): Promise<void> {
  const rows = await sql.query<AliasRow>(
    ALIASES,
    [
      arrayText(aliases.map((a) => a.accountId)),
      arrayText(aliases.map((a) => a.kind)),
      arrayText(aliases.map((a) => a.value)),
    ],
    'aliases',
  );
  const found = new Map(rows.map((row) => [Number(row.ord), row.contact_id]));
  aliases.forEach(({ accountId, kind, value }, i) => {
    world.loadAlias(accountId, kind, value, found.get(i + 1) ?? null);
  });
}

async function loadContacts(
  sql: Sql,
  world: World,
  held: Needs['held'],
  contactIds: readonly string[],
  text: string,
  emailIndex: boolean,
): Promise<void> {
  const valuesOf = (kind: HeldKind) => held.filter((lookup) => lookup.kind === kind).map((lookup) => lookup.value);
  const wanted = [contactIds, valuesOf('phone'), valuesOf('email')];
  if (!emailIndex) wanted.push([...new Set(held.map((lookup) => lookup.accountId))]);
  // Without the index not prepared: only an array that is known when it is planned is hashed.
  const rows = await sql.query<ContactRow>(text, wanted.map(arrayText), emailIndex ? 'contacts' : undefined);
  for (const row of rows) world.loadContact(row.id, contact(row), row.phone_aliases);
  for (const id of contactIds) world.loadContact(id, null);
  for (const lookup of held) world.directory(lookup.accountId).held[lookup.kind].know(lookup.value);
}

const FACT_COLUMNS = `order_id, tenant_id, contact_id, phone, email, name, customer_id, order_count, status, okey,
  created_us, commit_us, version, deleted, erased, parked, raw_phone`;
const FACTS_BY_ID = `SELECT ${FACT_COLUMNS} FROM cdc.order_fact WHERE order_id = ANY ($1::text[])`;
const FACTS_BY_CONTACT = `SELECT ${FACT_COLUMNS} FROM cdc.order_fact WHERE contact_id = ANY ($1::text[])`;
const ALIASES = `
  SELECT k.ord, a.contact_id
  FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (account_id, kind, value, ord)
  JOIN cdc.identity_alias a USING (account_id, kind, value)`;

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
    // Also finds some who have a value in another account: few, and no harm. The predicate on blank repeats that of a partial
    // index.
    contacts: `
      WITH wanted AS (
        SELECT unnest($1::${types.contact}[]) AS id
        UNION
        SELECT id FROM ${tables.contacts}
        WHERE phone_number = ANY ($2::text[]) AND phone_number <> ''
        UNION
        SELECT id FROM ${tables.contacts}
        WHERE lower(email) = ANY ($3::text[])${emailIndex ? '' : ` AND account_id = ANY ($4::${types.account}[])`}
      )
      SELECT c.id::text, c.account_id::text, c.name::text, c.email::text, lower(c.email) AS email_key, c.phone_number::text,
             ${has['contacts.contact_type'] ? 'c.contact_type::integer' : '2 AS contact_type'},
             CASE WHEN jsonb_typeof(c.custom_attributes -> 'ventia_customer_id') = 'string'
               THEN c.custom_attributes ->> 'ventia_customer_id' END AS customer_id,
             CASE WHEN jsonb_typeof(c.custom_attributes -> 'total_orders') = 'number'
               THEN c.custom_attributes ->> 'total_orders' END AS total_orders,
             EXISTS (SELECT FROM ${tables.contact_inboxes} i WHERE i.contact_id = c.id) AS in_conversation,
             m.ours, m.shadow_name, m.shadow_email, m.shadow_phone,
             (SELECT count(*)::integer FROM cdc.identity_alias a
              WHERE a.contact_id = c.id::text AND a.kind = 'phone') AS phone_aliases
      FROM wanted JOIN ${tables.contacts} c ON c.id = wanted.id
      LEFT JOIN cdc.contact_memory m ON m.contact_id = c.id::text`,
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
  readonly ord: string;
  readonly contact_id: string;
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
  readonly in_conversation: boolean;
  readonly ours: boolean | null;
  readonly shadow_name: string | null;
  readonly shadow_email: string | null;
  readonly shadow_phone: string | null;
  readonly phone_aliases: number;
}

const contact = (row: ContactRow): Contact => ({
  id: row.id,
  accountId: row.account_id,
  name: row.name,
  email: row.email,
  emailKey: row.email_key,
  phone: row.phone_number,
  contactType: row.contact_type,
  customerId: row.customer_id,
  totalOrders: row.total_orders === null ? null : Number(row.total_orders),
  inConversation: row.in_conversation,
  ours: row.ours ?? false,
  shadow: { name: row.shadow_name, email: row.shadow_email, phone: row.shadow_phone },
  createdAt: null,
});
