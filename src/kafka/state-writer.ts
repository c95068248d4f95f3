import type { Logger } from '../core/ports/log';
import { type KafkaAccess, openLink } from './client';
import { deliver } from './delivery';
import { toKafkaError } from './errors';
import { PartitionedBatch } from './outgoing-batch';
import type { ProducerIdentity } from './record-batch';
import { findTopics, needTopics } from './topics';

/** A producer without identity: not fenced and fencing nobody. What it sends may come twice, which a key's last word does not mind. */
const NOBODY: ProducerIdentity = { producerId: -1n, epoch: -1 };
const NO_SEQUENCE = -1;
const LIMITS = { totalMs: 10_000, requestMs: 8_000, requestBytes: 1024 * 1024 };

/**
 * Writes one record of the state topic beside the connector's own writer: for what people want, never for what capture does.
 * Null ends the key. Resolves when all in-sync replicas have it. Rejects with topic_missing, kafka_unreachable, kafka_refused,
 * produce_failed (it may be there or not).
 */
export async function writeState(
  access: KafkaAccess,
  log: Logger,
  topic: string,
  key: string,
  value: object | null,
): Promise<void> {
  const link = openLink(access, log);
  try {
    await link.cluster.connect();
    const topics = await findTopics(link.cluster, [topic]);
    needTopics(topics, [topic]);
    const batch = new PartitionedBatch(topics, topic);
    batch.appendState(key, value && JSON.stringify(value), BigInt(Date.now()));
    await deliver(
      link.cluster,
      batch.finish(NOBODY, () => NO_SEQUENCE),
      LIMITS,
    );
  } catch (error) {
    throw toKafkaError(error);
  } finally {
    link.cut(new Error('the state was written'));
  }
}
