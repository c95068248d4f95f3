import type { Op } from '../core/change';
import type { RowEncoder, TransactionStamp } from '../core/ports/encoding';
import type { TopicWriter } from '../core/ports/topics';
import type { Position } from '../core/position';
import { Slab } from '../core/slab';
import type { TableStats } from '../core/stats';
import type { Flusher } from './flusher';

/** One table on its way into its topic. */
export interface TableRoute {
  readonly encoder: RowEncoder;
  readonly partitions: number;
  /** Last position each partition holds; null once passed, or when it holds nothing. */
  readonly tails: (Position | null)[];
  /** Largest record batch of the topic, bytes. */
  readonly limit: number;
  readonly stats: TableStats;
}

export function routeTo(encoder: RowEncoder, writer: TopicWriter, stats: TableStats): TableRoute {
  const topic = writer.topics.find((t) => t.name === encoder.topic);
  if (!topic) throw new Error(`the writer does not have topic ${encoder.topic}`);
  return {
    encoder,
    partitions: topic.partitions,
    tails: Array.from({ length: topic.partitions }, (_, p) => writer.tail(topic.name, p)),
    limit: writer.maxBatchBytes(topic.name),
    stats,
  };
}

/** What one record costs beside key and value: lengths, deltas, and a tombstone's header. */
const RECORD_OVERHEAD = 128;

/**
 * The records of one change: encoded into the slab, then appended all together or not at all. A delete and its tombstone
 * must not be torn apart, and a change that does not fit is simply read again later.
 */
export class ChangeRecords {
  readonly slab = new Slab(256 * 1024);
  /** Six numbers a record: partition, seq, key start and end, value start and end. */
  private readonly spans: number[] = [];
  private largest = 0;

  begin(): void {
    this.slab.reset();
    this.spans.length = 0;
    this.largest = 0;
  }

  /** The key is at [keyStart, valueStart), the value from there to the slab's position. */
  record(partition: number, seq: number, keyStart: number, valueStart: number): void {
    this.spans.push(partition, seq, keyStart, valueStart, valueStart, this.slab.pos);
    this.largest = Math.max(this.largest, this.slab.pos - keyStart + RECORD_OVERHEAD);
  }

  tombstone(partition: number, seq: number, keyStart: number, keyEnd: number): void {
    this.spans.push(partition, seq, keyStart, keyEnd, -1, -1);
  }

  /** Bytes of all records, and of the largest. */
  get bytes(): number {
    return this.slab.pos + (this.spans.length / 6) * RECORD_OVERHEAD;
  }
  get largestBytes(): number {
    return this.largest;
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
