import { CdcError } from '../core/errors';
import type { Tail } from '../core/history-witness';
import { partitionsChanged } from '../core/partition';
import type { Logger } from '../core/ports/log';
import type { OutgoingBatch, RecordLengths, TopicPartitions, TopicWriter } from '../core/ports/topics';
import type { Position } from '../core/position';
import { requireKnownFormat } from '../core/state-format';
import { type KafkaAccess, type KafkaLink, openLink } from './client';
import { TransactionCoordinator } from './coordinator';
import { type DeliveryLimits, deliver } from './delivery';
import { toKafkaError } from './errors';
import type { FetchedRecord } from './fetch-response';
import type { Cluster } from './internals';
import { batchBytes, PartitionedBatch } from './outgoing-batch';
import { nextSequence, type ProducerIdentity } from './record-batch';
import { endsOf, type LogSpan, listSpans, partitionKey, runScans, type Scan } from './scan';
import { positionOf, type StateSnapshot, scanState, scanTail } from './tails';
import { findTopics, maxBatchBytes, maxRequestBytes, needTopics, producerMemory, readTopicSettings } from './topics';

export interface TopicWriterOptions {
  readonly access: KafkaAccess;
  readonly log: Logger;
  /** Of whom there may be one writer at a time: the connector's name. */
  readonly transactionalId: string;
  /** Must exist. */
  readonly topics: readonly string[];
  /** Written and fenced where it exists; one partition. */
  readonly stateTopic: string;
  /** Likewise. */
  readonly deadLetterTopic: string;
  /** Position of a record that says it in its value and not in a header. */
  positionOf(value: Buffer): Position | Promise<Position>;
  /** Called with what the state topic holds, before any position is asked for. */
  onState?(state: ReadonlyMap<string, string>): void;
  /** A flush that is not acknowledged by then is given up, and the writer with it. Default 20 s. */
  readonly flushTimeoutMs?: number;
  /** One broker's answer in a flush. Default 8 s. */
  readonly requestTimeoutMs?: number;
}

const FLUSH_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 8000;
const OPEN_TIMEOUT_MS = 10_000;
/** A fetch shorter than this costs as much. */
const MIN_FETCH_BYTES = 1024 * 1024;
/** However long brokers remember a producer. */
const MOST_RENEW_MS = 3_600_000;
const MOST_FENCE_HOLDS_MS = 12 * 3_600_000;

/**
 * Fences every older writer of the same transactional id, then reads what they left: the last position of each partition
 * and the state topic. In this order, so that nothing can come in between (Invariant 6).
 *
 * Rejects: topic_missing, kafka_unreachable, kafka_refused, fenced, record_malformed.
 */
export async function openTopicWriter(options: TopicWriterOptions): Promise<TopicWriter> {
  const link = openLink(options.access, options.log, {
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  });
  try {
    await link.cluster.connect();
    return await open(link, options);
  } catch (error) {
    const trouble = toKafkaError(error);
    link.cut(trouble);
    throw trouble;
  }
}

async function open(link: KafkaLink, options: TopicWriterOptions): Promise<TopicWriter> {
  const { cluster } = link;
  const topics = await findTopics(cluster, [...options.topics, options.stateTopic, options.deadLetterTopic]);
  needTopics(topics, options.topics);
  const coordinator = new TransactionCoordinator(cluster, options.transactionalId, OPEN_TIMEOUT_MS);
  const fence = async () => {
    const identity = await coordinator.raise(topics);
    const spans = await listSpans(cluster, topics);
    await coordinator.mark(identity, topics);
    return { identity, spans };
  };
  const asked = [fence(), readLimits(cluster, topics), producerMemory(cluster)] as const;
  const [{ identity, spans }, { limits, requestBytes }, rememberedMs] = await Promise.all(asked);

  const found = await readBehind(cluster, spans, identity, limits, options);
  const more = { requestBytes, rememberedMs };
  return new FencedWriter(link, coordinator, identity, topics, spans, found, limits, more, options);
}

/** The largest record batch of each topic, and what one request may hold. */
async function readLimits(cluster: Cluster, topics: readonly TopicPartitions[]) {
  const asked = [readTopicSettings(cluster, topics), maxRequestBytes(cluster)] as const;
  const [settings, requestBytes] = await Promise.all(asked);
  const limits = new Map(
    [...settings].map(([topic, ofTopic]) => [topic, Math.min(maxBatchBytes(ofTopic), requestBytes)]),
  );
  return { limits, requestBytes };
}

interface Found {
  readonly tails: ReadonlyMap<string, Tail>;
  readonly recorded: StateSnapshot;
}

/** What older writers left before the fence. */
async function readBehind(
  cluster: Cluster,
  spans: readonly LogSpan[],
  fence: ProducerIdentity,
  limits: ReadonlyMap<string, number>,
  options: TopicWriterOptions,
): Promise<Found> {
  const records = new Map<string, FetchedRecord>();
  let recorded: StateSnapshot = { state: new Map(), end: 0n };
  function* readOne(span: LogSpan): Scan<void> {
    if (span.topic === options.stateTopic) {
      recorded = yield* scanState(span, fence);
      return;
    }
    const record = yield* scanTail(span, fence);
    if (record) records.set(partitionKey(span.topic, span.partition), record);
  }
  const scans = spans.map((span) => {
    const { topic, partition } = span;
    return { topic, partition, maxBytes: Math.max(MIN_FETCH_BYTES, limits.get(topic)!), scan: readOne(span) };
  });
  await runScans(cluster, scans, OPEN_TIMEOUT_MS);
  requireKnownFormat(recorded.state);
  options.onState?.(recorded.state);
  const tails = new Map<string, Tail>();
  for (const [key, record] of records) {
    const { epoch, commitLsn, seq } = await positionOf(record, options.positionOf);
    tails.set(key, { epoch, commitLsn, seq, timestampMs: record.timestampMs });
  }
  return { tails, recorded };
}

class FencedWriter implements TopicWriter {
  private dead: CdcError | null = null;
  private fencedAt = Date.now();
  readonly renewFenceEveryMs: number;
  private readonly fenceHoldsMs: number;
  private readonly sequences = new Map<string, number>();
  /** The offset behind what was acknowledged last. */
  private readonly acknowledged = new Map<string, bigint>();
  private readonly endsAtOpen: ReadonlyMap<string, bigint>;
  private readonly limits: DeliveryLimits;

  constructor(
    private readonly link: KafkaLink,
    private readonly coordinator: TransactionCoordinator,
    private readonly identity: ProducerIdentity,
    readonly topics: readonly TopicPartitions[],
    spans: readonly LogSpan[],
    private readonly found: Found,
    private readonly maxBytes: ReadonlyMap<string, number>,
    brokers: { readonly requestBytes: number; readonly rememberedMs: number },
    private readonly options: TopicWriterOptions,
  ) {
    const { flushTimeoutMs = FLUSH_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
    const { requestBytes, rememberedMs } = brokers;
    this.endsAtOpen = new Map(spans.map(({ topic, partition, end }) => [partitionKey(topic, partition), end]));
    this.limits = { totalMs: flushTimeoutMs, requestMs: Math.min(flushTimeoutMs, requestTimeoutMs), requestBytes };
    this.renewFenceEveryMs = Math.min(MOST_RENEW_MS, rememberedMs / 4);
    this.fenceHoldsMs = Math.min(MOST_FENCE_HOLDS_MS, rememberedMs / 2);
  }

  get state(): ReadonlyMap<string, string> {
    return this.found.recorded.state;
  }

  get stateEnd(): bigint {
    return this.found.recorded.end;
  }

  tail(topic: string, partition: number): Tail | null {
    return this.found.tails.get(partitionKey(topic, partition)) ?? null;
  }

  get ends(): ReadonlyMap<string, bigint> {
    return new Map([...this.endsAtOpen, ...this.acknowledged]);
  }

  newBatch(): OutgoingBatch {
    return new PartitionedBatch(this.topics, this.options.stateTopic);
  }

  maxBatchBytes(topic: string): number {
    const limit = this.maxBytes.get(topic);
    if (limit === undefined) throw new RangeError(`the writer does not have topic ${topic}`);
    return limit;
  }

  batchBytes(records: readonly RecordLengths[]): number {
    return batchBytes(records);
  }

  async flush(batch: OutgoingBatch): Promise<void> {
    if (!(batch instanceof PartitionedBatch)) throw new TypeError('a batch of another writer');
    await this.alive(async () => {
      const parts = batch.finish(
        this.identity,
        (topic, partition) => this.sequences.get(partitionKey(topic, partition)) ?? 0,
      );
      const ends = await deliver(this.link.cluster, parts, this.limits);
      for (const part of parts) {
        const key = partitionKey(part.topic, part.partition);
        this.sequences.set(key, nextSequence(this.sequences.get(key) ?? 0, part.records));
        const end = ends.get(part);
        if (end !== undefined) this.acknowledged.set(key, end);
      }
    });
  }

  async renewFence(): Promise<void> {
    await this.alive(async () => {
      // Before the markers: they would hide that a partition has lost its end.
      await this.check();
      await this.coordinator.mark(this.identity, this.topics);
      this.fencedAt = Date.now();
    });
  }

  async check(): Promise<void> {
    try {
      await this.checkPartitions();
      await this.checkEnds();
    } catch (error) {
      throw toKafkaError(error);
    }
  }

  /** Somebody may have added partitions, in which nothing of ours is fenced and no tenant belongs. */
  private async checkPartitions(): Promise<void> {
    const { cluster } = this.link;
    await cluster.refreshMetadata();
    for (const { name, partitions } of this.topics) {
      const now = cluster.findTopicPartitionMetadata(name).length;
      if (now !== partitions) throw partitionsChanged({ name, partitions: now }, partitions);
    }
  }

  /** A broker alone may come back from a power cut without the last of what it acknowledged. */
  private async checkEnds(): Promise<void> {
    const acknowledged = [...this.acknowledged];
    const found = await endsOf(this.link.cluster, this.topics);
    for (const [key, end] of acknowledged)
      if (found.get(key)! < end)
        throw new CdcError('produce_failed', `partition ${key} ends at ${found.get(key)}, acknowledged was ${end}`);
  }

  async close(): Promise<void> {
    this.dead ??= new CdcError('produce_failed', 'the writer was closed');
    this.link.cut(this.dead);
  }

  /** The first failure is the last thing this writer does: what it sent may be there or not, only a new one can tell. */
  private async alive(work: () => Promise<void>): Promise<void> {
    if (this.dead) throw this.dead;
    try {
      // Brokers that have forgotten this producer would take what it sends, though a newer one may have fenced it. By the wall
      // clock, because others stop while a machine sleeps.
      if (Date.now() - this.fencedAt > this.fenceHoldsMs)
        throw new CdcError('fenced', 'the fence was not renewed for too long; a newer writer may exist');
      await work();
    } catch (error) {
      this.dead ??= toKafkaError(error);
      this.link.cut(this.dead);
      throw this.dead;
    }
  }
}
