import type { Op } from '../core/change';
import { CdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { RowEncoder, TransactionStamp } from '../core/ports/encoding';
import type { RecordLengths, TopicWriter } from '../core/ports/topics';
import { comparePositions, type Position } from '../core/position';
import { Slab } from '../core/slab';
import type { TableStats } from '../core/stats';
import type { Tuple } from '../core/tuple';
import type { Flusher } from './flusher';

/** One table on its way into its topic. */
export interface TableRoute {
  readonly encoder: RowEncoder;
  readonly partitions: number;
  /** Last position each partition holds; null once passed, or when it holds nothing. */
  readonly tails: (Position | null)[];
  /** Largest record batch of the topic, bytes. */
  readonly limit: number;
  readonly batchBytes: TopicWriter['batchBytes'];
  readonly stats: TableStats;
}

/** `partitions`: of the topic at least so many. `floor`: what is in the topics, whatever their tails say; null = no more. */
export function routeTo(
  encoder: RowEncoder,
  writer: TopicWriter,
  partitions: number,
  floor: Position | null,
  stats: TableStats,
): TableRoute {
  const { topic } = encoder;
  return {
    encoder,
    partitions,
    tails: Array.from({ length: partitions }, (_, p) => later(writer.tail(topic, p), floor)),
    limit: writer.maxBatchBytes(topic),
    batchBytes: (records) => writer.batchBytes(records),
    stats,
  };
}

/** The last position of transactions of the epoch that committed before `lsn`. */
export function floorAt(epoch: bigint, lsn: Lsn | null): Position | null {
  return lsn === null ? null : { epoch, commitLsn: lsn - 1n, seq: LAST_SEQ };
}

const LAST_SEQ = (1n << 63n) - 1n;

function later(a: Position | null, b: Position | null): Position | null {
  if (a === null || b === null) return a ?? b;
  return comparePositions(a, b) < 0 ? b : a;
}

/** More than one record costs beside key and value: the batch's header, lengths, deltas, and a tombstone's header. */
const RECORD_OVERHEAD = 128;

/**
 * The records of one change: encoded into the slab, then appended all together or not at all. A delete and its tombstone
 * must not be torn apart, and a change that does not fit is simply read again later.
 */
export class ChangeRecords {
  readonly slab = new Slab(256 * 1024);
  /** Six numbers a record: partition, seq, key start and end, value start and end. */
  private readonly spans: number[] = [];

  begin(): void {
    this.slab.reset();
    this.spans.length = 0;
  }

  /** The row after a create, an update or a snapshot's read. */
  row(
    route: TableRoute,
    op: Op,
    before: Tuple | null,
    after: Tuple,
    stamp: TransactionStamp,
    seq: number,
    lsn: Lsn,
    now: bigint,
  ): void {
    const { slab } = this;
    const partition = route.encoder.partition(after, route.partitions);
    if (partition < 0) throw new CdcError('unencodable', `a row of ${route.encoder.table} does not say whose it is`);
    const keyStart = slab.pos;
    route.encoder.writeKey(slab, after);
    const valueStart = slab.pos;
    route.encoder.writeValue(slab, op, before, after, stamp, seq, lsn, now);
    this.record(partition, seq, keyStart, valueStart);
    this.mustFit(route, partition);
  }

  /** A delete is a record and then a tombstone of the same position. */
  deletion(
    route: TableRoute,
    before: Tuple,
    stamp: TransactionStamp,
    seq: number,
    lsn: Lsn,
    now: bigint,
    partition = route.encoder.partition(before, route.partitions),
  ): void {
    const { slab } = this;
    if (partition < 0)
      throw new CdcError('replica_identity', `a delete on ${route.encoder.table} does not say whose row it was`);
    const keyStart = slab.pos;
    route.encoder.writeKey(slab, before);
    const valueStart = slab.pos;
    route.encoder.writeValue(slab, 'd', before, null, stamp, seq, lsn, now);
    this.record(partition, seq, keyStart, valueStart);
    this.spans.push(partition, seq, keyStart, valueStart, -1, -1);
    this.mustFit(route, partition);
  }

  /** Another id or tenant: a delete at the old place and a create at the new one, with two numbers. */
  move(
    route: TableRoute,
    before: Tuple,
    after: Tuple,
    stamp: TransactionStamp,
    seq: number,
    lsn: Lsn,
    now: bigint,
  ): void {
    if (route.encoder.hasUnchanged(after))
      throw new CdcError('unchanged_unavailable', `a row of ${route.encoder.table} moved without its large values`);
    this.deletion(route, before, stamp, seq, lsn, now);
    this.row(route, 'c', null, after, stamp, seq + 1, lsn, now);
  }

  /** A row that is elsewhere now and has not changed: nothing but a tombstone, which a reader of changes does not see. */
  tombstone(route: TableRoute, row: Tuple, partition: number, seq: number): void {
    const keyStart = this.slab.pos;
    route.encoder.writeKey(this.slab, row);
    this.spans.push(partition, seq, keyStart, this.slab.pos, -1, -1);
  }

  /** One record without rows for every partition, all of one position. */
  truncation(route: TableRoute, stamp: TransactionStamp, seq: number, now: bigint): void {
    const { slab } = this;
    for (let partition = 0; partition < route.partitions; partition++) {
      const keyStart = slab.pos;
      route.encoder.writeTruncateKey(slab);
      const valueStart = slab.pos;
      route.encoder.writeValue(slab, 't', null, null, stamp, seq, stamp.commitLsn, now);
      this.record(partition, seq, keyStart, valueStart);
    }
  }

  /** The key is at [keyStart, valueStart), the value from there to the slab's position. */
  private record(partition: number, seq: number, keyStart: number, valueStart: number): void {
    this.spans.push(partition, seq, keyStart, valueStart, valueStart, this.slab.pos);
  }

  /** What goes into one partition goes in one batch: its exact size is counted where the upper bound is over the limit. */
  private mustFit({ encoder, limit, batchBytes }: TableRoute, partition: number): void {
    if (this.bytes <= limit) return;
    const bytes = batchBytes(this.lengthsIn(partition));
    if (bytes <= limit) return;
    throw new CdcError(
      'record_too_large',
      `a record of ${encoder.table} needs ${bytes} bytes; topic ${encoder.topic} takes ${limit}`,
      {
        fix: `Raise max.message.bytes of topic ${encoder.topic} to ${bytes} or more, or set errors.policy to dead-letter.`,
      },
    );
  }

  private lengthsIn(partition: number): RecordLengths[] {
    const lengths: RecordLengths[] = [];
    for (let i = 0; i < this.spans.length; i += 6) {
      const [of, , keyStart, keyEnd, valueStart, valueEnd] = this.spans.slice(i, i + 6) as number[];
      if (of === partition)
        lengths.push({ key: keyEnd! - keyStart!, value: valueStart! < 0 ? -1 : valueEnd! - valueStart! });
    }
    return lengths;
  }

  /** Upper bound of what the records take in a batch. */
  get bytes(): number {
    return this.slab.pos + (this.spans.length / 6) * RECORD_OVERHEAD;
  }

  /**
   * Appends what the partitions do not hold yet (Invariant 6: after a restart the tails say what is there) and counts the
   * change as published or skipped.
   */
  append(route: TableRoute, op: Op, stamp: TransactionStamp, flusher: Flusher): void {
    const timestampMs = stamp.commitTime / 1000n;
    let appended = false;
    for (let i = 0; i < this.spans.length; i += 6) {
      const partition = this.spans[i]!;
      const seq = this.spans[i + 1]!;
      if (holds(route.tails, partition, stamp, seq)) continue;
      const valueStart = this.spans[i + 4]!;
      flusher.batch.append(
        route.encoder.topic,
        partition,
        this.slab,
        this.spans[i + 2]!,
        this.spans[i + 3]!,
        valueStart,
        this.spans[i + 5]!,
        timestampMs,
        valueStart < 0 ? { epoch: stamp.epoch, commitLsn: stamp.commitLsn, seq: BigInt(seq) } : null,
      );
      appended = true;
    }
    this.begin(); // gives back the bytes of a large row
    route.stats.decoded[op]++;
    if (!appended) {
      route.stats.skipped[op]++;
      return;
    }
    flusher.tally.add(route.stats, op, 'published');
    flusher.stamp(stamp.commitTime);
  }
}

function holds(tails: (Position | null)[], partition: number, stamp: TransactionStamp, seq: number): boolean {
  const tail = tails[partition];
  if (!tail) return false;
  if (tail.epoch === stamp.epoch) {
    if (stamp.commitLsn < tail.commitLsn) return true;
    if (stamp.commitLsn === tail.commitLsn && BigInt(seq) <= tail.seq) return true;
  } else if (stamp.epoch < tail.epoch) return true;
  // Positions only ascend from here on: the tail needs no more comparing.
  tails[partition] = null;
  return false;
}
