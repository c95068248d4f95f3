import { silentLogger } from '../../src/core/ports/log';
import { type KafkaLink, openLink } from '../../src/kafka/client';
import { endsOf } from '../../src/kafka/scan';
import { stack } from '../support/stack';

/** How far a topic has come, from its end offsets: nothing of whoever fills it is asked. */
export class TopicGrowth {
  private constructor(
    private readonly link: KafkaLink,
    private readonly topic: string,
  ) {}

  /** The topic must exist. Close it. */
  static async open(topic: string): Promise<TopicGrowth> {
    const link = openLink({ brokers: stack().kafkaBrokers.split(','), ssl: null, sasl: null }, silentLogger);
    await link.cluster.connect();
    await link.cluster.addMultipleTargetTopics([topic]);
    return new TopicGrowth(link, topic);
  }

  /** Sum of the end offsets: transaction markers are counted with the records. */
  async records(): Promise<number> {
    const { cluster } = this.link;
    const partitions = cluster.findTopicPartitionMetadata(this.topic).length;
    const ends = await endsOf(cluster, [{ name: this.topic, partitions }]);
    return [...ends.values()].reduce((sum, end) => sum + Number(end), 0);
  }

  async close(): Promise<void> {
    await this.link.cluster.disconnect();
  }
}
