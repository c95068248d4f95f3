import { CdcError } from '../../../src/core/errors';
import type { OutgoingBatch, TopicWriter } from '../../../src/core/ports/topics';
import type { Position } from '../../../src/core/position';

/** How one flush ends. Consumed first in, first out; then every flush succeeds. */
export type Fault =
  | 'none'
  /** Nothing arrived. */
  | 'reject'
  /** Only the partitions with an even number got it. */
  | 'partial'
  /** All arrived, the answer was lost. */
  | 'lost-answer';

export interface StoredRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly value: string | null;
  readonly position: Position;
  readonly timestampMs: number;
}

/** The topics of a pretended Kafka, for testing what our side does when a flush fails. Values are JSON with lsn and seq. */
export class FakeBroker {
  readonly log: StoredRecord[] = [];
  readonly state = new Map<string, string>();
  readonly faults: Fault[] = [];
  /** Bytes of each flush. */
  readonly flushes: number[] = [];
  /** Of writers: each fences the ones before it. */
  private generation = 0;

  constructor(
    public topics: readonly { readonly name: string; readonly partitions: number }[],
    readonly maxBatchBytes: number,
    /** Turns of the event loop a flush takes. */
    private readonly flushTicks = 1,
  ) {}

  raise(partitions: number): void {
    this.topics = this.topics.map(({ name }) => ({ name, partitions }));
  }

  open(): TopicWriter {
    const tails = new Map(
      this.log.map((r) => [`${r.topic}/${r.partition}`, { ...r.position, timestampMs: r.timestampMs }]),
    );
    const state = new Map(this.state);
    const generation = ++this.generation;
    return {
      topics: this.topics,
      state,
      stateEnd: 0n,
      ends: new Map(),
      tail: (topic, partition) => tails.get(`${topic}/${partition}`) ?? null,
      newBatch: () => new FakeBatch(),
      maxBatchBytes: (topic) => this.limitOf(topic),
      batchBytes: (records) => records.reduce((sum, { key, value }) => sum + key + Math.max(0, value), 0),
      flush: (batch) => this.flush(batch as FakeBatch, generation),
      renewFenceEveryMs: 3_600_000,
      renewFence: () => Promise.resolve(),
      check: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  /** Other topics take what comes. */
  private limitOf(topic: string): number {
    return this.topics.some(({ name }) => name === topic) ? this.maxBatchBytes : Number.MAX_SAFE_INTEGER;
  }

  private async flush(batch: FakeBatch, generation: number): Promise<void> {
    for (const [topic, bytes] of batch.sizes)
      if (bytes > this.limitOf(topic)) throw new CdcError('record_too_large', 'batch too large');
    this.flushes.push(batch.bytes);
    const sent = [...batch.stored];
    for (let tick = 0; tick < this.flushTicks; tick++) await new Promise((resolve) => setImmediate(resolve));
    if (generation !== this.generation) throw new CdcError('fenced', 'a newer writer was opened');
    const fault = this.faults.shift() ?? 'none';
    if (fault !== 'reject') {
      this.log.push(...sent.filter((r) => fault !== 'partial' || r.partition % 2 === 0));
      for (const [key, value] of batch.states) {
        if (value === null) this.state.delete(key);
        else this.state.set(key, value);
      }
    }
    if (fault !== 'none') throw new CdcError('produce_failed', fault);
  }
}

class FakeBatch implements OutgoingBatch {
  readonly stored: StoredRecord[] = [];
  readonly states: [string, string | null][] = [];
  private readonly partitions = new Map<string, { topic: string; bytes: number }>();
  bytes = 0;

  get records(): number {
    return this.stored.length + this.states.length;
  }

  get largestBytes(): number {
    return Math.max(0, ...this.sizes.map(([, bytes]) => bytes));
  }

  get sizes(): [topic: string, bytes: number][] {
    return [...this.partitions.values()].map(({ topic, bytes }) => [topic, bytes]);
  }

  append(...[topic, partition, slab, ks, ke, vs, ve, timestampMs, header]: Parameters<OutgoingBatch['append']>): void {
    const value = vs < 0 ? null : slab.bytes.toString('utf8', vs, ve);
    const position = header ?? positionOf(JSON.parse(value!));
    this.stored.push({
      topic,
      partition,
      key: slab.bytes.toString('utf8', ks, ke),
      value,
      position,
      timestampMs: Number(timestampMs),
    });
    const place = `${topic}/${partition}`;
    const size = ke - ks + Math.max(0, ve - vs);
    this.partitions.set(place, { topic, bytes: (this.partitions.get(place)?.bytes ?? 0) + size });
    this.bytes += size;
  }

  appendState(key: string, value: string | null): void {
    this.states.push([key, value]);
  }

  clear(): void {
    this.stored.length = 0;
    this.states.length = 0;
    this.partitions.clear();
    this.bytes = 0;
  }
}

function positionOf(value: { lsn: number; seq: number; epoch: number }): Position {
  return { epoch: BigInt(value.epoch), commitLsn: BigInt(value.lsn), seq: BigInt(value.seq) };
}
