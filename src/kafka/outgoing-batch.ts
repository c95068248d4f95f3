import type { OutgoingBatch, RecordLengths, TopicPartitions } from '../core/ports/topics';
import { formatPosition, type Position } from '../core/position';
import { Slab } from '../core/slab';
import { type ProducerIdentity, RecordBatch, sizeOfBatch } from './record-batch';

/** Holds the position's text form; read back by tails.ts. */
export const POSITION_HEADER = 'position';
const POSITION_HEADER_NAME = Buffer.from(POSITION_HEADER);
/** All positions are of one width. */
const POSITION_SIZED = Buffer.from(formatPosition({ epoch: 0n, commitLsn: 0n, seq: 0n }));
const NO_HEADER = { headerName: null, header: null };

/** A finished record batch on its way. */
export interface OutgoingPart {
  readonly topic: string;
  readonly partition: number;
  readonly records: number;
  /** To be sent one after the other. */
  readonly pieces: readonly Buffer[];
  /** Sum of the pieces. */
  readonly bytes: number;
}

/** See the port TopicWriter. */
export function batchBytes(records: readonly RecordLengths[]): number {
  return sizeOfBatch(
    records.map(({ key, value }) =>
      value < 0
        ? { key, value, headerName: POSITION_HEADER_NAME, header: POSITION_SIZED }
        : { key, value, ...NO_HEADER },
    ),
  );
}

/** One record batch per partition, filled in place. */
export class PartitionedBatch implements OutgoingBatch {
  records = 0;
  private total = 0;
  private largest = 0;
  private readonly byTopic = new Map<string, readonly RecordBatch[]>();
  /** The topic of the record before: most records follow one of the same topic. */
  private lastTopic = '';
  private lastPartitions: readonly RecordBatch[] = [];
  private readonly slab = new Slab(4096);

  constructor(
    topics: readonly TopicPartitions[],
    private readonly stateTopic: string,
  ) {
    for (const { name, partitions } of topics)
      this.byTopic.set(
        name,
        Array.from({ length: partitions }, () => new RecordBatch()),
      );
  }

  get bytes(): number {
    return this.total;
  }

  get largestBytes(): number {
    return this.largest;
  }

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
  ): void {
    const batch = this.partitionsOf(topic)[partition];
    if (!batch) throw new RangeError(`topic ${topic} has no partition ${partition}`);
    const header = position && Buffer.from(formatPosition(position));
    const before = batch.size;
    batch.append(slab, keyStart, keyEnd, valueStart, valueEnd, timestampMs, header && POSITION_HEADER_NAME, header);
    const after = batch.size;
    this.records++;
    this.total += after - before;
    if (after > this.largest) this.largest = after;
  }

  appendState(key: string, value: string | null, timestampMs: bigint): void {
    const { slab } = this;
    slab.reset();
    slab.ensure(3 * (key.length + (value?.length ?? 0)));
    const keyEnd = slab.bytes.write(key);
    const valueEnd = value === null ? -1 : keyEnd + slab.bytes.write(value, keyEnd);
    this.append(this.stateTopic, 0, slab, 0, keyEnd, value === null ? -1 : keyEnd, valueEnd, timestampMs, null);
  }

  clear(): void {
    for (const partitions of this.byTopic.values()) for (const batch of partitions) batch.clear();
    this.records = 0;
    this.total = 0;
    this.largest = 0;
  }

  /** The finished batches of all partitions that have records; valid until clear(). */
  finish(identity: ProducerIdentity, sequenceOf: (topic: string, partition: number) => number): OutgoingPart[] {
    const parts: OutgoingPart[] = [];
    for (const [topic, partitions] of this.byTopic)
      partitions.forEach((batch, partition) => {
        if (batch.records === 0) return;
        const pieces = batch.finish(identity, sequenceOf(topic, partition));
        parts.push({ topic, partition, records: batch.records, pieces, bytes: batch.size });
      });
    return parts;
  }

  private partitionsOf(topic: string): readonly RecordBatch[] {
    if (topic === this.lastTopic) return this.lastPartitions;
    const found = this.byTopic.get(topic);
    if (!found) throw new RangeError(`the writer does not have topic ${topic}`);
    this.lastTopic = topic;
    this.lastPartitions = found;
    return found;
  }
}
