import type { EachBatchPayload } from 'kafkajs';
import { deferred } from '../core/deferred';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import type { ConsumedBatch, ConsumedRecord, GroupConsumer } from '../core/ports/topics';
import { type ConsumerClient, type KafkaAccess, newConsumer, probe } from './client';
import { toKafkaError } from './errors';
import { Heartbeats } from './heartbeats';
import { OFFSET_RESET } from './mends';

export interface GroupConsumerOptions {
  readonly access: KafkaAccess;
  readonly log: Logger;
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Partitions handled at the same time. Default 1. */
  readonly concurrency?: number;
  /** A partition starts at the earliest offset because the group has no valid one. Said in the log, too. */
  onReset?(topic: string, partition: number, why: 'none committed' | 'out of range'): void;
  /** A partition is ours, and goes on at the committed `nextOffset`. */
  onResume?(topic: string, partition: number, nextOffset: bigint): void;
  /** All before `nextOffset` is done and committed; transaction markers, which no batch shows, are passed as well. */
  onCommitted?(topic: string, partition: number, nextOffset: bigint, highWatermark: bigint): void;
}

/**
 * Without a sign of life for this long a member's partitions go to others: the least that brokers admit by default
 * (group.min.session.timeout.ms). What a member of which too much was thought does late is refused or harmless.
 */
const SESSION_TIMEOUT_MS = 6_000;
const REBALANCE_TIMEOUT_MS = 30_000;
/** Also how soon a member learns that it must join again. */
const HEARTBEAT_MS = 2000;
/**
 * An idle broker holds a fetch this long; new records end it at once, and stop() waits for it. Idle it costs 0.15 % of a
 * core, and 0.28 % at 500 ms.
 */
const MAX_WAIT_MS = 1000;
/**
 * Just above max.message.bytes' default, so that a batch of that size is never fetched in vain. Not more: what was fetched
 * lives until all of it is applied, and what lives long is what makes the heap grow.
 */
const MAX_BYTES_PER_PARTITION = 1_100_000;
const MAX_BYTES = 8 * MAX_BYTES_PER_PARTITION;
/** A stop waits this long for the group to form, which it must leave then, and for the batches in hand. */
const JOIN_PATIENCE_MS = 2000;
const STOP_PATIENCE_MS = 8000;

/**
 * A consumer of a group whose offsets move only after the work. One life: a failure of Kafka or of the handler ends run(),
 * and the caller makes a new one, which continues at the committed offsets.
 */
export function createGroupConsumer(options: GroupConsumerOptions): GroupConsumer {
  return new KafkaGroupConsumer(options);
}

class KafkaGroupConsumer implements GroupConsumer {
  private readonly client: ConsumerClient;
  private readonly ended = deferred<void>();
  /** Settles when the group has formed, or will not. */
  private joining: Promise<unknown> | null = null;
  private stopping: Promise<void> | null = null;
  private failure: CdcError | null = null;
  private held: ReadonlyMap<string, readonly number[]> = new Map();
  private readonly inHand = new Set<Heartbeats>();

  constructor(private readonly o: GroupConsumerOptions) {
    this.client = newConsumer(o.access, o.log, {
      groupId: o.groupId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      heartbeatMs: HEARTBEAT_MS,
      maxWaitMs: MAX_WAIT_MS,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES,
    });
    this.ended.promise.catch(() => {});
  }

  assignment(): ReadonlyMap<string, readonly number[]> {
    return this.held;
  }

  async run(onBatch: Parameters<GroupConsumer['run']>[0]): Promise<void> {
    if (this.stopping) return;
    this.listen();
    this.joining = this.join(onBatch);
    try {
      await this.joining;
      await this.ended.promise;
    } catch (error) {
      if (!this.stopping) throw this.describe(error);
    } finally {
      this.held = new Map();
      for (const heartbeats of this.inHand) heartbeats.end();
      this.client.cut(new Error('the consumer ended'));
    }
  }

  stop(): Promise<void> {
    this.stopping ??= this.leave();
    return this.stopping;
  }

  private async join(onBatch: Parameters<GroupConsumer['run']>[0]): Promise<void> {
    const { consumer } = this.client;
    await probe(this.o.access, this.o.log, this.o.groupId);
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.o.topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.o.concurrency ?? 1,
      eachBatch: (payload) => this.handle(payload, onBatch),
    });
  }

  private async leave(): Promise<void> {
    if (!this.joining) return;
    await within(JOIN_PATIENCE_MS, this.joining);
    await within(STOP_PATIENCE_MS, this.client.consumer.disconnect());
    this.ended.resolve();
  }

  /** Invariant 2: the offset is committed when the handler is done, and only then. */
  private async handle(payload: EachBatchPayload, onBatch: Parameters<GroupConsumer['run']>[0]): Promise<void> {
    const { batch } = payload;
    const { topic, partition } = batch;
    if (this.stopping || payload.isStale()) return;
    const heartbeats = new Heartbeats(payload.heartbeat, SESSION_TIMEOUT_MS);
    this.inHand.add(heartbeats);
    try {
      const records = batch.messages as unknown as ConsumedRecord[];
      const consumed: ConsumedBatch = { topic, partition, records, highWatermark: BigInt(batch.highWatermark) };
      await onBatch(consumed, () => heartbeats.keepAlive());
    } catch (error) {
      // Nothing is committed: the batch comes again, here after the rejoin or wherever the partition is then.
      if (heartbeats.lost) throw heartbeats.lost;
      if (this.stopping) return;
      this.failure ??= error instanceof CdcError ? error : new CdcError('internal', String(error), { cause: error });
      throw Object.assign(new Error('the handler failed'), { retriable: false });
    } finally {
      heartbeats.end();
      this.inHand.delete(heartbeats);
    }
    const last = batch.lastOffset();
    const next = BigInt(last) + 1n;
    await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(next) }] }] });
    payload.resolveOffset(last);
    this.o.onCommitted?.(topic, partition, next, BigInt(batch.highWatermark));
  }

  private listen(): void {
    const { consumer, events } = this.client;
    const { CRASH, GROUP_JOIN, REBALANCING, END_BATCH_PROCESS } = consumer.events;
    consumer.on(CRASH, ({ payload }) => this.ended.reject(payload.error));
    consumer.on(REBALANCING, () => {
      this.held = new Map();
    });
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.held = new Map(Object.entries(payload.memberAssignment));
      this.tellOffsets(this.held).catch((error: unknown) =>
        this.o.log.debug({ err: error }, 'the committed offsets could not be read'),
      );
    });
    consumer.on(END_BATCH_PROCESS, ({ payload }) => (payload.batchSize === 0 ? this.passMarkers(payload) : undefined));
    events.addListener(OFFSET_RESET, ({ payload }) => {
      const { topic, partition } = payload as { topic: string; partition: number };
      this.tellReset(topic, [partition], 'out of range');
    });
  }

  /**
   * A fetch of transaction markers only reaches no handler. Its offset is committed too, or every renewed fence would look
   * like a record that we are behind with.
   */
  private async passMarkers(passed: {
    topic: string;
    partition: number;
    lastOffset: string;
    highWatermark: string;
  }): Promise<void> {
    const { topic, partition, lastOffset, highWatermark } = passed;
    const next = BigInt(lastOffset) + 1n;
    await this.client.consumer.commitOffsets([{ topic, partition, offset: String(next) }]);
    this.o.onCommitted?.(topic, partition, next, BigInt(highWatermark));
  }

  private async tellOffsets(assignment: ReadonlyMap<string, readonly number[]>): Promise<void> {
    const { groupId } = this.o;
    const topics = [...assignment].map(([topic, partitions]) => ({
      topic,
      partitions: partitions.map((partition) => ({ partition })),
    }));
    const coordinator = await this.client.cluster.findGroupCoordinator({ groupId });
    const { responses } = await coordinator.offsetFetch({ groupId, topics });
    for (const { topic, partitions } of responses) {
      const missing = partitions.filter(({ offset }) => BigInt(offset) < 0n).map(({ partition }) => partition);
      if (missing.length > 0) this.tellReset(topic, missing, 'none committed');
      for (const { partition, offset } of partitions)
        if (BigInt(offset) >= 0n) this.o.onResume?.(topic, partition, BigInt(offset));
    }
  }

  private tellReset(topic: string, partitions: readonly number[], why: 'none committed' | 'out of range'): void {
    this.o.log.info({ groupId: this.o.groupId, topic, partitions, why }, 'no valid offset: starts at the earliest');
    for (const partition of partitions) this.o.onReset?.(topic, partition, why);
  }

  private describe(error: unknown): CdcError {
    if (this.failure) return this.failure;
    const trouble = toKafkaError(error);
    return trouble.kind === 'internal' ? new CdcError('consumer_failed', trouble.message, { cause: error }) : trouble;
  }
}

/** Waits for the work, but not longer than `ms`, and not for its success. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}
