import { type ConfirmedState, type RepairState, stateKeys } from '../core/capture-state';
import { CdcError, toCdcError } from '../core/errors';
import type { HistoryWitness } from '../core/history-witness';
import { formatLsn, type Lsn } from '../core/lsn';
import type { DecodedCount, ReplicationStream, SourceInspection, SourceQueries } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import { Progress } from '../core/progress';
import type { CaptureOptions, CapturePorts, SaveState } from './capture-ports';
import { CapturedTables } from './captured-tables';
import { Confirmation } from './confirmation';
import { Flusher } from './flusher';
import { openLoads } from './open-loads';
import { openPump } from './open-pump';
import { openUpkeep } from './open-upkeep';
import type { Pump } from './pump';
import { RecordedState } from './recorded-state';
import { RepartitionStop } from './repartition-stop';

/** A clean stop waits this long for what is in flight; what is not acknowledged by then comes again. */
const DRAIN_MS = 5000;

/** What earlier lives recorded, once it agrees with what is found now. */
interface Recalled {
  readonly recorded: RecordedState;
  readonly epoch: number;
  /** To write to. */
  readonly partitions: number;
  readonly witness: HistoryWitness;
}

/** What one life of capture owns, and gives back. */
export class Session {
  private readonly progress: Progress;
  private writer: TopicWriter | null = null;
  private queries: SourceQueries | null = null;
  private tables: CapturedTables | null = null;
  private flusher: Flusher | null = null;
  private confirmation: Confirmation | null = null;
  private pump: Pump | null = null;
  private stopLoads: (() => void) | null = null;
  /** Of the slot, while it was ours. */
  private decoded: DecodedCount | null = null;
  private upkeep: { stop(): void } | null = null;

  /** `source`: as it was looked at `lookedMs`, before the slot was taken. */
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
    const { o, ports, stream, progress, fail } = this;
    const { connector, confirmTrailMs: trailMs } = o;
    // The slot is ours now and nothing is confirmed yet: from here on this stream began.
    const begun = ports.inspect();
    begun.catch(() => {});
    const encoding = ports.loadEncoders(); // beside the writer: neither needs the other
    encoding.catch(() => {});
    const writer = await ports.openWriter();
    this.writer = writer;
    ports.stats.fences++;
    const { recorded, epoch, partitions, witness } = await this.recall(writer, begun);
    const encoders = await encoding;
    recorded.schemas(ports.knownSchemas());
    const queries = ports.openQueries();
    this.queries = queries;
    const { log } = ports;
    const tables = new CapturedTables({ connector, epoch, state: writer.state, encoders, log }, this.source);
    this.tables = tables;

    const { flusher, save, confirmation } = this.openOutput(writer, recorded);
    const shared = { writer, encoders, tables, flusher, epoch: BigInt(epoch) };
    const { repair } = recorded;
    const onRepaired = repair && (() => this.repaired(save, repair));
    const { windows, loads, stop } = await openLoads(o, ports, { ...shared, queries, saveState: save, onRepaired });
    this.stopLoads = stop;
    const mark = new RepartitionStop({ connector, pending: recorded.repartition, trailMs, flusher, save, fail });
    const heldAtLeast = recorded.heldAtLeast;
    const onFailure = (error: CdcError) => this.failed(error, recorded, save);
    const reading = { ...shared, stream, progress, partitions, heldAtLeast, witness, windows, mark, onFailure };
    const pump = openPump(o, ports, reading);
    this.pump = pump;
    const look = () => this.look();
    const upkeep = openUpkeep(o, ports, { writer, flusher, confirmation, loads, mark, pump, progress, look, fail });
    this.upkeep = upkeep;
    const begin = () => {
      pump.drain();
      for (const [key, value] of [...recorded.changes(), ...tables.changes()])
        flusher.batch.appendState(key, value, BigInt(Date.now()));
      flusher.schedule();
      upkeep.start(this.source, this.lookedMs);
      loads.run(pump).catch((error: unknown) => fail(toCdcError(error)));
      const { systemId, timeline, confirmedLsn } = this.source;
      log.info({ systemId, timeline, epoch, confirmed: formatLsn(confirmedLsn) }, 'capture: streaming');
    };
    return { pump, begin };
  }

  /** What is recorded: rejects when the source or the topics are not those that earlier lives left. */
  private async recall(writer: TopicWriter, begun: Promise<SourceInspection>): Promise<Recalled> {
    const { topics, connector } = this.o;
    const recorded = new RecordedState(writer, connector);
    const epoch = recorded.epoch(this.source);
    const partitions = recorded.partitions(topics);
    this.ports.stats.epoch = BigInt(epoch);
    const source = await begun;
    this.decoded = source.slot.decoded;
    const witness = await recorded.witness(topics, source);
    return { recorded, epoch, partitions, witness };
  }

  /** What writes, and what is confirmed once it is written. */
  private openOutput(writer: TopicWriter, recorded: RecordedState) {
    const { o, ports, stream, progress } = this;
    const flusher = new Flusher(writer, progress, o.maxBatchBytes, ports.stats, ports.observers, {
      onAcknowledged: () => {
        this.confirmation?.advance();
        if (this.pump?.waitingForRoom) this.pump.drain();
      },
      onFailure: this.fail,
    });
    this.flusher = flusher;
    const save: SaveState = (records) => {
      for (const [key, value] of records)
        flusher.batch.appendState(key, value && JSON.stringify(value), BigInt(Date.now()));
      return flusher.durable();
    };
    const confirmation = new Confirmation({
      stream,
      progress,
      recorded: recorded.confirmedAtMost,
      trailMs: o.confirmTrailMs,
      record: (atMost, atLeast) => save([[stateKeys.confirmed(o.connector), this.confirmed(atMost, atLeast)]]),
      onConfirmed: (end) => {
        ports.stats.confirmedLsn = end;
      },
    });
    this.confirmation = confirmation;
    return { flusher, save, confirmation };
  }

  private confirmed(atMost: Lsn, atLeast: Lsn): ConfirmedState {
    const confirmed: ConfirmedState = { atMost: formatLsn(atMost), atLeast: formatLsn(atLeast) };
    return this.decoded === null ? confirmed : { ...confirmed, decoded: this.decoded };
  }

  /** That history forked is recorded first, for later lives and the repair. */
  private failed(error: CdcError, recorded: RecordedState, save: SaveState): void {
    const end = () => this.fail(error);
    if (error.kind !== 'source_forked') end();
    else save([recorded.forked(error)]).then(end, end);
  }

  /** Looks at the source again; rejects with what is wrong with it, and with table_changed. */
  async look(): Promise<SourceInspection> {
    const inspection = await this.ports.inspect();
    this.decoded = inspection.slot.decoded;
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
