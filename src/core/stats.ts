import type { Op } from './change';
import type { CdcError } from './errors';
import { type Lsn, ZERO_LSN } from './lsn';
import type { Backlog } from './ports/sink';
import type { StandbyFacts } from './ports/source';
import type { Position } from './position';
import type { Notice } from './readiness';
import { RecentValues } from './recent';

/**
 * Plain mutable counters of the running pipeline. The loops add to them; metrics, the summary line and the screen read
 * them when they are asked. Nothing here is a metric object, so counting costs an addition.
 */

/** What happens once a batch and deserves a distribution. A prom-client histogram is one. */
export interface Observer {
  observe(value: number): void;
}
export const silentObserver: Observer = { observe() {} };

export type OpCounts = Record<Op, number>;

export const newOpCounts = (): OpCounts => ({ c: 0, u: 0, d: 0, r: 0, t: 0 });

export function addCounts(into: OpCounts, from: OpCounts): void {
  into.c += from.c;
  into.u += from.u;
  into.d += from.d;
  into.r += from.r;
  into.t += from.t;
}

export const sumCounts = (counts: OpCounts): number => counts.c + counts.u + counts.d + counts.r + counts.t;

/**
 * What became of the changes of one table, by the op of the source's change: a moved row counts once as `u` although it
 * makes three records, a truncate once as `t` although it makes one per partition.
 */
export interface TableStats {
  decoded: OpCounts;
  /** Acknowledged by Kafka. */
  published: OpCounts;
  /** Left out by a declared rule. */
  filtered: OpCounts;
  /** Their stub was acknowledged by Kafka. */
  deadLettered: OpCounts;
  /** The topics held them already. */
  skipped: OpCounts;
  /** Decoded, but their connection or writer ended first: they come again from the confirmed position. */
  abandoned: OpCounts;
  /** In a batch that is filling or in flight. The only one that goes down. */
  pending: OpCounts;
}

export const newTableStats = (): TableStats => ({
  decoded: newOpCounts(),
  published: newOpCounts(),
  filtered: newOpCounts(),
  deadLettered: newOpCounts(),
  skipped: newOpCounts(),
  abandoned: newOpCounts(),
  pending: newOpCounts(),
});

/** Changes that nobody accounts for: 0, or something was dropped in silence (Invariant 4). */
export function conservationDifference(t: TableStats): number {
  const accounted = [t.published, t.filtered, t.deadLettered, t.skipped, t.abandoned, t.pending];
  return sumCounts(t.decoded) - accounted.reduce((sum, counts) => sum + sumCounts(counts), 0);
}

export interface SnapshotStats {
  rowsDone: number;
  /** From the planner's statistics; at least rowsDone is shown. */
  rowsEstimated: number;
  chunks: number;
  /** Chunks read again because their snapshot was too old. */
  chunksRepeated: number;
  done: boolean;
}

export const newSnapshotStats = (rowsEstimated: number): SnapshotStats => ({
  rowsDone: 0,
  rowsEstimated,
  chunks: 0,
  chunksRepeated: 0,
  done: false,
});

/** The slot as it was last looked at. */
export interface SlotStats {
  readonly walStatus: string | null;
  readonly active: boolean;
  readonly retainedBytes: bigint | null;
  readonly safeWalBytes: bigint | null;
  /** WAL written a second, by everybody; null = not measured yet. */
  readonly walBytesPerSecond: number | null;
  /** Until the WAL that may be kept is spent, if nothing is confirmed; null = no limit. */
  readonly budgetSeconds: number | null;
}

/** Read from the stream, acknowledged by Kafka, confirmed to PostgreSQL. */
export type CaptureStage = 'receive' | 'publish' | 'confirm';

export const NOT_KNOWN: Readonly<Record<CaptureStage, number>> = { receive: 0, publish: 0, confirm: 0 };

export interface CaptureStats {
  /** By table as in the source (`orders`); made with {@link tableStats}. */
  readonly tables: Map<string, TableStats>;
  /** By `schema.table`. */
  readonly snapshots: Map<string, SnapshotStats>;
  readonly errorsByCode: Map<string, number>;
  lastError: ErrorNote | null;
  /** Acknowledged Kafka records (tombstones and stubs too), their bytes, and the flushes they came in. */
  records: number;
  bytes: number;
  batches: number;
  transactions: number;
  epoch: bigint;
  /** End of the last transaction (or keepalive) read, acknowledged by Kafka, confirmed to PostgreSQL. */
  receivedLsn: Lsn;
  publishedLsn: Lsn;
  confirmedLsn: Lsn;
  /** End of the server's WAL, looked up every few seconds. */
  serverLsn: Lsn;
  /** Null before the first look. */
  slot: SlotStats | null;
  /** Of the source, as they were last looked at. */
  standbys: readonly StandbyFacts[];
  /** Everything committed at the source before this is through the stage, milliseconds since 1970; 0 = not known. */
  readonly freshUntilMs: Record<CaptureStage, number>;
  /** Commit time of the last acknowledged transaction, microseconds since 1970; 0 = none yet. */
  lastCommitTime: bigint;
  /** When the last flush was acknowledged or nothing was left to send, milliseconds since 1970. */
  lastProgressMs: number;
  reconnects: number;
  /** Writers opened, each with a new fence. */
  fences: number;
  /** Seconds from commit to Kafka's acknowledgement, one value a flush (its oldest transaction). */
  readonly freshness: RecentValues;
}

export const newCaptureStats = (): CaptureStats => ({
  tables: new Map(),
  snapshots: new Map(),
  errorsByCode: new Map(),
  lastError: null,
  records: 0,
  bytes: 0,
  batches: 0,
  transactions: 0,
  epoch: 0n,
  receivedLsn: ZERO_LSN,
  publishedLsn: ZERO_LSN,
  confirmedLsn: ZERO_LSN,
  serverLsn: ZERO_LSN,
  slot: null,
  standbys: [],
  freshUntilMs: { ...NOT_KNOWN },
  lastCommitTime: 0n,
  lastProgressMs: 0,
  reconnects: 0,
  fences: 0,
  freshness: new RecentValues(),
});

/** The table's counters, made when first asked for: look them up once a relation, not once a row. */
export function tableStats(stats: CaptureStats, table: string): TableStats {
  let found = stats.tables.get(table);
  if (!found) {
    found = newTableStats();
    stats.tables.set(table, found);
  }
  return found;
}

/** Distributions of capture, one value a flush. */
export interface CaptureObservers {
  readonly flushSeconds: Observer;
  /** Time the batch took to fill: decoding and encoding, waiting for the server included. */
  readonly fillSeconds: Observer;
  readonly batchRecords: Observer;
  /** Commit to acknowledgement. */
  readonly freshnessSeconds: Observer;
}
export const silentCaptureObservers: CaptureObservers = {
  flushSeconds: silentObserver,
  fillSeconds: silentObserver,
  batchRecords: silentObserver,
  freshnessSeconds: silentObserver,
};

export interface PartitionStats {
  readonly topic: string;
  readonly partition: number;
  /** Next offset to apply, and the partition's end when last fetched. */
  offset: bigint;
  highWatermark: bigint;
  /** Of the last applied event; null before the first. */
  position: Position | null;
  /** Its commit time, microseconds since 1970; 0 = none yet. */
  commitTime: bigint;
}

export interface SinkStats {
  /** Events taken from the topics, by table. */
  readonly events: Map<string, OpCounts>;
  /** Partitions held now, by `topic-partition`; made with {@link partitionStats}, deleted when revoked. */
  readonly partitions: Map<string, PartitionStats>;
  readonly conflictsByReason: Map<string, number>;
  readonly errorsByCode: Map<string, number>;
  lastError: ErrorNote | null;
  batches: number;
  /** Events newer than what the ledger held: facts written. */
  applied: number;
  /** Events the ledger held already or newer: nothing written. */
  stale: number;
  /** Orders set aside because their tenant is unknown, and those placed later. */
  parked: number;
  placed: number;
  /** Rows of messaging really inserted or changed. */
  rowsWritten: number;
  deadLetters: number;
  /** Events without a large value that nothing stored knew. */
  incomplete: number;
  /** As the ledger was last asked; null before. */
  backlog: Backlog | null;
  /** Everything committed at the source before this is applied in the partitions held, milliseconds since 1970; 0 = not known. */
  freshUntilMs: number;
  /** Batches decided again because the application won a race or the database asked for it. */
  retries: number;
  reconnects: number;
  /** When the last batch was committed, milliseconds since 1970. */
  lastProgressMs: number;
  /** Seconds from commit at the source to commit in messaging, one value an event. */
  readonly freshness: RecentValues;
}

export const newSinkStats = (): SinkStats => ({
  events: new Map(),
  partitions: new Map(),
  conflictsByReason: new Map(),
  errorsByCode: new Map(),
  lastError: null,
  batches: 0,
  applied: 0,
  stale: 0,
  parked: 0,
  placed: 0,
  rowsWritten: 0,
  deadLetters: 0,
  incomplete: 0,
  backlog: null,
  freshUntilMs: 0,
  retries: 0,
  reconnects: 0,
  lastProgressMs: 0,
  freshness: new RecentValues(),
});

export function partitionStats(stats: SinkStats, topic: string, partition: number): PartitionStats {
  const key = `${topic}-${partition}`;
  let found = stats.partitions.get(key);
  if (!found) {
    found = { topic, partition, offset: 0n, highWatermark: 0n, position: null, commitTime: 0n };
    stats.partitions.set(key, found);
  }
  return found;
}

/** Distributions of a sink, one value a batch. */
export interface SinkObservers {
  readonly applySeconds: Observer;
  readonly batchEvents: Observer;
  readonly freshnessSeconds: Observer;
}
export const silentSinkObservers: SinkObservers = {
  applySeconds: silentObserver,
  batchEvents: silentObserver,
  freshnessSeconds: silentObserver,
};

/** What went wrong last, whether or not it is over. */
export interface ErrorNote extends Notice {
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

export function noteError(
  stats: { readonly errorsByCode: Map<string, number>; lastError: ErrorNote | null },
  { code, message, fix }: CdcError,
  atMs: number,
): void {
  count(stats.errorsByCode, code);
  stats.lastError = { code, reason: message, fix, atMs };
}

/** Adds to a map of counters (errors by code, conflicts by reason). */
export function count(counters: Map<string, number>, key: string, by = 1): void {
  counters.set(key, (counters.get(key) ?? 0) + by);
}
