import { setTimeout as sleep } from 'node:timers/promises';
import { toKafkaError } from './errors';

/** States of brokers and coordinators that pass by themselves. */
const PASSING = new Set([
  'CONCURRENT_TRANSACTIONS',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'REQUEST_TIMED_OUT',
  'KAFKA_STORAGE_ERROR',
  // A topic made a moment ago, which this broker has not heard of.
  'UNKNOWN_TOPIC_OR_PARTITION',
]);
const FIRST_WAIT_MS = 2;
const MAX_WAIT_MS = 200;

export const typeOf = (error: unknown): string => (error as { readonly type?: string }).type ?? '';

/**
 * Repeats what may be repeated while its trouble is one that passes, at most for `timeoutMs`. `mend` is called between two
 * attempts; its own failure counts as the next trouble. Rejects with CdcError.
 */
export async function patiently<T>(
  timeoutMs: number,
  attempt: () => Promise<T>,
  mend: (error: unknown) => Promise<void> | void,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let failed: unknown = null;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(MAX_WAIT_MS, wait * 2)) {
    try {
      if (failed) await mend(failed);
      return await attempt();
    } catch (error) {
      const trouble = toKafkaError(error);
      const passing = PASSING.has(typeOf(error)) || trouble.kind === 'kafka_unreachable';
      if (!passing || performance.now() + wait > deadline) throw trouble;
      failed = error;
      await sleep(wait);
    }
  }
}
