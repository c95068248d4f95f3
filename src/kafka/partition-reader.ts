import type { Logger } from '../core/ports/log';
import type { ConsumedRecord } from '../core/ports/topics';
import { type KafkaAccess, openLink } from './client';
import { toKafkaError } from './errors';
import type { Cluster } from './internals';
import { type Fetched, type LogSpan, listSpans, runScans, type Scan } from './scan';
import { findTopics, needTopics } from './topics';

const MAX_BYTES = 4 * 1024 * 1024;
const FETCH_TIMEOUT_MS = 10_000;

/**
 * All records that the partition holds now, a fetch at a time, without group and without commits. Rejects with topic_missing,
 * kafka_unreachable, kafka_refused.
 */
export async function* readPartition(
  access: KafkaAccess,
  log: Logger,
  topic: string,
  partition: number,
): AsyncGenerator<readonly ConsumedRecord[]> {
  const link = openLink(access, log);
  try {
    await link.cluster.connect();
    const topics = await findTopics(link.cluster, [topic]);
    needTopics(topics, [topic]);
    const span = (await listSpans(link.cluster, topics)).find((s) => s.partition === partition)!;
    for (let at = span.start; at < span.end; ) {
      const { records, next } = await fetchOnce(link.cluster, span, at);
      yield records.filter((record) => !record.isControlRecord && record.offset < span.end);
      at = next;
    }
  } catch (error) {
    throw toKafkaError(error);
  } finally {
    link.cut(new Error('the partition was read'));
  }
}

async function fetchOnce(cluster: Cluster, { topic, partition }: LogSpan, at: bigint): Promise<Fetched> {
  let found: Fetched | null = null;
  function* once(): Scan<void> {
    found = yield at;
  }
  await runScans(cluster, [{ topic, partition, maxBytes: MAX_BYTES, scan: once() }], FETCH_TIMEOUT_MS);
  return found!;
}
