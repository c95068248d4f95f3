import type { ChangeEvent } from '../change';

/** Part of one partition, in offset order; tombstones are left out. */
export interface SinkBatch {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the last record covered, tombstones included. */
  readonly lastOffset: bigint;
  readonly events: readonly ChangeEvent[];
}

/** What became of one change, for people: ids and reason words only (Invariant 7). */
export interface Outcome {
  readonly table: string;
  readonly id: string;
  readonly op: ChangeEvent['op'];
  readonly what: string;
  /** Commit time at the source, microseconds since 1970 UTC. */
  readonly commitTime: bigint;
}

export interface ApplyResult {
  readonly applied: number;
  /** Equal or older than what the ledger holds: nothing written (Invariant 9). */
  readonly stale: number;
  readonly parked: number;
  readonly placed: number;
  readonly created: number;
  readonly updated: number;
  readonly deadLetters: number;
  /** Changes of which PostgreSQL did not send a large value while none was stored: NULL until the next change tells it. */
  readonly incomplete?: number;
  readonly conflicts: Readonly<Record<string, number>>;
  /** Rows changed in messaging and in the ledger, checkpoints excepted. */
  readonly writes: number;
  /** A few of the last changes. */
  readonly outcomes: readonly Outcome[];
}

/** What waits in the ledger now; times are milliseconds since 1970, null when nothing waits. */
export interface Backlog {
  /** Changes of the sink's table that were set aside, and when the first was. */
  readonly deadLetters: number;
  readonly deadLettersSinceMs: number | null;
  /** Orders that wait for their tenant, and the commit time of the oldest. */
  readonly parked: number;
  readonly parkedSinceMs: number | null;
}

export interface Sink {
  /**
   * Applies the batch in one database transaction, as if its events came one at a time. Applying again what was applied
   * changes nothing. Rejects with CdcError when nothing was written, or when the outcome of the commit is unknown: both
   * are mended by applying the same batch again.
   */
  apply(batch: SinkBatch): Promise<ApplyResult>;
  /** A few cheap counts: for metrics, asked for every few seconds. */
  backlog(): Promise<Backlog>;
}
