import type { CdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { TransactionStamp } from '../core/ports/encoding';
import type { ChangedKeys, ChunkRows } from '../core/watermark';
import type { TableRoute } from './change-records';

/** Logical messages of this prefix are ours. */
export const WATERMARK_PREFIX = 'ventia_cdc';
/** Such a message's content begins so where the number of partitions is being raised. */
export const REPARTITION_MARK = 'repartition ';

/** Rows of a chunk whose closing watermark has come by: now it is their turn in the topics. */
export interface Emission {
  readonly route: TableRoute;
  readonly rows: ChunkRows;
  /** So many rows, the first ones, are deletes; of as many behind them there is only a tombstone; the others are reads. */
  readonly deletes: number;
  readonly tombstones: number;
  /** Where those go, wherever their tenant belongs now; null = there are none. */
  readonly partition: number | null;
  readonly changed: ChangedKeys;
  readonly snapshot: TransactionStamp['snapshot'];
  /** All rows are in batches (not yet acknowledged), but those that the stream changed meanwhile. */
  onAppended(leftOut: readonly number[]): void;
  /** Row `index` cannot be written; those before it are in batches, those after it are given up. */
  onFailed(error: CdcError, index: number): void;
}

/** What the snapshot beside the stream sees of it. Called synchronously, in WAL order. */
export interface StreamWatcher {
  readonly watching: boolean;
  onTransaction(xid: number): void;
  /** `key`: the record key's bytes as latin1. */
  onRow(table: string, key: string): void;
  onTruncate(table: string): void;
  /** `lsn`: of the commit record of its transaction. */
  onWatermark(content: string, lsn: Lsn): Emission | null;
}
