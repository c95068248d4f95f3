import type { Database, Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { Rules } from './decide/rules';
import { normalizeCustomerId } from './normalize/keys';
import { arrayText } from './rows';

/** Contacts read at a time. */
const CHUNK = 10_000;
/** UTF-8 bytes; what the alias's index could not hold is left out, as it is with orders. */
const MAX_BYTES = 2000;

/** On the very first start: nothing of Ventia was seen yet. */
const FIRST = 'NOT EXISTS (SELECT FROM cdc.tenant_fact) AND NOT EXISTS (SELECT FROM cdc.order_fact)';

/**
 * What the old way left: the customer ids that its job wrote into contacts become aliases, so that an order with one finds its
 * contact. Of several contacts with one id the lowest gets it. Only while the ledger is empty, which each statement asks for
 * itself, because both sinks start at once; again, it changes nothing. Gives the number of aliases made.
 */
export function importAliases(database: Database, catalog: MessagingCatalog, rules: Rules): Promise<number> {
  return database.transaction(async (sql) => {
    const [row] = await sql.query<{ first: boolean }>(`SELECT ${FIRST} AS first`);
    if (!row!.first) return 0;
    let made = 0;
    for (let after: string | null = null; ; ) {
      const contacts = await readChunk(sql, catalog, after);
      made += await insert(sql, contacts, rules);
      if (contacts.length < CHUNK) return made;
      after = contacts.at(-1)!.id;
    }
  });
}

interface LegacyContact {
  readonly id: string;
  readonly account_id: string;
  readonly customer_id: string;
}

function readChunk(sql: Sql, { tables, types }: MessagingCatalog, after: string | null): Promise<LegacyContact[]> {
  return sql.query<LegacyContact>(
    `SELECT id::text, account_id::text, custom_attributes ->> 'ventia_customer_id' AS customer_id FROM ${tables.contacts}
     WHERE jsonb_typeof(custom_attributes -> 'ventia_customer_id') IN ('string', 'number')
       AND ($1::${types.contact} IS NULL OR id > $1) ORDER BY ${tables.contacts}.id LIMIT ${CHUNK}`,
    [after],
  );
}

/** In the order of the contacts' ids: the first one with a value stays. */
function insert(sql: Sql, contacts: readonly LegacyContact[], rules: Rules): Promise<number> {
  const aliases = contacts
    .map((contact) => ({ ...contact, value: normalizeCustomerId(contact.customer_id, rules.customerIdBlocklist) }))
    .filter(({ value }) => value !== null && Buffer.byteLength(value) <= MAX_BYTES);
  if (aliases.length === 0) return Promise.resolve(0);
  return sql.execute(
    `INSERT INTO cdc.identity_alias (account_id, kind, value, contact_id)
     SELECT u.account_id, 'customer_id', u.value, u.contact_id
     FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (account_id, value, contact_id, n)
     WHERE ${FIRST} ORDER BY u.n ON CONFLICT DO NOTHING`,
    [
      arrayText(aliases.map(({ account_id }) => account_id)),
      arrayText(aliases.map(({ value }) => value)),
      arrayText(aliases.map(({ id }) => id)),
    ],
  );
}
