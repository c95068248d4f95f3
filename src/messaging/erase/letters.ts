import type { Sql } from '../../core/ports/sql';
import type { Trace } from '../decide/erased';
import { phonesOf } from '../decide/erased';
import type { Rules } from '../decide/rules';
import { normalizeCustomerId } from '../normalize/keys';
import type { Region } from '../normalize/phone';
import { normalizeAnyEmail } from './person';

/** An order's change that was set aside, with what is personal in it. */
export interface Letter {
  readonly orderId: string;
  readonly version: string;
  /** What it says of the person, normalized. */
  readonly traces: readonly Trace[];
  /** The event with everything personal taken out; null when there is nothing. */
  readonly emptied: string | null;
}

/** Columns of an order that say who the person is. */
const PERSONAL = ['customer_name', 'customer_email', 'customer_phone', 'customer_id'] as const;

interface StoredEvent {
  readonly before: StoredRow | null;
  readonly after: StoredRow | null;
}
/** Integers are `{int: text}`. */
type StoredRow = Readonly<Record<string, unknown>>;

/** Dead letters of the tenant's orders, those too that nobody could read far enough to tell the tenant. */
export async function readLetters(sql: Sql, tenantId: string, region: Region | null, rules: Rules): Promise<Letter[]> {
  const rows = await sql.query<{ row_id: string; version: string; tenant_id: string | null; event: StoredEvent }>(
    `SELECT row_id, version, tenant_id, event FROM cdc.dead_letter
     WHERE source_table = 'orders' AND event IS NOT NULL AND (tenant_id = $1 OR tenant_id IS NULL)`,
    [tenantId],
  );
  return rows
    .filter(
      ({ tenant_id, event }) => tenant_id !== null || rowsOf(event).some((row) => text(row.tenant_id) === tenantId),
    )
    .map(({ row_id: orderId, version, event }) => ({
      orderId,
      version,
      traces: rowsOf(event).flatMap((row) => tracesOf(row, region, rules)),
      emptied: emptied(event),
    }));
}

export function emptyLetter(sql: Sql, { orderId, version, emptied: event }: Letter): Promise<number> {
  return sql.execute(
    `UPDATE cdc.dead_letter SET event = $3::jsonb WHERE source_table = 'orders' AND row_id = $1 AND version = $2`,
    [orderId, version, event],
  );
}

const rowsOf = ({ before, after }: StoredEvent): StoredRow[] => [before, after].filter((row) => row !== null);

function tracesOf(row: StoredRow, region: Region | null, rules: Rules): Trace[] {
  const email = normalizeAnyEmail(text(row.customer_email));
  const customerId = normalizeCustomerId(text(row.customer_id), NOBODY);
  return [
    ...phonesOf(text(row.customer_phone), region, rules).map((value): Trace => ({ kind: 'phone', value })),
    ...(email === null ? [] : [{ kind: 'email', value: email } as const]),
    ...(customerId === null ? [] : [{ kind: 'customer_id', value: customerId } as const]),
  ];
}

const NOBODY: ReadonlySet<string> = new Set();

function text(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'object' ? String((value as { int?: unknown }).int) : String(value);
}

function emptied(event: StoredEvent): string | null {
  if (!rowsOf(event).some((row) => PERSONAL.some((column) => text(row[column]) !== null))) return null;
  const empty = (row: StoredRow | null) =>
    row && {
      ...row,
      ...Object.fromEntries(PERSONAL.filter((column) => column in row).map((column) => [column, null])),
    };
  return JSON.stringify({ ...event, before: empty(event.before), after: empty(event.after) });
}
