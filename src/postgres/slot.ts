import { CdcError } from '../core/errors';
import { formatLsn, type Lsn, parseLsn } from '../core/lsn';
import type { SlotFacts, StandbyFacts, WalSender } from '../core/ports/source';
import type { Database, Sql } from '../core/ports/sql';
import { validateReplicationName } from './identifiers';

/** A row of pg_replication_slots; what an older server does not have is null or false. */
export interface ObservedSlot extends SlotFacts {
  readonly plugin: string | null;
  readonly logical: boolean;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly restartLsn: Lsn | null;
  /** Null while the slot is being created. */
  readonly confirmedLsn: Lsn | null;
  /** Why it is lost; null = it is whole, or an older server does not say. */
  readonly invalidationReason: string | null;
  readonly failover: boolean;
}

export interface ExpectedSlot {
  readonly name: string;
  /** Database of the connection. */
  readonly database: string;
  /** Changes were captured before: a missing slot is then a loss, not a first start. */
  readonly captured: boolean;
  /** What was ever confirmed to the server, at most; null = not known. */
  readonly confirmedAtMost: Lsn | null;
}

/** The slot, or null when there is none of that name. */
export async function observeSlot(sql: Sql, name: string): Promise<ObservedSlot | null> {
  const [row] = await sql.query<{
    slot: Record<string, string | number | boolean | null>;
    retained: string | null;
    sent: string | null;
    waits: string | null;
    since: string | null;
    transactions: string | null;
  }>(
    `SELECT to_jsonb(s) AS slot, r.sent_lsn AS sent, a.wait_event_type || '/' || a.wait_event AS waits,
       (SELECT stats_reset::text FROM pg_stat_bgwriter) AS since,
       CASE WHEN t.stats_reset IS NULL THEN t.total_txns END AS transactions,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) END AS retained
     FROM pg_replication_slots s
     LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
     LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
     LEFT JOIN pg_stat_replication_slots t USING (slot_name)
     WHERE s.slot_name = $1`,
    [name],
  );
  if (!row) return null;
  const { slot, retained, sent, waits, since, transactions } = row;
  const pid = (slot.active_pid as number | null) ?? null;
  const sender: WalSender | null =
    pid === null ? null : { pid, sentLsn: sent === null ? null : parseLsn(sent), waitsFor: waits };
  const text = (column: string) => (slot[column] as string | null | undefined) ?? null;
  const lsn = (column: string) => (text(column) === null ? null : parseLsn(text(column)!));
  return {
    name,
    plugin: text('plugin'),
    logical: slot.slot_type === 'logical',
    database: text('database'),
    temporary: slot.temporary === true,
    sender,
    restartLsn: lsn('restart_lsn'),
    confirmedLsn: lsn('confirmed_flush_lsn'),
    walStatus: text('wal_status'),
    safeWalBytes: slot.safe_wal_size == null ? null : BigInt(slot.safe_wal_size),
    invalidationReason: text('invalidation_reason'),
    failover: slot.failover === true,
    decoded: since === null || transactions === null ? null : { since, transactions: Number(transactions) },
    retainedBytes: retained === null ? null : BigInt(retained),
  };
}

/** Whether capture may stream from the slot; the first reason why not, or null. A slot in use is not judged here. */
export function judgeSlot(slot: ObservedSlot | null, expected: ExpectedSlot): CdcError | null {
  const { name } = expected;
  if (!slot) {
    return expected.captured
      ? new CdcError('slot_missing', `slot ${name} does not exist, although changes were captured through it before`)
      : new CdcError('slot_not_created', `slot ${name} does not exist`);
  }
  const foreign = foreignTrait(slot, expected);
  if (foreign) return new CdcError('slot_foreign', `slot ${name} is ${foreign}`);
  if (slot.walStatus === 'lost' || slot.invalidationReason !== null) {
    const reason = slot.invalidationReason ?? 'wal_removed';
    return new CdcError('slot_lost', `slot ${name} was invalidated by the server (${reason})`);
  }
  if (slot.confirmedLsn === null) return new CdcError('slot_active', `slot ${name} is still being created`);
  if (expected.confirmedAtMost !== null && slot.confirmedLsn > expected.confirmedAtMost) {
    const [at, most] = [slot.confirmedLsn, expected.confirmedAtMost].map(formatLsn);
    return new CdcError('slot_replaced', `slot ${name} stands at ${at}, but no more than ${most} was ever confirmed`);
  }
  return null;
}

function foreignTrait(slot: ObservedSlot, expected: ExpectedSlot): string | null {
  if (!slot.logical) return 'a physical slot';
  if (slot.plugin !== 'pgoutput') return `of plugin ${slot.plugin}`;
  if (slot.database !== expected.database) return `of database ${slot.database}`;
  return slot.temporary ? 'temporary' : null;
}

/**
 * Creates the slot and returns its first position; null when somebody else just did. From PostgreSQL 17 on it follows a failover.
 *
 * The server first waits for every transaction that is open in the cluster; after `timeoutMs` it gives up, leaves nothing, and
 * this rejects with `source_query`, SQLSTATE 57014. On a primary the wait ends with those transactions, without any nudge.
 */
export async function createSlot(db: Database, name: string, timeoutMs: number): Promise<Lsn | null> {
  validateReplicationName(name, 'slot');
  try {
    return await db.transaction(async (tx) => {
      await tx.execute(`SET LOCAL statement_timeout = ${Math.trunc(timeoutMs)}`);
      const [version] = await tx.query<{ failover: boolean }>(
        `SELECT current_setting('server_version_num')::int >= 170000 AS failover`,
      );
      const option = version!.failover ? ', failover => true' : '';
      const [slot] = await tx.query<{ lsn: string }>(
        `SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput'${option})`,
        [name],
      );
      return parseLsn(slot!.lsn);
    });
  } catch (error) {
    if (error instanceof CdcError && error.sqlState === '42710') return null;
    throw error;
  }
}

/** False when there was none. Rejects with slot_active while somebody streams from it. */
export async function dropSlot(sql: Sql, name: string): Promise<boolean> {
  const dropped = await sql.query(
    'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
    [name],
  );
  return dropped.length > 0;
}

/** Who streams from the slot, for people; null when nobody does. */
export async function slotHolder(sql: Sql, name: string): Promise<string | null> {
  const [holder] = await sql.query<{ who: string }>(
    `SELECT 'process ' || s.active_pid || coalesce(format(' ("%s", user %s%s)', application_name, usename, ' at ' || client_addr), '') AS who
     FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
     WHERE s.slot_name = $1 AND s.active_pid IS NOT NULL`,
    [name],
  );
  return holder?.who ?? null;
}

/** By their physical slots, which every role may see: how far a stand-by is stands in the slot that it moves. */
export async function readStandbys(sql: Sql): Promise<StandbyFacts[]> {
  const rows = await sql.query<{ name: string; lag: string }>(`
    SELECT slot_name AS name, greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8 AS lag
    FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary AND restart_lsn IS NOT NULL`);
  return rows.map(({ name, lag }) => ({ name, lagBytes: BigInt(lag) }));
}

/** Which history the server writes, and how far it is. Fails on a stand-by. */
export interface SourceIdentity {
  readonly systemId: string;
  readonly timeline: number;
  readonly walLsn: Lsn;
}

export async function readIdentity(sql: Sql): Promise<SourceIdentity> {
  // The control file's timeline is the last checkpoint's; right after a promotion only the name of the WAL file tells the new one.
  const [row] = await sql.query<{ system: string; timeline: number; wal: string }>(`
    SELECT system_identifier::text AS system, pg_current_wal_lsn() AS wal,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline
    FROM pg_control_system()`);
  return { systemId: row!.system, timeline: row!.timeline, walLsn: parseLsn(row!.wal) };
}
