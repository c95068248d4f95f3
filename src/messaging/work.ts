import type { ChangeEvent } from '../core/change';
import { type CdcError, toCdcError } from '../core/errors';
import type { Sql } from '../core/ports/sql';
import { formatPosition } from '../core/position';
import type { MessagingCatalog } from './catalog';
import { readOrder, readTenant } from './decide/change';
import type { Item } from './decide/item';
import type { Rules } from './decide/rules';
import { compareIds } from './decide/values';
import { tenantsOf } from './locks';

/** An item with the record it came in; null for an order that waited. */
export interface Work {
  readonly item: Item;
  readonly event: ChangeEvent | null;
}

/** A record of a batch: read, unreadable, or a truncate. */
export type Read =
  | Work
  | { readonly event: ChangeEvent; readonly error: CdcError }
  | { readonly truncate: ChangeEvent };

export type Subject = 'tenants' | 'orders';

/** Reads records without looking at the database. */
export function readEvents(subject: Subject, events: readonly ChangeEvent[], rules: Rules): Read[] {
  return events.map((event): Read => {
    if (event.op === 't') return { truncate: event };
    try {
      const item: Item =
        subject === 'tenants'
          ? { kind: 'tenant', change: readTenant(event) }
          : { kind: 'order', change: readOrder(event, rules) };
      return { item, event };
    } catch (error) {
      return { event, error: toCdcError(error) };
    }
  });
}

/** The tenants that the records name. */
export function tenantsNamed(reads: readonly Read[]): Set<string> {
  const named = new Set<string>();
  for (const read of reads) {
    if (!('item' in read) || read.item.kind === 'place') continue;
    const { tenantId } = read.item.change;
    if (tenantId !== null) named.add(tenantId);
  }
  return named;
}

/**
 * Orders of these tenants that wait although tenant and account are there: normally none, because they are placed when the
 * tenant comes; but an account that was lost may have come back by the application's hand, or one that failed to be placed is among the `again`.
 */
export async function placeable(
  sql: Sql,
  catalog: MessagingCatalog,
  tenantIds: ReadonlySet<string>,
  again: readonly string[],
): Promise<Work[]> {
  const known = await sql.query<{ tenant_id: string }>(
    `SELECT t.tenant_id FROM cdc.tenant_fact t
     WHERE t.tenant_id = ANY ($1::text[]) AND t.name IS NOT NULL
       AND EXISTS (SELECT FROM cdc.order_fact f WHERE f.tenant_id = t.tenant_id AND f.parked AND NOT f.deleted)`,
    [[...tenantIds]],
  );
  if (known.length === 0) return [];
  const housed = await sql.query<{ tenant_id: string }>(
    `SELECT u.id AS tenant_id FROM unnest($1::text[]) AS u (id)
     JOIN ${catalog.tables.accounts} a ON a.ventia_tenant_id::text = u.id`,
    [known.map((row) => row.tenant_id)],
  );
  return parked(
    sql,
    housed.map((row) => row.tenant_id),
    again,
  );
}

/**
 * Orders of these tenants that wait, the oldest first. One that failed to be placed is left to its dead letter, unless it is
 * among the `again`: a replay of the order is a retry.
 */
export async function parked(sql: Sql, tenantIds: readonly string[], again: readonly string[]): Promise<Work[]> {
  if (tenantIds.length === 0) return [];
  const rows = await sql.query<AgedRow>(
    `SELECT f.order_id, f.tenant_id, f.created_us FROM cdc.order_fact f
     WHERE f.tenant_id = ANY ($1::text[]) AND f.parked AND NOT f.deleted
       AND (f.order_id = ANY ($2::text[]) OR NOT EXISTS (SELECT FROM cdc.dead_letter d
         WHERE d.source_table = 'orders' AND d.row_id = f.order_id AND d.version = f.version AND d.event IS NULL))`,
    [tenantIds, again],
  );
  return rows.sort(byAge).map(({ order_id: orderId, tenant_id: tenantId }) => ({
    item: { kind: 'place', orderId, tenantId },
    event: null,
  }));
}

/**
 * A truncate as a DELETE of every row of the partition's tenants that is older, the oldest first, so that what the newest
 * order says stays in the contacts.
 */
export async function truncated(sql: Sql, subject: Subject, event: ChangeEvent, partition: number): Promise<Work[]> {
  const version = formatPosition(event.position);
  const change = { version, commitAt: event.commitTime, row: null };
  const tenantIds = await tenantsOf(sql, partition);
  if (subject === 'tenants') {
    const rows = await sql.query<AgedRow>(
      `SELECT tenant_id FROM cdc.tenant_fact
       WHERE tenant_id = ANY ($1::text[]) AND NOT deleted AND version < $2`,
      [tenantIds, version],
    );
    return rows.map(({ tenant_id: tenantId }) => ({
      item: { kind: 'tenant', change: { ...change, tenantId } },
      event,
    }));
  }
  const rows = await sql.query<AgedRow>(
    `SELECT order_id, tenant_id, created_us FROM cdc.order_fact
     WHERE tenant_id = ANY ($1::text[]) AND NOT deleted AND version < $2`,
    [tenantIds, version],
  );
  return rows.sort(byAge).map(({ order_id: orderId, tenant_id: tenantId }) => ({
    item: { kind: 'order', change: { ...change, orderId, tenantId } },
    event,
  }));
}

interface AgedRow {
  readonly order_id: string;
  readonly tenant_id: string;
  readonly created_us: string | null;
}

function byAge(a: AgedRow, b: AgedRow): number {
  if (a.created_us !== b.created_us) {
    if (a.created_us === null) return -1;
    if (b.created_us === null) return 1;
    return BigInt(a.created_us) < BigInt(b.created_us) ? -1 : 1;
  }
  return compareIds(a.order_id, b.order_id);
}
