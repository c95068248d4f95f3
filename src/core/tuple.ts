/**
 * A row as it lies in the wire bytes: offsets into a buffer, no value decoded, nothing allocated per row.
 *
 * Filled by the pgoutput decoder (stream) and by the chunk reader (snapshot), read by the compiled Avro encoders.
 * One instance is reused for all rows: whoever keeps a value beyond the synchronous call copies its bytes.
 */
export interface Tuple {
  bytes: Buffer;
  /** Number of columns. Arrays may be longer. */
  count: number;
  /** Per column one of the KIND_* constants (pgoutput's own letters). */
  kinds: Uint8Array;
  /** Per column the first byte and the byte after the last; meaningless for null and unchanged. */
  starts: Int32Array;
  ends: Int32Array;
}

export const KIND_NULL = 0x6e; // n
/** A TOASTed value that the update did not touch and PostgreSQL therefore did not send. */
export const KIND_UNCHANGED = 0x75; // u
export const KIND_TEXT = 0x74; // t
export const KIND_BINARY = 0x62; // b

/** PostgreSQL's hard limit of columns a table is 1,600. */
export function newTuple(maxColumns = 1664): Tuple {
  return {
    bytes: Buffer.alloc(0),
    count: 0,
    kinds: new Uint8Array(maxColumns),
    starts: new Int32Array(maxColumns),
    ends: new Int32Array(maxColumns),
  };
}

/** True when column `i` of both tuples has the same bytes in the same form. Unchanged equals nothing. */
export function sameColumn(a: Tuple, b: Tuple, i: number): boolean {
  const kind = a.kinds[i];
  if (kind !== b.kinds[i] || kind === KIND_UNCHANGED) return false;
  if (kind === KIND_NULL) return true;
  return a.bytes.compare(b.bytes, b.starts[i]!, b.ends[i]!, a.starts[i]!, a.ends[i]!) === 0;
}

export interface Column {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  /** Part of the replica identity. */
  readonly identity: boolean;
}

/** pgoutput's Relation message, or the same read from the catalog. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  /** d = default (primary key), n = nothing, f = full, i = index. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  readonly columns: readonly Column[];
}

/**
 * Under REPLICA IDENTITY FULL the old row holds the large value that the update did not touch: both rows lie in the same
 * message, so pointing at it is enough.
 */
export function takeUnchangedFrom(before: Tuple, after: Tuple): void {
  for (let i = 0; i < after.count; i++) {
    if (after.kinds[i] !== KIND_UNCHANGED) continue;
    const kind = before.kinds[i]!;
    if (kind !== KIND_TEXT && kind !== KIND_BINARY) continue;
    after.kinds[i] = kind;
    after.starts[i] = before.starts[i]!;
    after.ends[i] = before.ends[i]!;
  }
}
