import type { Sql } from '../core/ports/sql';
import type { Needs } from './decide/needs';
import { NEWEST, type Newest } from './decide/rest';
import type { Rules } from './decide/rules';
import type { OrderFact } from './decide/values';
import type { World } from './decide/world';
import { arrayText } from './rows';

export async function loadOrders(sql: Sql, world: World, orderIds: readonly string[]): Promise<void> {
  if (orderIds.length === 0) return;
  const rows = await sql.query<FactRow>(BY_ID, [arrayText(orderIds)], 'facts_by_id');
  for (const row of rows) world.loadFact(row.order_id, fact(row));
  for (const id of orderIds) world.loadFact(id, null);
}

/** All orders of the contacts. */
export async function loadOrdersOf(sql: Sql, world: World, contactIds: readonly string[]): Promise<void> {
  if (contactIds.length === 0) return;
  const rows = await sql.query<FactRow>(BY_CONTACT, [arrayText(contactIds)], 'facts_by_contact');
  for (const row of rows) world.loadFact(row.order_id, fact(row));
  for (const id of contactIds) world.knowFactsOf(id);
}

/** What the orders of the contacts come to, those left out that are loaded: PostgreSQL adds up, and a few rows are sent. */
export async function loadRests(sql: Sql, world: World, { restsOf, okeys }: Needs, rules: Rules): Promise<void> {
  if (restsOf.length === 0) return;
  const loaded = arrayText(restsOf.flatMap((id) => world.loadedOf(id)));
  const ids = arrayText(restsOf);
  const uncounted = arrayText([...rules.notCountingStatuses]);
  const sums = await sql.query<SumRow>(SUMS, [ids, loaded, uncounted, arrayText([...okeys])]);
  const rows = await sql.query<NewestRow>(rules.totalOrders === 'source' ? NEWEST_WITH_COUNT : NEWEST_ROWS, [
    ids,
    loaded,
  ]);
  const newest = new Map<string, Partial<Record<Newest, OrderFact>>>(restsOf.map((id) => [id, {}]));
  for (const row of rows) newest.get(row.of)![row.field] = fact(row);
  for (const { contact_id, orders, erased, live, counted, okeys: shared } of sums) {
    const sum = { orders, erased, live, counted, okeys: new Set(shared ?? []) };
    world.loadRest(contact_id, { ...sum, newest: newest.get(contact_id)! });
  }
}

const COLUMNS = `order_id, tenant_id, contact_id, phone, email, name, customer_id, order_count, status, okey,
  created_us, commit_us, version, deleted, erased, parked, raw_phone`;
const BY_ID = `SELECT ${COLUMNS} FROM cdc.order_fact WHERE order_id = ANY ($1::text[])`;
const BY_CONTACT = `SELECT ${COLUMNS} FROM cdc.order_fact WHERE contact_id = ANY ($1::text[])`;

const OTHERS = 'FROM cdc.order_fact WHERE contact_id = k.id AND order_id <> ALL ($2::text[])';
const SUMS = `
  SELECT k.id AS contact_id, s.* FROM unnest($1::text[]) AS k (id) CROSS JOIN LATERAL (
    SELECT count(*)::integer AS orders, (count(*) FILTER (WHERE erased))::integer AS erased,
           (count(*) FILTER (WHERE NOT deleted))::integer AS live,
           (count(DISTINCT okey) FILTER (WHERE counts))::integer AS counted,
           array_agg(DISTINCT okey) FILTER (WHERE counts AND okey = ANY ($4::text[])) AS okeys
    FROM (SELECT okey, erased, deleted, NOT deleted AND coalesce(status <> ALL ($3::text[]), true) AS counts ${OTHERS}) f) s`;

/** Ids of one installation are numbers, or all of one length: so ordered as the source's type orders them. */
const newestWith = (field: Newest, column: string) => `
  SELECT k.id AS of, '${field}' AS field, f.* FROM unnest($1::text[]) AS k (id) CROSS JOIN LATERAL (
    SELECT ${COLUMNS} ${OTHERS} AND NOT deleted AND ${column} IS NOT NULL
    ORDER BY created_us DESC NULLS LAST, length(order_id) DESC, order_id DESC LIMIT 1) f`;
const COLUMN_OF: Readonly<Record<Newest, string>> = {
  phone: 'phone',
  email: 'email',
  name: 'name',
  customerId: 'customer_id',
  orderCount: 'order_count',
};
const newestOf = (fields: readonly Newest[]) =>
  fields.map((field) => newestWith(field, COLUMN_OF[field])).join(' UNION ALL ');
const NEWEST_WITH_COUNT = newestOf(NEWEST);
const NEWEST_ROWS = newestOf(NEWEST.filter((field) => field !== 'orderCount'));

interface SumRow {
  readonly contact_id: string;
  readonly orders: number;
  readonly erased: number;
  readonly live: number;
  readonly counted: number;
  readonly okeys: string[] | null;
}

interface NewestRow extends FactRow {
  readonly of: string;
  readonly field: Newest;
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
