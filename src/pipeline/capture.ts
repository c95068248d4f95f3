import { type RepairState, stateKeys } from '../core/capture-state';
import { deferred } from '../core/deferred';
import { CdcError, toCdcError } from '../core/errors';
import { formatLsn, type Lsn } from '../core/lsn';
import type { ReplicationStream, SourceInspection, SourceQueries } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import { Progress } from '../core/progress';
import type { CaptureOptions, CapturePorts, SaveState } from './capture-ports';
import { CapturedTables } from './captured-tables';
import { floorAt } from './change-records';
import { Confirmation } from './confirmation';
import { openDeadLetters } from './dead-letters';
import { Flusher } from './flusher';
import { openLoads } from './open-loads';
import { presentTrouble } from './present-trouble';
import { Pump } from './pump';
import { RecordedState } from './recorded-state';
import { RepartitionStop } from './repartition-stop';
import { Routes } from './routes';
import { standBy } from './stand-by';
import { TopicWatch } from './topic-watch';
import { Upkeep } from './upkeep';

/** A clean stop waits this long for what is in flight; what is not acknowledged by then comes again. */
const DRAIN_MS = 5000;

/**
 * One life of capture: from taking the slot to losing it. Resolves after `signal` aborts and everything in hand is
 * acknowledged; rejects with the CdcError that ended it. The caller starts the next life.
 *
 * The slot comes first, because it admits one capture only: whoever has it may fence older writers. Then the writer, which
 * reads what the topics hold. Then bytes flow.
 */
export async function runCapture(o: CaptureOptions, ports: CapturePorts, signal: AbortSignal): Promise<void> {
  await standBy(ports, signal);
  const lookedMs = Date.now();
  const source = await ports.inspect();
  const stream = ports.openStream(source.confirmedLsn);
  const ended = deferred<void>();
  ended.promise.catch(() => {});
  let pump: Pump | null = null;
  const early: { payload: Buffer; lsn: Lsn }[] = [];
  await stream.start({
    onMessage: (payload, lsn) => {
      if (pump) pump.onMessage(payload, lsn);
      else early.push({ payload, lsn });
    },
    onKeepalive: (walEnd) => pump?.onKeepalive(walEnd),
    onEnd: (error) => ended.reject(error),
  });
  const session = new Session(o, ports, source, lookedMs, stream, (error) => ended.reject(error));
  try {
    stream.pause();
    const opened = await session.open();
    // From here on nothing is awaited: begin() reads the socket again, and what comes must find the pump, behind what came early.
    pump = opened.pump;
    for (const { payload, lsn } of early) pump.onMessage(payload, lsn);
    opened.begin();
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    if (signal.aborted) ended.resolve();
    await ended.promise;
    await session.drain();
  } catch (error) {
    throw await presentTrouble(toCdcError(error), async () => void (await session.look()));
  } finally {
    await session.close();
  }
}

/** What one life owns, and gives back. */
class Session {
  private readonly progress: Progress;
  private writer: TopicWriter | null = null;
  private queries: SourceQueries | null = null;
  private flusher: Flusher | null = null;
  private stopLoads: (() => void) | null = null;
  private confirmation: Confirmation | null = null;
  private upkeep: Upkeep | null = null;
  private topicWatch: TopicWatch | null = null;
  private tables: CapturedTables | null = null;

  constructor(
    private readonly o: CaptureOptions,
    private readonly ports: CapturePorts,
    private readonly source: SourceInspection,
    private readonly lookedMs: number,
    private readonly stream: ReplicationStream,
    private readonly fail: (error: CdcError) => void,
  ) {
    this.progress = new Progress(o.confirmTrailMs);
    this.progress.idle(source.confirmedLsn, -o.confirmTrailMs * 2);
  }

  /** The pump keeps what it is given until `begin` is called. */
  async open(): Promise<{ readonly pump: Pump; readonly begin: () => void }> {
    const { o, ports, stream, progress } = this;
    // The slot is ours now and nothing is confirmed yet: from here on this stream began.
    const begun = ports.inspect();
    begun.catch(() => {});
    const encoding = ports.loadEncoders(); // beside the writer: neither needs the other
    encoding.catch(() => {});
    const writer = await ports.openWriter();
    this.writer = writer;
    ports.stats.fences++;
    const recorded = new RecordedState(writer, o.connector);
    const epoch = recorded.epoch(this.source);
    const partitions = recorded.partitions(o.topics);
    ports.stats.epoch = BigInt(epoch);
    const witness = await recorded.witness(o.topics, await begun);
    const encoders = await encoding;
    recorded.schemas(ports.knownSchemas());
    const queries = ports.openQueries();
    this.queries = queries;
    const { connector } = o;
    const { stats, log } = ports;
    const tables = new CapturedTables({ connector, epoch, state: writer.state, encoders, log }, this.source);
    this.tables = tables;

    let pump: Pump;
    const flusher = new Flusher(writer, progress, o.maxBatchBytes, ports.stats, ports.observers, {
      onAcknowledged: () => {
        this.confirmation?.advance();
        if (pump.waitingForRoom) pump.drain();
      },
      onFailure: this.fail,
    });
    this.flusher = flusher;
    const saveState: SaveState = (records) => {
      for (const [key, value] of records)
        flusher.batch.appendState(key, value && JSON.stringify(value), BigInt(Date.now()));
      return flusher.durable();
    };
    this.confirmation = new Confirmation({
      stream,
      progress,
      recorded: recorded.confirmedAtMost,
      trailMs: o.confirmTrailMs,
      record: (atMost, atLeast) =>
        saveState([[stateKeys.confirmed(connector), { atMost: formatLsn(atMost), atLeast: formatLsn(atLeast) }]]),
      onConfirmed: (end) => {
        ports.stats.confirmedLsn = end;
      },
    });
    const repair = recorded.repair;
    const { windows, loads, stop } = await openLoads(o, ports, {
      writer,
      queries,
      encoders,
      tables,
      flusher,
      epoch: BigInt(epoch),
      saveState,
      onRepaired: repair && (() => this.repaired(saveState, repair)),
    });
    this.stopLoads = stop;
    const mark = new RepartitionStop({
      connector,
      pending: recorded.repartition,
      trailMs: o.confirmTrailMs,
      flusher,
      save: saveState,
      fail: this.fail,
    });
    pump = new Pump({
      decode: ports.newDecoder(),
      routes: new Routes({
        encoders,
        tables,
        writer,
        partitions,
        floor: floorAt(BigInt(epoch), recorded.heldAtLeast),
        stats,
      }),
      flusher,
      progress,
      stats: ports.stats,
      watcher: windows,
      deadLetters: openDeadLetters(writer, o.errorsPolicy, o.deadLetterTopic, connector),
      epoch: BigInt(epoch),
      witness,
      onMark: (content, lsn) => mark.onMark(content, lsn),
      pause: () => stream.pause(),
      resume: () => stream.resume(),
      onFailure: (error) => {
        if (error.kind !== 'source_forked') this.fail(error);
        else
          saveState([recorded.forked(error)]).then(
            () => this.fail(error),
            () => this.fail(error),
          );
      },
    });
    const upkeep = new Upkeep({
      progressTimeoutMs: o.progressTimeoutMs,
      stats,
      log,
      advance: () => this.confirmation?.advance(),
      renewFence: () => flusher.renewFence(),
      renewFenceEveryMs: writer.renewFenceEveryMs,
      inspect: () => this.look(),
      loadTrouble: () => loads.trouble,
      sight: () => ({
        paused: pump.waitingForRoom,
        unacknowledged: !flusher.drained,
        batches: stats.batches,
        messages: pump.messages,
        heardLsn: pump.heardLsn,
        receivedLsn: progress.received,
      }),
      onReadiness: ports.onReadiness,
      fail: this.fail,
    });
    this.upkeep = upkeep;
    const topicWatch = new TopicWatch(
      {
        check: () => writer.check(),
        held: (at) => {
          this.confirmation?.held(at);
          loads.held(at);
          mark.held(at);
        },
        fail: this.fail,
      },
      o.confirmTrailMs > 0,
    );
    this.topicWatch = topicWatch;
    const begin = () => {
      pump.drain();
      for (const [key, value] of [...recorded.changes(), ...tables.changes()])
        flusher.batch.appendState(key, value, BigInt(Date.now()));
      flusher.schedule();
      upkeep.start(this.source, this.lookedMs);
      topicWatch.start();
      loads.run(pump).catch((error: unknown) => this.fail(toCdcError(error)));
      const { systemId, timeline, confirmedLsn } = this.source;
      ports.log.info({ systemId, timeline, epoch, confirmed: formatLsn(confirmedLsn) }, 'capture: streaming');
    };
    return { pump, begin };
  }

  /** Looks at the source again; rejects with what is wrong with it, and with table_changed. */
  async look(): Promise<SourceInspection> {
    const inspection = await this.ports.inspect();
    this.tables?.check(inspection);
    return inspection;
  }

  /** Waits, bounded, until what was read is acknowledged, and confirms it. */
  async drain(): Promise<void> {
    this.stream.pause();
    this.stopLoads?.();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    await Promise.race([this.settle().catch(() => {}), late]);
    clearTimeout(timer);
  }

  private async settle(): Promise<void> {
    await this.flusher?.durable();
    this.confirmation?.advance();
    await this.flusher?.durable(); // a new bound, where one was needed
    this.confirmation?.advance();
    await this.confirmation?.settle();
  }

  async close(): Promise<void> {
    this.upkeep?.stop();
    this.topicWatch?.stop();
    this.stopLoads?.();
    this.flusher?.abandon(new CdcError('stream_broken', 'capture ended'));
    const closing = [this.stream.stop(), this.queries?.close(), this.writer?.close()];
    const results = await Promise.allSettled(closing);
    for (const result of results)
      if (result.status === 'rejected') this.ports.log.warn({ err: result.reason }, 'capture: closing failed');
  }

  private async repaired(saveState: SaveState, begun: RepairState): Promise<void> {
    const repair: RepairState = { ...begun, phase: 'done', until: new Date().toISOString() };
    await saveState([[stateKeys.repair(this.o.connector), repair]]);
    this.ports.log.info(
      repair,
      'repair: the topics are the tables again; versions of rows between from and to are missing',
    );
  }
}
