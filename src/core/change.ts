import type { Position } from './position';

export type Op = 'c' | 'u' | 'd' | 'r' | 't';

/** bigint for int, long and timestamps (microseconds since 1970 UTC; ±infinity as the largest and smallest int64). */
export type FieldValue = null | boolean | bigint | number | string | Buffer;

export type Row = Readonly<Record<string, FieldValue>>;

/** A record of `ventia.tenants` or `ventia.orders` as the sinks see it. */
export interface ChangeEvent {
  readonly op: Op;
  readonly position: Position;
  /** The record key's id as text; for a truncate the nil id. */
  readonly id: string;
  readonly before: Row | null;
  readonly after: Row | null;
  /** Columns whose TOASTed value was not sent (null in `after`): keep what you have. */
  readonly unchanged: readonly string[] | null;
  /** Commit time at the source, microseconds since 1970 UTC. */
  readonly commitTime: bigint;
  readonly table: string;
}
