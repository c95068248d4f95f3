import type { Op } from '../change';
import type { CdcError } from '../errors';
import type { Lsn } from '../lsn';
import type { Slab } from '../slab';
import type { Relation, Tuple } from '../tuple';

/** What all records of one transaction (or snapshot chunk) share. Mutable: one instance is reused. */
export interface TransactionStamp {
  epoch: bigint;
  commitLsn: Lsn;
  /** Microseconds since 1970 UTC. */
  commitTime: bigint;
  /** Unsigned xid; null for snapshot rows. */
  xid: number | null;
  /** Envelope's source.snapshot: null = streamed. */
  snapshot: 'first' | 'incremental' | 'repair' | null;
}

/**
 * Writes one relation's rows as Avro in Confluent's wire format (byte 0, int32 schema id, body), compiled for the
 * relation's columns and the contract. Appends to the slab at its position; no allocation, no await.
 * Throws CdcError `unencodable`, or `text_needed` for a binary value of a type that is understood as text only; the slab's
 * position is then undefined: reset it to where it was.
 */
export interface RowEncoder {
  readonly topic: string;
  readonly table: string;
  readonly relation: Relation;
  /** Why updates and deletes do not say which row they change, or whose it was; null = they do. */
  readonly lacksIdentity: CdcError | null;
  /** Record key {id}. */
  writeKey(slab: Slab, row: Tuple): void;
  /** Envelope. `now` is the processing time in microseconds. The columns of `before`/`after` are the relation's. */
  writeValue(
    slab: Slab,
    op: Op,
    before: Tuple | null,
    after: Tuple | null,
    stamp: TransactionStamp,
    seq: number,
    lsn: Lsn,
    now: bigint,
  ): void;
  /** Key with the nil id, and an envelope without rows: one per partition for a truncate. */
  writeTruncateKey(slab: Slab): void;
  /** Partition number by the tenant's text form; `row` must hold the tenant column (else -1). */
  partition(row: Tuple, partitions: number): number;
  /** True when `before` (whole or identity columns) names another id or tenant than `after`. */
  moved(before: Tuple, after: Tuple): boolean;
  /** Contract columns that `row` holds as unchanged TOAST. */
  hasUnchanged(row: Tuple): boolean;
  /** The key as text, for people; null when the row does not hold it. */
  idText(row: Tuple): string | null;
}

/** Compiles encoders; knows contracts and registered schema ids. */
export interface EncoderFactory {
  /** Tables of the contract as `schema.table`. */
  readonly tables: readonly string[];
  /** The contract's columns of a table (`schema.table`), in their order. */
  columns(table: string): readonly string[];
  /** The column that says whose a row is; the key itself where the row is the tenant. */
  tenantColumn(table: string): string;
  /** Null when the relation is not of the contract. Throws contract_column_missing, contract_type. */
  compile(relation: Relation, options: CompileOptions): RowEncoder | null;
}

export interface CompileOptions {
  /** Contract columns known to be absent since the first start: written as null. Others missing are an error. */
  readonly absentColumns: readonly string[];
}
