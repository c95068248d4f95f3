import type { Logger } from '../core/ports/log';
import { requireKnownFormat } from '../core/state-format';
import { type KafkaAccess, openLink } from './client';
import { toKafkaError } from './errors';
import { type LogSpan, listSpans, runScans, type Scan } from './scan';
import { applyState } from './tails';
import { findTopics } from './topics';

const MAX_BYTES = 2 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

/**
 * Latest value per key of the state topic, without fencing anybody: for a look, not for writing. Empty when there is no such
 * topic. Rejects with kafka_unreachable, kafka_refused, state_newer.
 */
export async function readState(access: KafkaAccess, log: Logger, topic: string): Promise<ReadonlyMap<string, string>> {
  const link = openLink(access, log);
  try {
    await link.cluster.connect();
    const state = new Map<string, string>();
    const spans = await listSpans(link.cluster, await findTopics(link.cluster, [topic]));
    const scans = spans.map((span) => ({ ...span, maxBytes: MAX_BYTES, scan: scanToEnd(span, state) }));
    await runScans(link.cluster, scans, TIMEOUT_MS);
    requireKnownFormat(state);
    return state;
  } catch (error) {
    throw toKafkaError(error);
  } finally {
    link.cut(new Error('the state was read'));
  }
}

function* scanToEnd({ start, end }: LogSpan, state: Map<string, string>): Scan<void> {
  for (let at = start; at < end; ) {
    const { records, next } = yield at;
    for (const record of records) if (!record.isControlRecord) applyState(state, record);
    at = next;
  }
}
