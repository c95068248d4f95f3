import { Backoff, wait } from '../core/backoff';
import type { ChangeEvent } from '../core/change';
import { CdcError, toCdcError } from '../core/errors';
import { AppliedFreshness, type Heartbeat } from '../core/heartbeat';
import type { Logger } from '../core/ports/log';
import type { ApplyResult, Outcome, Sink } from '../core/ports/sink';
import type { ConsumedBatch, ConsumedRecord, GroupConsumer } from '../core/ports/topics';
import { StallClock } from '../core/progress-watch';
import { notReady, READY, type Readiness } from '../core/readiness';
import { count, newOpCounts, noteError, partitionStats, type SinkObservers, type SinkStats } from '../core/stats';

export interface SinkPorts {
  readonly consumer: GroupConsumer;
  /** Tombstones are left out. Rejects with schema_unknown, registry_unreachable, record_malformed. */
  decode(topic: string, records: readonly ConsumedRecord[]): Promise<ChangeEvent[]>;
  readonly sink: Sink;
  /** Hands on capture's heartbeats as they come, until the function it gives is called. */
  followHeartbeats(onHeartbeat: (heartbeat: Heartbeat) => void): () => void;
  readonly stats: SinkStats;
  readonly observers: SinkObservers;
  readonly log: Logger;
  /** Why it does not go on now, or that it does. */
  onReadiness(readiness: Readiness): void;
  /** What became of the last changes, for a screen. */
  onOutcomes(outcomes: readonly Outcome[]): void;
}

/** Records applied in one database transaction. */
export interface SinkOptions {
  readonly maxRecords: number;
  readonly topics: readonly string[];
  /** How long nothing may be applied while something waits. */
  readonly progressTimeoutMs: number;
}

/** In a long wait the group must hear from us more often than its session timeout. */
const HEARTBEAT_MS = 2000;
/** How soon it is seen that the group has formed, or that partitions went away. */
const WATCH_MS = 200;
const BACKLOG_MS = 10_000;

/**
 * One life of a sink: consumes until the signal aborts. Offsets are committed by the consumer after the database has
 * committed (Invariant 2). While the database or the registry is away the batch waits here, the partitions stay ours, and
 * nothing is skipped.
 */
export async function runSink(o: SinkOptions, given: SinkPorts, signal: AbortSignal): Promise<void> {
  // The first batch may be in trouble before the group is seen to have formed: then that is the news, not the group.
  let told: Readiness | null = null;
  const ports: SinkPorts = {
    ...given,
    onReadiness: (readiness) => {
      told = readiness;
      given.onReadiness(readiness);
    },
  };
  const moving = new ProgressReport(o, ports);
  const freshness = new AppliedFreshness(o.topics);
  const stop = () => void ports.consumer.stop();
  signal.addEventListener('abort', stop, { once: true });
  const watch = setInterval(() => {
    const held = ports.consumer.assignment();
    forgetOthers(ports.stats, held);
    noteFreshness(ports.stats, freshness);
    if (!told && held.size > 0) ports.onReadiness(READY);
    if (told?.ready || moving.stalled) moving.tick(WATCH_MS);
  }, WATCH_MS);
  const stopAsking = keepBacklog(ports);
  const unfollow = ports.followHeartbeats((heartbeat) => freshness.hear(heartbeat));
  try {
    if (signal.aborted) return;
    await ports.consumer.run((batch, keepAlive) => moving.during(() => applyBatch(o, ports, batch, keepAlive, signal)));
  } finally {
    clearInterval(watch);
    stopAsking();
    unfollow();
    ports.stats.freshUntilMs = 0;
    signal.removeEventListener('abort', stop);
  }
}

/** Says when a batch is in hand and none is committed: behind is what moves, however far it has to go. */
class ProgressReport {
  stalled = false;
  private inHand = 0;
  private readonly clock = new StallClock();

  constructor(
    private readonly o: SinkOptions,
    private readonly ports: SinkPorts,
  ) {}

  async during(work: () => Promise<void>): Promise<void> {
    this.inHand++;
    try {
      await work();
    } finally {
      this.inHand--;
    }
  }

  tick(ms: number): void {
    const { stats, log, onReadiness } = this.ports;
    const stood = this.clock.tick(this.inHand > 0, String(stats.batches), ms);
    if (stood >= this.o.progressTimeoutMs === this.stalled) return;
    this.stalled = !this.stalled;
    if (!this.stalled) {
      log.info({}, 'it moves again');
      onReadiness(READY);
      return;
    }
    const since = `${Math.round(this.o.progressTimeoutMs / 1000)} s`;
    const what = `a batch waits, and Messaging's database has committed none for ${since}`;
    const fix = 'See what the sink waits for in pg_stat_activity of that database: most often a lock.';
    const stall = new CdcError('progress_stopped', what, { fix });
    log.warn({ code: stall.code, fix: stall.fix }, stall.message);
    onReadiness(notReady(stall));
  }
}

/** Asks what waits in the ledger, now and then; what cannot be had now stays as it was told last. */
function keepBacklog({ sink, stats }: SinkPorts): () => void {
  const ask = () =>
    sink.backlog().then(
      (backlog) => {
        stats.backlog = backlog;
      },
      () => {},
    );
  void ask();
  const timer = setInterval(ask, BACKLOG_MS);
  return () => clearInterval(timer);
}

function noteFreshness(stats: SinkStats, freshness: AppliedFreshness): void {
  const held = [...stats.partitions.values()];
  stats.freshUntilMs = freshness.until(held) ?? 0;
  // What waits where nothing is fetched, too.
  for (const part of held) {
    const end = freshness.endOf(part.topic, part.partition);
    if (end > part.highWatermark) part.highWatermark = end;
  }
}

/** Partitions that went to another process are no longer ours to tell about. */
function forgetOthers(stats: SinkStats, held: ReadonlyMap<string, readonly number[]>): void {
  for (const [key, { topic, partition }] of stats.partitions)
    if (!held.get(topic)?.includes(partition)) stats.partitions.delete(key);
}

async function applyBatch(
  o: SinkOptions,
  ports: SinkPorts,
  batch: ConsumedBatch,
  keepAlive: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < batch.records.length; start += o.maxRecords) {
    const records = batch.records.slice(start, start + o.maxRecords);
    const startedMs = Date.now();
    const { events, result } = await untilDone(ports, keepAlive, signal, async () => {
      const events = await ports.decode(batch.topic, records);
      const { topic, partition } = batch;
      const lastOffset = records.at(-1)!.offset;
      return { events, result: await ports.sink.apply({ topic, partition, lastOffset, events }) };
    });
    account(ports, batch, records, events, result, startedMs);
    await keepAlive();
  }
}

/** Tries until it works, the partition is lost, or the process is told to stop (then throws: nothing is committed). */
async function untilDone<T>(
  ports: SinkPorts,
  keepAlive: () => Promise<void>,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const backoff = new Backoff();
  let said: string | null = null;
  for (;;) {
    try {
      const done = await work();
      if (said !== null) {
        ports.onReadiness(READY);
        ports.log.info({}, 'working again');
      }
      return done;
    } catch (error) {
      const trouble = toCdcError(error);
      if (signal.aborted) throw trouble;
      noteError(ports.stats, trouble, Date.now());
      ports.stats.retries++;
      const text = `${trouble.code} ${trouble.message}`;
      if (text !== said) {
        ports.onReadiness(notReady(trouble));
        const fields = { code: trouble.code, fix: trouble.fix, retry: trouble.retry };
        ports.log.warn(trouble.kind === 'internal' ? { ...fields, err: trouble.cause } : fields, trouble.message);
      }
      said = text;
      await waitAlive(backoff.next(), keepAlive, signal);
    }
  }
}

async function waitAlive(ms: number, keepAlive: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (let left = ms; left > 0; left -= HEARTBEAT_MS) {
    await wait(Math.min(left, HEARTBEAT_MS), signal);
    if (signal.aborted) throw new CdcError('consumer_failed', 'stopped while a batch was waiting');
    await keepAlive();
  }
}

function account(
  ports: SinkPorts,
  batch: ConsumedBatch,
  records: readonly ConsumedRecord[],
  events: readonly ChangeEvent[],
  result: ApplyResult,
  startedMs: number,
): void {
  const { stats, observers } = ports;
  const now = Date.now();
  const part = partitionStats(stats, batch.topic, batch.partition);
  part.offset = records.at(-1)!.offset + 1n;
  part.highWatermark = batch.highWatermark;
  const last = events.at(-1);
  if (last) {
    part.position = last.position;
    part.commitTime = last.commitTime;
  }
  for (const event of events) {
    let ops = stats.events.get(event.table);
    if (!ops) {
      ops = newOpCounts();
      stats.events.set(event.table, ops);
    }
    ops[event.op]++;
    const seconds = Math.max(0, now - Number(event.commitTime / 1000n)) / 1000;
    stats.freshness.push(seconds);
    observers.freshnessSeconds.observe(seconds);
  }
  for (const [reason, by] of Object.entries(result.conflicts)) count(stats.conflictsByReason, reason, by);
  stats.batches++;
  stats.applied += result.applied;
  stats.stale += result.stale;
  stats.parked += result.parked;
  stats.placed += result.placed;
  stats.rowsWritten += result.created + result.updated;
  stats.deadLetters += result.deadLetters;
  stats.incomplete += result.incomplete ?? 0;
  stats.lastProgressMs = now;
  observers.applySeconds.observe((now - startedMs) / 1000);
  observers.batchEvents.observe(events.length);
  if (result.outcomes.length > 0) ports.onOutcomes(result.outcomes);
}
