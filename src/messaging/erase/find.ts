import type { Sql } from '../../core/ports/sql';
import type { MessagingCatalog } from '../catalog';
import { phonesOf, type Trace } from '../decide/erased';
import type { Rules } from '../decide/rules';
import type { AliasKind } from '../decide/values';
import { whatsappVariant } from '../normalize/phone';
import { type Letter, readLetters } from './letters';
import type { Person } from './person';

/** Everything that an erasure is about. Values are in `aliases` and `traces` only, and are not to be shown. */
export interface Found {
  /** Every contact by id, those too that are gone. */
  readonly contactIds: readonly string[];
  readonly contacts: readonly FoundContact[];
  readonly orders: readonly FoundOrder[];
  readonly aliases: readonly { readonly kind: AliasKind; readonly value: string }[];
  readonly letters: readonly Letter[];
  /** What the person is known by: it is kept as hashes. */
  readonly traces: readonly Trace[];
}

export interface FoundContact {
  readonly id: string;
  /** Columns that hold what we wrote. */
  readonly ours: readonly string[];
  /** Columns that hold what people or Messaging wrote. */
  readonly kept: readonly string[];
}

export interface FoundOrder {
  readonly id: string;
  readonly where: 'linked' | 'unlinked' | 'parked';
  /** Nothing personal is left, and it is marked. */
  readonly erased: boolean;
}

export async function find(sql: Sql, catalog: MessagingCatalog, person: Person, rules: Rules): Promise<Found> {
  const contactIds = await contactsOf(sql, catalog, person);
  const facts = (await factsOf(sql, person, contactIds)).filter(
    (fact) => contactIds.includes(fact.contact_id ?? '') || speaksOf(fact, person, rules),
  );
  const aliases = await aliasesOf(sql, person, contactIds);
  const letters = (await readLetters(sql, person.tenantId, person.region, rules)).filter(
    (letter) =>
      letter.traces.some(({ kind, value }) => kind === person.kind && value === person.value) ||
      facts.some((fact) => fact.order_id === letter.orderId),
  );
  const traces: Trace[] = [
    { kind: person.kind, value: person.value },
    ...aliases,
    ...facts.flatMap((fact) => tracesOf(fact, person, rules)),
    ...letters.map(({ orderId }): Trace => ({ kind: 'order', value: orderId })),
  ];
  const distinct = new Map(traces.map((trace) => [`${trace.kind} ${trace.value}`, trace]));
  return {
    contactIds,
    contacts: await describe(sql, catalog, contactIds),
    orders: facts.map(found),
    aliases,
    letters: letters.filter(({ emptied }) => emptied !== null),
    traces: [...distinct.values()],
  };
}

/** The one whose column holds the value, the one its alias leads to, and every one to which an order with it is linked. */
async function contactsOf(
  sql: Sql,
  { tables, types }: MessagingCatalog,
  { tenantId, accountId, kind, value }: Person,
): Promise<string[]> {
  const values = kind === 'phone' ? [value, whatsappVariant(value) ?? value] : [value];
  const held = {
    customer_id: null,
    phone: `SELECT id::text FROM ${tables.contacts} WHERE account_id = $2::${types.account} AND phone_number = ANY ($4)`,
    email: `SELECT id::text FROM ${tables.contacts} WHERE account_id = $2::${types.account} AND lower(email) = ANY ($4)`,
  }[kind];
  const rows = await sql.query<{ id: string }>(
    `SELECT contact_id AS id FROM cdc.order_fact WHERE tenant_id = $1 AND ${kind} = ANY ($4::text[]) AND contact_id IS NOT NULL
     UNION SELECT contact_id FROM cdc.known_by WHERE account_id = $2 AND kind = $3 AND value = ANY ($4)
     ${held ? `UNION ${held}` : ''}`,
    [tenantId, accountId, kind, values],
  );
  return rows.map(({ id }) => id);
}

interface FactRow {
  readonly order_id: string;
  readonly contact_id: string | null;
  readonly phone: string | null;
  readonly email: string | null;
  readonly name: string | null;
  readonly customer_id: string | null;
  readonly raw_phone: string | null;
  readonly erased: boolean;
  readonly parked: boolean;
}

/** Those linked to the contacts, deleted ones too, and those without a contact that may be the person's. */
function factsOf(sql: Sql, { tenantId, kind, value }: Person, contactIds: readonly string[]): Promise<FactRow[]> {
  return sql.query<FactRow>(
    `SELECT order_id, contact_id, phone, email, name, customer_id, raw_phone, erased, parked FROM cdc.order_fact
     WHERE contact_id = ANY ($2::text[])
        OR (tenant_id = $1 AND (contact_id IS NULL OR parked) AND (${kind} = $3 OR ($4 AND raw_phone IS NOT NULL)))
     ORDER BY order_id`,
    [tenantId, contactIds, value, kind === 'phone'],
  );
}

const speaksOf = (fact: FactRow, { kind, value, region }: Person, rules: Rules): boolean =>
  fact[kind] === value || (kind === 'phone' && phonesOf(fact.raw_phone, region, rules).includes(value));

function tracesOf({ phone, email, customer_id, raw_phone }: FactRow, { region }: Person, rules: Rules): Trace[] {
  const phones = [...(phone === null ? [] : [phone]), ...phonesOf(raw_phone, region, rules)];
  return [
    ...phones.map((value): Trace => ({ kind: 'phone', value })),
    ...(email === null ? [] : [{ kind: 'email', value: email } as const]),
    ...(customer_id === null ? [] : [{ kind: 'customer_id', value: customer_id } as const]),
  ];
}

const found = (fact: FactRow): FoundOrder => ({
  id: fact.order_id,
  where: fact.parked ? 'parked' : fact.contact_id === null ? 'unlinked' : 'linked',
  erased: fact.erased && [fact.phone, fact.email, fact.name, fact.customer_id, fact.raw_phone].every((v) => v === null),
});

/** All by which the contacts were known; with the value's own, also when its contact is gone. */
function aliasesOf(sql: Sql, { accountId, kind, value }: Person, contactIds: readonly string[]) {
  return sql.query<{ kind: AliasKind; value: string }>(
    `SELECT kind, value FROM cdc.known_by
     WHERE account_id = $1 AND (contact_id = ANY ($2::text[]) OR (kind = $3 AND value = $4))`,
    [accountId, contactIds, kind, value],
  );
}

/** Keys of custom_attributes that are ours. */
export const OUR_KEYS = `
  SELECT k FROM jsonb_object_keys(CASE WHEN jsonb_typeof(c.custom_attributes) = 'object' THEN c.custom_attributes
    ELSE '{}' END) AS k WHERE k LIKE 'ventia\\_%' OR k = 'total_orders'`;

async function describe(
  sql: Sql,
  { tables, types }: MessagingCatalog,
  contactIds: readonly string[],
): Promise<FoundContact[]> {
  const whose = (column: string, shadow: string) =>
    `CASE WHEN coalesce(c.${column}, '') = '' THEN NULL WHEN c.${column} = m.${shadow} THEN 'ours' ELSE 'kept' END`;
  const rows = await sql.query<Record<string, 'ours' | 'kept' | null> & { id: string }>(
    `SELECT c.id::text, ${whose('name', 'shadow_name')} AS name, ${whose('email', 'shadow_email')} AS email,
            ${whose('phone_number', 'shadow_phone')} AS phone_number,
            CASE WHEN EXISTS (${OUR_KEYS}) THEN 'ours' END AS custom_attributes
     FROM ${tables.contacts} c LEFT JOIN cdc.contact_memory m ON m.contact_id = c.id::text
     WHERE c.id = ANY ($1::${types.contact}[]) ORDER BY c.id`,
    [contactIds],
  );
  return rows.map(({ id, ...columns }) => {
    const of = (whom: 'ours' | 'kept') => Object.keys(columns).filter((column) => columns[column] === whom);
    return { id, ours: of('ours'), kept: of('kept') };
  });
}
