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

const LIMIT = 'max.message.bytes';

/** Size of the largest record batch each topic takes. */
export async function readMaxBatchBytes(
  cluster: Cluster,
  topics: readonly TopicPartitions[],
): Promise<Map<string, number>> {
  const broker = await cluster.brokerPool.findConnectedBroker();
  const { resources } = await broker.describeConfigs({
    resources: topics.map(({ name }) => ({ type: TOPIC_RESOURCE, name, configNames: [LIMIT] })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => {
      const value = configEntries.find(({ configName }) => configName === LIMIT)?.configValue;
      if (!value) throw new CdcError('topic_settings', `topic ${resourceName} tells no ${LIMIT}`);
      return [resourceName, Number(value)];
    }),
  );
}
