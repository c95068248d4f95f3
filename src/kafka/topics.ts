import { CdcError } from '../core/errors';
import type { TopicPartitions } from '../core/ports/topics';
import { toKafkaError } from './errors';
import type { Cluster } from './internals';

/** Kafka's number for resources that are topics, and for settings that were made on the topic itself. */
export const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
const SET_ON_TOPIC = 1;

export interface TopicSetting {
  readonly value: string;
  /** Set on the topic itself, not the broker's default. */
  readonly own: boolean;
}

/**
 * Loads the metadata of those topics that exist, and of no others; one request a topic, because a missing one fails all.
 * For one caller at a time.
 */
export async function findTopics(cluster: Cluster, names: readonly string[]): Promise<TopicPartitions[]> {
  const found: string[] = [];
  cluster.targetTopics.clear();
  for (const name of names) {
    try {
      await cluster.addMultipleTargetTopics([name]);
      found.push(name);
    } catch (error) {
      const trouble = toKafkaError(error, name);
      if (trouble.kind !== 'topic_missing') throw trouble;
    }
  }
  return found.map((name) => ({ name, partitions: cluster.findTopicPartitionMetadata(name).length }));
}

/** Rejects with topic_missing for the first of `names` that is not among the `topics` found. */
export function needTopics(topics: readonly TopicPartitions[], names: readonly string[]): void {
  for (const name of names)
    if (!topics.some((topic) => topic.name === name))
      throw new CdcError('topic_missing', `topic ${name} does not exist`);
}

/** Settings in force, by topic and name. */
export async function readTopicSettings(
  cluster: Cluster,
  topics: readonly TopicPartitions[],
): Promise<Map<string, ReadonlyMap<string, TopicSetting>>> {
  if (topics.length === 0) return new Map();
  const broker = await cluster.brokerPool.findConnectedBroker();
  const { resources } = await broker.describeConfigs({
    resources: topics.map(({ name }) => ({ type: TOPIC_RESOURCE, name })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(
        configEntries.map(({ configName, configValue, configSource }) => [
          configName,
          { value: configValue ?? '', own: configSource === SET_ON_TOPIC },
        ]),
      ),
    ]),
  );
}

/** Kafka's default for the size of a request. */
const DEFAULT_REQUEST_BYTES = 100 * 1024 * 1024;
/** Names and lengths around the record batches. */
const REQUEST_FRAME_BYTES = 64 * 1024;

/**
 * What one request may hold of record batches: brokers close the connection on a larger one, without a word. Who may not ask
 * gets Kafka's default.
 */
export async function maxRequestBytes(cluster: Cluster): Promise<number> {
  const nodes = Object.keys(cluster.brokerPool.brokers);
  const settings = await Promise.all(nodes.map((node) => settingsOf(cluster, Number(node))));
  const sizes = settings.map((ofBroker) => Number(ofBroker.get('socket.request.max.bytes') ?? DEFAULT_REQUEST_BYTES));
  return Math.min(...sizes) - REQUEST_FRAME_BYTES;
}

/** How long brokers remember an idle producer and its transactional id, milliseconds. One broker stands for all. */
export async function producerMemory(cluster: Cluster): Promise<number> {
  const settings = await readBrokerSettings(cluster);
  return Math.min(
    Number(settings.get('producer.id.expiration.ms') ?? DAY_MS),
    Number(settings.get('transactional.id.expiration.ms') ?? DAY_MS),
  );
}

const DAY_MS = 86_400_000;

/** Of one broker, by name; empty where our role may not ask. */
export async function readBrokerSettings(cluster: Cluster): Promise<ReadonlyMap<string, string>> {
  const { nodeId } = await cluster.brokerPool.findConnectedBroker();
  return settingsOf(cluster, nodeId);
}

/** A broker answers for itself only. */
async function settingsOf(cluster: Cluster, nodeId: number): Promise<ReadonlyMap<string, string>> {
  try {
    const broker = await cluster.findBroker({ nodeId });
    const { resources } = await broker.describeConfigs({
      resources: [{ type: BROKER_RESOURCE, name: String(nodeId) }],
    });
    const entries = resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue ?? '']));
  } catch (error) {
    const trouble = toKafkaError(error);
    if (trouble.kind !== 'kafka_refused') throw trouble;
    return new Map();
  }
}

/** Size of the largest record batch each topic takes, bytes. */
export function maxBatchBytes(settings: ReadonlyMap<string, TopicSetting>): number {
  const value = settings.get('max.message.bytes')?.value;
  if (!value) throw new CdcError('topic_settings', 'Kafka tells no max.message.bytes');
  return Number(value);
}
