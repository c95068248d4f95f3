import type { Database, Sql } from '../../core/ports/sql';
import { formatPosition, type Position } from '../../core/position';
import type { MessagingCatalog } from '../catalog';
import type { Rules } from '../decide/rules';
import { ALIAS_KINDS } from '../decide/values';
import { checkPrivacyKey } from '../erasures';
import { lockTenants } from '../locks';
import type { PrivacyKey } from '../privacy';
import { type Found, find, OUR_KEYS } from './find';
import { emptyLetter } from './letters';
import { type ErasureRequest, identify, type Person } from './person';

export interface EraserDependencies {
  readonly database: Database;
  readonly catalog: MessagingCatalog;
  readonly rules: Rules;
  readonly privacy: PrivacyKey;
}

/** What an erasure takes and what it leaves, told by ids only. */
export interface ErasureReport {
  /** `cleared` and `kept` are columns; of a contact that is gone there are none. */
  readonly contacts: readonly {
    readonly id: string;
    readonly cleared: readonly string[];
    readonly kept: readonly string[];
  }[];
  /** Orders of which something personal goes. */
  readonly orders: readonly { readonly id: string; readonly where: 'linked' | 'unlinked' | 'parked' }[];
  readonly aliases: number;
  /** Orders of which dead letters are emptied. */
  readonly deadLetters: readonly string[];
  /** Hashes by which the person's changes are known when they come again. */
  readonly hashes: number;
  /** Nothing is left to erase. */
  readonly nothing: boolean;
}

/** What would be erased. Writes nothing. Throws tenant_unknown, privacy_key. */
export function previewErasure(dependencies: EraserDependencies, request: ErasureRequest): Promise<ErasureReport> {
  return dependencies.database.transaction(async (sql) => report((await look(sql, dependencies, request)).found));
}

/**
 * Erases, in one transaction that holds the tenant's lock, so that no sink is in the middle of anything. Doing it again finds
 * nothing. Changes up to `upto` that come later, by a replay or because a sink is behind, stay without their person.
 *
 * @param beforeCommit what else belongs to it; when it rejects nothing is erased
 */
export function erase(
  dependencies: EraserDependencies,
  request: ErasureRequest,
  upto: Position,
  beforeCommit: (report: ErasureReport, tenantId: string) => Promise<void>,
): Promise<ErasureReport> {
  return dependencies.database.transaction(async (sql) => {
    const { tenantId } = await identify(sql, dependencies.catalog, request, dependencies.rules);
    await lockTenants(sql, new Set(), new Set([tenantId]), 0);
    const { person, found } = await look(sql, dependencies, request);
    await clear(sql, dependencies.catalog, person, found);
    await remember(sql, dependencies.privacy, person, found, formatPosition(upto));
    const done = report(found);
    await beforeCommit(done, tenantId);
    return done;
  });
}

async function look(
  sql: Sql,
  { catalog, rules, privacy }: EraserDependencies,
  request: ErasureRequest,
): Promise<{ person: Person; found: Found }> {
  await checkPrivacyKey(sql, privacy);
  const person = await identify(sql, catalog, request, rules);
  return { person, found: await find(sql, catalog, person, rules) };
}

/** Looked at again by each statement, so that what an agent writes meanwhile stays (Invariant 10). */
async function clear(sql: Sql, { tables, types }: MessagingCatalog, person: Person, found: Found): Promise<void> {
  const { contactIds } = found;
  const unless = (column: string, shadow: string, empty: string) =>
    `${column} = CASE WHEN c.${column} = m.${shadow} THEN ${empty} ELSE c.${column} END`;
  await sql.execute(
    `UPDATE ${tables.contacts} c SET ${unless('name', 'shadow_name', "''")}, ${unless('email', 'shadow_email', 'NULL')},
       ${unless('phone_number', 'shadow_phone', 'NULL')},
       custom_attributes = CASE WHEN jsonb_typeof(c.custom_attributes) = 'object'
         THEN c.custom_attributes - ARRAY(${OUR_KEYS}) ELSE c.custom_attributes END,
       updated_at = now() AT TIME ZONE 'UTC'
     FROM unnest($1::text[]) AS u (id) LEFT JOIN cdc.contact_memory m ON m.contact_id = u.id
     WHERE c.id = u.id::${types.contact}`,
    [found.contacts.filter(({ ours }) => ours.length > 0).map(({ id }) => id)],
  );
  await sql.execute(
    `UPDATE cdc.contact_memory SET shadow_name = NULL, shadow_email = NULL, shadow_phone = NULL
     WHERE contact_id = ANY ($1::text[])
       AND (shadow_name IS NOT NULL OR shadow_email IS NOT NULL OR shadow_phone IS NOT NULL)`,
    [contactIds],
  );
  await sql.execute(
    `UPDATE cdc.order_fact SET phone = NULL, email = NULL, name = NULL, customer_id = NULL, raw_phone = NULL, erased = true
     WHERE order_id = ANY ($1::text[])`,
    [found.orders.filter(({ erased }) => !erased).map(({ id }) => id)],
  );
  for (const kind of ALIAS_KINDS) {
    const own = kind === person.kind;
    await sql.execute(
      `UPDATE cdc.contact_memory SET ${kind} = NULL WHERE ${kind} IS NOT NULL AND account_id = $1
         AND (contact_id = ANY ($2::text[])${own ? ` OR ${kind} = $3` : ''})`,
      [person.accountId, contactIds, ...(own ? [person.value] : [])],
    );
  }
  await sql.execute(
    `DELETE FROM cdc.identity_alias
     WHERE account_id = $1 AND (contact_id = ANY ($2::text[]) OR (kind = $3 AND value = $4))`,
    [person.accountId, contactIds, person.kind, person.value],
  );
  for (const letter of found.letters) await emptyLetter(sql, letter);
}

/** Also when nothing was found: the person's orders may still be on their way. */
async function remember(
  sql: Sql,
  privacy: PrivacyKey,
  { tenantId }: Person,
  { traces }: Found,
  upto: string,
): Promise<void> {
  await sql.execute(
    `INSERT INTO cdc.erasure AS e (tenant_id, kind, hmac, upto_version, key_id)
     SELECT $1, k.kind, k.hmac, $4, $5 FROM unnest($2::text[], $3::text[]) AS k (kind, hmac)
     ON CONFLICT (tenant_id, kind, hmac) DO UPDATE
     SET upto_version = greatest(e.upto_version, excluded.upto_version), erased_at = now()`,
    [
      tenantId,
      traces.map(({ kind }) => kind),
      traces.map(({ kind, value }) => privacy.hash(kind, value)),
      upto,
      privacy.id,
    ],
  );
}

function report({ contacts, orders, aliases, letters, traces }: Found): ErasureReport {
  const left = orders.filter(({ erased }) => !erased);
  return {
    contacts: contacts.map(({ id, ours, kept }) => ({ id, cleared: ours, kept })),
    orders: left.map(({ id, where }) => ({ id, where })),
    aliases: aliases.length,
    deadLetters: [...new Set(letters.map(({ orderId }) => orderId))],
    hashes: traces.length,
    nothing: contacts.every(({ ours }) => ours.length === 0) && left.length + aliases.length + letters.length === 0,
  };
}
