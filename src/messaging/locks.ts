import type { Sql } from '../core/ports/sql';
import { arrayText } from './rows';

/**
 * Locks tenants until the transaction ends, so that each sink sees what another wrote about a tenant whole (an order that
 * parks and a tenant that comes cannot miss each other). Ascending, against deadlocks; rows of our own, so that the
 * application never waits for us.
 *
 * @param own tenants whose records come in this partition, which is remembered
 * @param others further ones
 */
export async function lockTenants(
  sql: Sql,
  own: ReadonlySet<string>,
  others: ReadonlySet<string>,
  partition: number,
): Promise<void> {
  const all = [...new Set([...own, ...others])];
  if (all.length === 0) return;
  const rows = await sql.query<LockRow>(LOCK, [arrayText(all)], 'lock_tenants');
  const known = new Map(rows.map((row) => [row.tenant_id, row.partition]));
  const unknown = all.filter((id) => !known.has(id));
  if (unknown.length > 0) {
    const partitions = unknown.map((id) => (own.has(id) ? partition : null));
    const added = await sql.query<LockRow>(ADD, [arrayText(unknown), arrayText(partitions)], 'add_tenant_locks');
    // Somebody else added some: theirs to hold until they commit, and ascending again from the first.
    if (added.length < unknown.length) return lockTenants(sql, own, others, partition);
    for (const row of added) known.set(row.tenant_id, row.partition);
  }
  const elsewhere = [...own].filter((id) => known.get(id) !== partition);
  if (elsewhere.length > 0) await sql.execute(MOVE, [elsewhere, partition]);
}

/** Every tenant whose records come in the partition. */
export async function tenantsOf(sql: Sql, partition: number): Promise<string[]> {
  const rows = await sql.query<LockRow>('SELECT tenant_id FROM cdc.tenant_lock WHERE partition = $1', [partition]);
  return rows.map((row) => row.tenant_id);
}

interface LockRow {
  readonly tenant_id: string;
  readonly partition: number | null;
}

const LOCK = `
  SELECT tenant_id, partition FROM cdc.tenant_lock WHERE tenant_id = ANY ($1::text[]) ORDER BY tenant_id FOR UPDATE`;
const ADD = `
  INSERT INTO cdc.tenant_lock (tenant_id, partition)
  SELECT id, partition FROM unnest($1::text[], $2::integer[]) AS u (id, partition) ORDER BY id
  ON CONFLICT DO NOTHING RETURNING tenant_id, partition`;
const MOVE = 'UPDATE cdc.tenant_lock SET partition = $2 WHERE tenant_id = ANY ($1::text[])';
