import { Backoff, wait } from '../core/backoff';
import type { Logger } from '../core/ports/log';
import { type KafkaAccess, openLink } from './client';
import { toKafkaError } from './errors';
import { listSpans, runScans, type Scan } from './scan';
import { findTopics, needTopics } from './topics';

const MAX_BYTES = 2 * 1024 * 1024;

/**
 * Hands on every record of the state topic from offset `from` on as it is written, by whomever: text key, text value, null =
 * the key is ended. Long polls, so an idle topic costs two requests a second and a record comes within milliseconds. Goes on
 * by itself after Kafka was away. Returns the function that ends it.
 */
export function followState(
  access: KafkaAccess,
  log: Logger,
  topic: string,
  from: bigint,
  onRecord: (key: string, value: string | null) => void,
): () => void {
  const ending = new AbortController();
  let at = from;
  function* follow(start: bigint): Scan<void> {
    // A topic that was made anew, or was cleaned up to beyond: what it holds is the whole state.
    for (at = start > at ? start : at; !ending.signal.aborted; ) {
      const { records, next } = yield at;
      for (const { isControlRecord, key, value } of records)
        if (!isControlRecord && key && !ending.signal.aborted) onRecord(key.toString(), value?.toString() ?? null);
      at = next;
    }
  }
  const once = async () => {
    const link = openLink(access, log);
    const cut = () => link.cut(new Error('nobody follows the state any more'));
    ending.signal.addEventListener('abort', cut, { once: true });
    try {
      await link.cluster.connect();
      const topics = await findTopics(link.cluster, [topic]);
      needTopics(topics, [topic]);
      const scans = (await listSpans(link.cluster, topics)).map((span) => {
        if (at > span.end) at = span.start;
        return { ...span, maxBytes: MAX_BYTES, scan: follow(span.start) };
      });
      await runScans(link.cluster, scans, Number.POSITIVE_INFINITY);
    } finally {
      ending.signal.removeEventListener('abort', cut);
      cut();
    }
  };
  const forever = async () => {
    for (const backoff = new Backoff(); !ending.signal.aborted; ) {
      try {
        await once();
      } catch (error) {
        if (ending.signal.aborted) return;
        log.debug({ code: toKafkaError(error).code }, 'the state topic cannot be followed for now');
        await wait(backoff.next(), ending.signal);
      }
    }
  };
  void forever();
  return () => ending.abort();
}
