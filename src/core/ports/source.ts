import type { CdcError } from '../errors';
import type { Lsn } from '../lsn';
import type { InspectedTable } from '../table-mark';
import type { Relation, Tuple } from '../tuple';

/** One replication connection. Not restartable: a new one is made for every attempt. */
export interface ReplicationStream {
  /**
   * Streams from the slot's confirmed position. Resolves when streaming has begun; rejects with a CdcError
   * (source_unreachable, source_refused, slot_active, slot_missing, slot_lost, publication_missing, …).
   */
  start(handlers: StreamHandlers): Promise<void>;
  /** Stops reading from the socket; keepalives are still answered. Idempotent. */
  pause(): void;
  resume(): void;
  /**
   * Everything before `end` (the end LSN of a transaction, or a keepalive's WAL end) is durable downstream: may be
   * dropped by the server. Never goes back; a smaller value is ignored (Invariants 1 and 3). Sent at once and repeated
   * with every status message.
   */
  confirm(end: Lsn): void;
  /** Ends the connection after sending the last confirmed position once more. onEnd is not called. */
  stop(): Promise<void>;
}

export interface StreamHandlers {
  /**
   * Synchronous. `payload` is a view into what was read; it may be kept, nothing overwrites it. `lsn` is the WAL start the
   * server gave with it. Must not throw.
   */
  onMessage(payload: Buffer, lsn: Lsn): void;
  /** The server has nothing older than `walEnd` left to send. Ordered with onMessage. */
  onKeepalive(walEnd: Lsn): void;
  /** At most once, when the connection ended by itself: broken, silent for too long, or refused by the server. */
  onEnd(error: CdcError): void;
}

export interface ChunkRequest {
  readonly schema: string;
  readonly table: string;
  /** Columns to read, in this order; the tuple given to `onRow` has them at the same indexes, as text. */
  readonly columns: readonly string[];
  readonly keyColumn: string;
  /** Exclusive lower bound as text; null = from the start. */
  readonly after: string | null;
  readonly limit: number;
  /** No further row once the rows have so many bytes; absent = no bound. */
  readonly maxBytes?: number;
  /** A condition that `checkCondition` has accepted; null = all rows. `limit` counts rows that do not meet it, too. */
  readonly where: string | null;
  /** Rows of these keys only, as text. */
  readonly keys?: readonly string[];
}

export interface ChunkResult {
  readonly rows: number;
  /** Of their values. */
  readonly bytes: number;
  /** Rows passed over: with a condition more than `rows`. */
  readonly scanned: number;
  /** Largest key passed over, as text; null when there was no row. */
  readonly lastKey: string | null;
  /** True when the table has no more rows after these. */
  readonly exhausted: boolean;
}

/** xids visible or not in the MVCC snapshot that read a chunk: all below `xmin` are, none from `xmax` on, none in `running`. 64-bit xids. */
export interface MvccSnapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly running: readonly bigint[];
}

/** Which history the slot reads, and from where on. */
export interface SlotHistory {
  readonly systemId: string;
  readonly timeline: number;
  /** The slot's confirmed position: nothing smaller is ever confirmed. */
  readonly confirmedLsn: Lsn;
}

/** What capture must know of the source before it reads, and hears again every few seconds. */
export interface SourceInspection extends SlotHistory {
  /** Those of the contract. */
  readonly tables: readonly InspectedTable[];
  /** What changed them before they were looked at lies before this. */
  readonly tablesLsn: Lsn;
  /** End of the server's WAL. */
  readonly walLsn: Lsn;
  readonly slot: SlotFacts;
  /** Stand-bys that follow the server through a slot of their own. */
  readonly standbys: readonly StandbyFacts[];
}

export interface StandbyFacts {
  /** Of its slot. */
  readonly name: string;
  /** WAL written here that it does not have. */
  readonly lagBytes: bigint;
}

/** A slot that is whole, as the server's views show it. */
export interface SlotFacts {
  readonly name: string;
  /** reserved, extended, unreserved (about to be lost); null where the server does not say. */
  readonly walStatus: string | null;
  /** Bytes of WAL kept for it. */
  readonly retainedBytes: bigint | null;
  /** Bytes of WAL that may still be written before the slot is in danger; null = no limit is set. */
  readonly safeWalBytes: bigint | null;
  /** Serves its reader; null = nobody reads. */
  readonly sender: WalSender | null;
  /** Null where the server's statistics do not tell. */
  readonly decoded: DecodedCount | null;
}

/** What was decoded through a slot since it was made: one made anew under its name begins at 0. */
export interface DecodedCount {
  /** Begin of the server's statistics: after a crash it counts anew. */
  readonly since: string;
  readonly transactions: number;
}

export interface WalSender {
  readonly pid: number;
  /** How far it has decoded; null = not known. */
  readonly sentLsn: Lsn | null;
  /** What it waits for, as `Client/WalSenderWaitForWal`; null = it is at work. */
  readonly waitsFor: string | null;
}

/** Ordinary queries on the source, beside the stream. */
export interface SourceQueries {
  /** Table's columns from the catalog, or null when it does not exist. */
  describe(schema: string, table: string): Promise<Relation | null>;
  /** pg_logical_emit_message(transactional): shows up in the stream, ordered as a transaction. */
  emitMessage(prefix: string, content: string): Promise<void>;
  /**
   * Reads one keyset chunk in one REPEATABLE READ snapshot. `accept` sees the snapshot before any row is read; when it
   * returns false nothing is read and the result is null. `onRow` gets a reused tuple.
   */
  readChunk(
    request: ChunkRequest,
    accept: (snapshot: MvccSnapshot) => boolean,
    onRow: (row: Tuple) => void,
  ): Promise<ChunkResult | null>;
  /**
   * That `where` is one condition on rows of the table, which this role may ask for. Nothing is read. Rejects with
   * snapshot_where, source_permission, table_missing.
   */
  checkCondition(schema: string, table: string, where: string): Promise<void>;
  /** For progress: pg_class.reltuples, at least 0. */
  estimateRows(schema: string, table: string): Promise<number>;
  close(): Promise<void>;
}
