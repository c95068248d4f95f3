import type { ChangeEvent } from '../core/change';
import { type CdcError, ERRORS } from '../core/errors';
import type { Sql } from '../core/ports/sql';
import { formatPosition } from '../core/position';
import type { Subject } from './work';

/** What the primary key's index can always hold. */
const MAX_ID = 200;

/**
 * Sets a change aside: it costs itself only, and is never lost. Nothing of it is in the ledger, so that a retry and a later
 * change of the same row both work. Set aside once; gives the rows written.
 */
export function setAside(
  sql: Sql,
  subject: Subject,
  rowId: string,
  event: ChangeEvent,
  error: CdcError,
  tenantId: string | null,
): Promise<number> {
  const version = formatPosition(event.position);
  return insert(sql, [subject, rowId.slice(0, MAX_ID), version, tenantId, ...cause(error), serialize(event)]);
}

/** The same for an order that waited for its tenant: it waits on, and is not tried again by itself. */
export async function setParkedAside(sql: Sql, orderId: string, tenantId: string, error: CdcError): Promise<number> {
  const [row] = await sql.query<{ version: string }>('SELECT version FROM cdc.order_fact WHERE order_id = $1', [
    orderId,
  ]);
  return insert(sql, ['orders', orderId.slice(0, MAX_ID), row!.version, tenantId, ...cause(error), null]);
}

/**
 * Forgets the dead letters of these rows that are done with: the change was applied after all, by a replay, or a newer one was.
 * The orders that failed to be placed stay until they are. Gives the rows written.
 */
export function settleDeadLetters(sql: Sql, subject: Subject, rowIds: readonly string[]): Promise<number> {
  return sql.execute(SETTLE[subject], [rowIds]);
}

const SETTLE: Readonly<Record<Subject, string>> = {
  tenants: `
    DELETE FROM cdc.dead_letter d USING cdc.tenant_fact f
    WHERE d.source_table = 'tenants' AND d.row_id = ANY ($1::text[]) AND f.tenant_id = d.row_id AND f.version >= d.version`,
  orders: `
    DELETE FROM cdc.dead_letter d USING cdc.order_fact f
    WHERE d.source_table = 'orders' AND d.row_id = ANY ($1::text[]) AND f.order_id = d.row_id AND f.version >= d.version
      AND NOT (d.event IS NULL AND f.parked AND NOT f.deleted AND f.version = d.version)`,
};

function insert(sql: Sql, values: readonly unknown[]): Promise<number> {
  return sql.execute(
    `INSERT INTO cdc.dead_letter (source_table, row_id, version, tenant_id, code, sql_state, reason, event)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    values,
  );
}

/** Messages of CdcErrors hold no value of the row; of what is none only the name is known not to. */
const cause = (error: CdcError) => [
  error.kind === 'record_malformed' ? error.code : ERRORS.poison_order.code,
  error.sqlState ?? null,
  error.kind === 'internal' ? `unexpected ${error.cause instanceof Error ? error.cause.name : 'error'}` : error.message,
];

/** As JSON: integers beyond JavaScript's are text, and so are bytes; PostgreSQL takes no NUL. */
function serialize(event: ChangeEvent): string {
  const text = JSON.stringify(event, (_, value) => (typeof value === 'bigint' ? { int: String(value) } : value));
  return text.replaceAll('\\u0000', '');
}
