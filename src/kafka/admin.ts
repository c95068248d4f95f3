import type { Admin } from 'kafkajs';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import { type AdminClient, type KafkaAccess, newAdmin } from './client';
import { toKafkaError } from './errors';
import { groupBy } from './group-by';
import type { Cluster } from './internals';
import { patiently } from './patience';
import { type LogSpan, listOffsets, listSpans, partitionKey } from './scan';
import { planTopics, type TopicDescription, type TopicPlan, type TopicSpec, type TopicStep } from './topic-plan';
import {
  findTopics,
  maxBatchBytes,
  needTopics,
  readBrokerSettings,
  readTopicSettings,
  TOPIC_RESOURCE,
  type TopicSetting,
} from './topics';

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Null = the group has committed none. */
  readonly committed: bigint | null;
  readonly end: bigint;
  /** Records between the committed offset (the earliest, where there is none) and the end. */
  readonly lag: bigint;
}

export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Looks at topics and groups, and sets topics up. Rejects with CdcError. */
export interface KafkaAdmin {
  /** Those that exist. */
  describeTopics(names: readonly string[]): Promise<TopicDescription[]>;
  /** What {@link ensureTopics} would do. */
  planTopics(specs: readonly TopicSpec[]): Promise<TopicPlan>;
  /** Makes missing topics and mends settings; what was done and what is left for people. Doing it again does nothing. */
  ensureTopics(specs: readonly TopicSpec[]): Promise<TopicPlan>;
  /** First and next offset of every partition. Rejects with topic_missing. */
  spans(topics: readonly string[]): Promise<LogSpan[]>;
  /** Of every partition the first offset whose record is not older; the end where there is none. */
  offsetsAt(topics: readonly string[], timestampMs: number): Promise<PartitionOffset[]>;
  groupLag(groupId: string, topics: readonly string[]): Promise<PartitionLag[]>;
  /** Settings of one broker, which stands for all, by name; empty where our role may not ask. */
  brokerSettings(): Promise<ReadonlyMap<string, string>>;
  /** Gives a topic more partitions, and resolves when all brokers know of them. */
  raisePartitions(topic: string, count: number): Promise<void>;
  /** Moves a group that has no members now. */
  commitOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void>;
  close(): Promise<void>;
}

export async function openAdmin(access: KafkaAccess, log: Logger): Promise<KafkaAdmin> {
  const client = newAdmin(access, log);
  try {
    await client.admin.connect();
  } catch (error) {
    client.cut(new Error('not connected'));
    throw toKafkaError(error);
  }
  return new Administrator(client);
}

class Administrator implements KafkaAdmin {
  private readonly cluster: Cluster;
  /** kafkajs keeps one set of metadata a client: one question at a time. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly client: AdminClient) {
    this.cluster = client.cluster;
  }

  describeTopics(names: readonly string[]): Promise<TopicDescription[]> {
    return this.inTurn(() => this.describe(names));
  }

  planTopics(specs: readonly TopicSpec[]): Promise<TopicPlan> {
    return this.inTurn(() => this.plan(specs));
  }

  ensureTopics(specs: readonly TopicSpec[]): Promise<TopicPlan> {
    return this.inTurn(async () => {
      const first = await this.plan(specs);
      for (const step of first.steps) await apply(this.client.admin, step);
      const made = first.steps.filter((step) => step.do === 'create').map((step) => step.topic);
      if (made.length === 0) return first;
      // A topic that is there now tells which settings its broker knows.
      await patiently(
        APPEAR_MS,
        () => this.seen(made),
        () => {},
      );
      const second = await this.plan(specs);
      for (const step of second.steps) await apply(this.client.admin, step);
      return { steps: [...first.steps, ...second.steps], findings: second.findings };
    });
  }

  spans(topics: readonly string[]): Promise<LogSpan[]> {
    return this.inTurn(() => this.measure(topics));
  }

  offsetsAt(topics: readonly string[], timestampMs: number): Promise<PartitionOffset[]> {
    return this.inTurn(async () => {
      const spans = await this.measure(topics);
      const found = await listOffsets(this.cluster, spans, timestampMs);
      return spans.map(({ topic, partition, end }) => {
        const offset = found.get(partitionKey(topic, partition)) ?? NONE;
        return { topic, partition, offset: offset === NONE ? end : offset };
      });
    });
  }

  groupLag(groupId: string, topics: readonly string[]): Promise<PartitionLag[]> {
    return this.inTurn(async () => {
      const spans = await this.measure(topics);
      const coordinator = await this.cluster.findGroupCoordinator({ groupId });
      const asked = groupBy(spans, ({ topic }) => topic);
      const { responses } = await coordinator.offsetFetch({
        groupId,
        topics: [...asked].map(([topic, partitions]) => ({ topic, partitions })),
      });
      const offsets = new Map<string, bigint>();
      for (const { topic, partitions } of responses)
        for (const { partition, offset } of partitions) offsets.set(partitionKey(topic, partition), BigInt(offset));
      return spans.map((span) => lagOf(span, offsets.get(partitionKey(span.topic, span.partition)) ?? NONE));
    });
  }

  raisePartitions(topic: string, count: number): Promise<void> {
    return this.inTurn(async () => {
      await this.client.admin.createPartitions({ topicPartitions: [{ topic, count }] });
      const grown = async () => {
        const [found] = await findTopics(this.cluster, [topic]);
        if (found?.partitions !== count) throw new CdcError('kafka_unreachable', `${topic} is still growing`);
        await this.measure([topic]);
      };
      await patiently(APPEAR_MS, grown, () => {});
    });
  }

  brokerSettings(): Promise<ReadonlyMap<string, string>> {
    return this.inTurn(() => readBrokerSettings(this.cluster));
  }

  commitOffsets(groupId: string, offsets: readonly PartitionOffset[]): Promise<void> {
    return this.inTurn(async () => {
      const coordinator = await this.cluster.findGroupCoordinator({ groupId });
      const topics = [...groupBy(offsets, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
        topic,
        partitions: ofTopic.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
      }));
      await coordinator.offsetCommit({ groupId, memberId: '', groupGenerationId: NO_GENERATION, topics });
    });
  }

  async close(): Promise<void> {
    this.client.cut(new Error('the admin client was closed'));
  }

  private async describe(names: readonly string[]): Promise<TopicDescription[]> {
    const topics = await findTopics(this.cluster, names);
    const settings = await readTopicSettings(this.cluster, topics);
    return topics.map(({ name, partitions }) => {
      const ofTopic = settings.get(name) ?? new Map<string, TopicSetting>();
      const replicas = this.cluster.findTopicPartitionMetadata(name).map((partition) => partition.replicas.length);
      return {
        name,
        partitions,
        replicationFactor: Math.min(...replicas),
        minInsyncReplicas: Number(ofTopic.get('min.insync.replicas')?.value ?? 1),
        maxBatchBytes: maxBatchBytes(ofTopic),
        settings: ofTopic,
      };
    });
  }

  private async plan(specs: readonly TopicSpec[]): Promise<TopicPlan> {
    const found = await this.describe(specs.map(({ name }) => name));
    const { brokers } = await this.client.admin.describeCluster();
    return planTopics(specs, found, brokers.length);
  }

  /** Rejects while a broker has not heard of a topic that another has made. */
  private async seen(names: readonly string[]): Promise<void> {
    this.cluster.targetTopics.clear();
    await this.cluster.addMultipleTargetTopics(names);
    await this.describe(names);
  }

  private async measure(names: readonly string[]): Promise<LogSpan[]> {
    const topics = await findTopics(this.cluster, names);
    needTopics(topics, names);
    return listSpans(this.cluster, topics);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work).catch((error: unknown) => {
      throw toKafkaError(error);
    });
    this.last = turn.catch(() => {});
    return turn;
  }
}

/** What a broker says when there is no offset. */
const NONE = -1n;
/** A topic that was made is known to all brokers within this time. */
const APPEAR_MS = 10_000;
/** Of whoever commits without being a member. */
const NO_GENERATION = -1;

function lagOf({ topic, partition, start, end }: LogSpan, offset: bigint): PartitionLag {
  const from = offset < start ? start : offset;
  return { topic, partition, committed: offset === NONE ? null : offset, end, lag: end > from ? end - from : 0n };
}

async function apply(admin: Admin, step: TopicStep): Promise<void> {
  const configEntries = Object.entries(step.settings).map(([name, value]) => ({ name, value }));
  if (step.do === 'create') {
    const { topic, partitions: numPartitions, replicationFactor } = step;
    const topics = [{ topic, numPartitions, replicationFactor, configEntries }];
    // kafkajs's own wait gives up at a broker that has not heard of the topic yet.
    await admin.createTopics({ topics, waitForLeaders: false });
    return;
  }
  const resources = [{ type: TOPIC_RESOURCE, name: step.topic, configEntries }];
  await admin.alterConfigs({ validateOnly: false, resources });
}
