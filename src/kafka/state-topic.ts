import type { FetchedRecord } from './fetch-response';
import type { LogSpan, PartitionLog } from './partition-log';
import type { ProducerIdentity } from './record-batch';
import { readToFence } from './tails';

/**
 * Latest value per key of a compacted topic of one partition: text keys, text values, a null value ends its key. Complete,
 * because it reads until our fence stands in the partition.
 */
export async function readStateTopic(
  log: PartitionLog,
  span: LogSpan,
  fence: ProducerIdentity,
  timeoutMs: number,
): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  const apply = ({ key, value }: FetchedRecord) => {
    if (!key) return;
    if (value) state.set(key.toString(), value.toString());
    else state.delete(key.toString());
  };
  await readToFence(log, span.start, fence, timeoutMs, apply);
  return state;
}
