import type { Tail } from '../history-witness';
import type { Position } from '../position';
import type { Slab } from '../slab';

export interface TopicPartitions {
  readonly name: string;
  readonly partitions: number;
}

/** Records on their way: one Kafka record batch per partition, bytes already in wire form. Reused after clear(). */
export interface OutgoingBatch {
  readonly records: number;
  /** Sum over all partitions. */
  readonly bytes: number;
  /** Bytes of the fullest partition: must stay below the topic's max.message.bytes. */
  readonly largestBytes: number;
  /**
   * Takes the key [keyStart, keyEnd) and value [valueStart, valueEnd) out of the slab: copied, or lent by it when large.
   * valueStart = -1 is a tombstone, which carries its position in a header so that the tails can be read.
   */
  append(
    topic: string,
    partition: number,
    slab: Slab,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    timestampMs: bigint,
    position: Position | null,
  ): void;
  /** A state record: text key and JSON. */
  appendState(key: string, value: string | null, timestampMs: bigint): void;
  clear(): void;
}

/** Lengths in bytes; a value of -1 is a tombstone. */
export interface RecordLengths {
  readonly key: number;
  readonly value: number;
}

/**
 * The one writer of the pipeline's topics: fenced, idempotent, without transactions.
 *
 * Opening it fences every older writer (Invariant 6) and reads the tail of every partition. After a flush that failed or
 * whose outcome is unknown the writer is dead: open a new one and continue after the tails.
 */
export interface TopicWriter {
  readonly topics: readonly TopicPartitions[];
  /** The last record in the partition when the writer was opened; null = none. */
  tail(topic: string, partition: number): Tail | null;
  /** Latest value per key of the state topic when the writer was opened. */
  readonly state: ReadonlyMap<string, string>;
  /** Offset of the state topic's first record that is not in `state`. */
  readonly stateEnd: bigint;
  /** The offset behind the last acknowledged record, by partition (`topic/partition`); of one not written to, where it ended. */
  readonly ends: ReadonlyMap<string, bigint>;
  newBatch(): OutgoingBatch;
  /** Largest record batch the topic takes, in bytes. */
  maxBatchBytes(topic: string): number;
  /** Exact size of a record batch with these records of one change and no others. */
  batchBytes(records: readonly RecordLengths[]): number;
  /** Resolves when all in-sync replicas have every record of the batch; one flush at a time. Rejects: fenced, produce_failed, kafka_unreachable, record_too_large. */
  flush(batch: OutgoingBatch): Promise<void>;
  /** The fence wears off on idle partitions after producer.id.expiration.ms: renewed this often, milliseconds. */
  readonly renewFenceEveryMs: number;
  /** Between flushes. */
  renewFence(): Promise<void>;
  /**
   * Whether the topics still are as this writer left them. Rejects: partitions_changed; produce_failed when a partition ends
   * before what it acknowledged, as after a power cut; kafka_unreachable, after which the writer goes on.
   */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface ConsumedRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}

export interface ConsumedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly ConsumedRecord[];
  /** Offset after the last record of the partition at fetch time, for lag. */
  readonly highWatermark: bigint;
}

/** What a record of a topic of changes says of its key. */
export interface KeyRecord {
  /** Null: a truncate, which ends all keys of the partition. */
  readonly id: string | null;
  /** Of the row after it; null = there is no row after it. */
  readonly tenant: string | null;
  /** Null: of a tombstone, which is a delete. */
  readonly position: Position | null;
}

/** A member of a consumer group. The group's offsets are the only resume point (Invariant 2). */
export interface GroupConsumer {
  /**
   * Calls `onBatch` per partition, one batch at a time in each, and commits the batch's offsets only after it has
   * resolved. Resolves after stop(). Rejects with CdcError when the consumer cannot go on.
   * `keepAlive` must be called in long work, at least every few seconds; it rejects when the partition was lost.
   */
  run(onBatch: (batch: ConsumedBatch, keepAlive: () => Promise<void>) => Promise<void>): Promise<void>;
  /** Finishes the batches in hand, leaves the group. */
  stop(): Promise<void>;
  /** Partitions held now, by topic; empty before the group has formed. */
  assignment(): ReadonlyMap<string, readonly number[]>;
}
