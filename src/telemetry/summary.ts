import type { Logger } from '../core/ports/log';
import type { RecentValues } from '../core/recent';
import { type CaptureStats, type SinkStats, sumCounts } from '../core/stats';

export interface SummaryInput {
  readonly captures: ReadonlyMap<string, CaptureStats>;
  readonly sinks: ReadonlyMap<string, SinkStats>;
}

/** What one connector did in an interval. */
export interface ConnectorSummary {
  readonly connector: string;
  /** Changes published, or events applied or found stale. */
  readonly perSecond: number;
  /** Bytes of WAL (capture) or records (sink) that wait. */
  readonly behind: string;
  /** Milliseconds from commit to Kafka or to Messaging, of the last thousand; null before the first. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly deadLetters: number;
}

/** Writes one log line every interval with what all connectors did in it. Returns the function that ends it. */
export function startSummary(log: Logger, input: SummaryInput, intervalMs = 10_000): () => void {
  let done = workDone(input);
  let since = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const doneNow = workDone(input);
    const connectors = summarize(input, done, doneNow, (now - since) / 1000);
    log.info({ connectors }, connectors.map(describe).join(' | '));
    done = doneNow;
    since = now;
  }, intervalMs).unref();
  return () => clearInterval(timer);
}

/** Counters of work by connector, for differences. */
export function workDone({ captures, sinks }: SummaryInput): Map<string, number> {
  const done = new Map<string, number>();
  for (const [name, stats] of captures) {
    done.set(
      name,
      [...stats.tables.values()].reduce((sum, table) => sum + sumCounts(table.published), 0),
    );
  }
  for (const [name, stats] of sinks) done.set(name, stats.applied + stats.stale);
  return done;
}

export function summarize(
  { captures, sinks }: SummaryInput,
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  seconds: number,
): ConnectorSummary[] {
  const perSecond = (name: string) =>
    Math.round(((after.get(name) ?? 0) - (before.get(name) ?? 0)) / Math.max(seconds, 0.001));
  return [
    ...[...captures].map(([connector, stats]) => ({
      connector,
      perSecond: perSecond(connector),
      behind: `${Math.max(0, Number(stats.serverLsn - stats.publishedLsn))} bytes`,
      ...latency(stats.freshness),
      deadLetters: [...stats.tables.values()].reduce((sum, table) => sum + sumCounts(table.deadLettered), 0),
    })),
    ...[...sinks].map(([connector, stats]) => ({
      connector,
      perSecond: perSecond(connector),
      behind: `${[...stats.partitions.values()].reduce((sum, p) => sum + Number(p.highWatermark - p.offset), 0)} records`,
      ...latency(stats.freshness),
      deadLetters: stats.deadLetters,
    })),
  ];
}

function latency(freshness: RecentValues) {
  const ms = (q: number) => {
    const seconds = freshness.quantile(q);
    return seconds === null ? null : Math.round(seconds * 10_000) / 10;
  };
  return { p50Ms: ms(0.5), p99Ms: ms(0.99) };
}

function describe(s: ConnectorSummary): string {
  const parts = [`${s.connector}: ${s.perSecond}/s`, `${s.behind} behind`];
  if (s.p50Ms !== null) parts.push(`p50 ${s.p50Ms} ms, p99 ${s.p99Ms} ms`);
  if (s.deadLetters > 0) parts.push(`dead letters: ${s.deadLetters}`);
  return parts.join(', ');
}
