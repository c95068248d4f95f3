import { CdcError } from '../core/errors';
import type { TopicPartitions } from '../core/ports/topics';
import { toKafkaError } from './errors';
import type { Cluster } from './internals';

/** Kafka's resource type of topics. */
export const TOPIC_RESOURCE = 2;

/** Loads the metadata of those that exist; the others are left out. One request a topic, because a missing one fails all. */
export async function findTopics(cluster: Cluster, names: readonly string[]): Promise<TopicPartitions[]> {
  const found: TopicPartitions[] = [];
  for (const name of names) {
    try {
      await cluster.addMultipleTargetTopics([name]);
    } catch (error) {
      const trouble = toKafkaError(error);
      if (trouble.kind === 'topic_missing') continue;
      throw trouble;
    }
    found.push({ name, partitions: cluster.findTopicPartitionMetadata(name).length });
  }
  return found;
}

/** Value of one setting, by topic. */
export async function readTopicSetting(
  cluster: Cluster,
  topics: readonly TopicPartitions[],
  setting: string,
): Promise<Map<string, string>> {
  const broker = await cluster.brokerPool.findConnectedBroker();
  const { resources } = await broker.describeConfigs({
    resources: topics.map(({ name }) => ({ type: TOPIC_RESOURCE, name, configNames: [setting] })),
  });
  const values = new Map<string, string>();
  for (const { resourceName, configEntries } of resources) {
    const value = configEntries.find(({ configName }) => configName === setting)?.configValue;
    if (typeof value !== 'string') throw new CdcError('topic_settings', `topic ${resourceName} tells no ${setting}`);
    values.set(resourceName, value);
  }
  return values;
}
