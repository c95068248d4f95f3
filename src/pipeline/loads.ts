import { Backoff } from '../core/backoff';
import { type SnapshotState, stateKeys } from '../core/capture-state';
import { deferred } from '../core/deferred';
import { type CdcError, toCdcError } from '../core/errors';
import { LoadTrail, type PartitionEnds } from '../core/load-trail';
import { begun, givesUp, isOver, type Load, nextStep, progressKey, readLoads, wantsToRun } from '../core/loads';
import { type CaptureStats, count, newSnapshotStats, type SnapshotStats } from '../core/stats';
import type { SaveState } from './capture-ports';
import type { Pump } from './pump';
import { TableLoad, type TableLoadDeps } from './table-load';

export interface LoadsDeps extends TableLoadDeps {
  readonly connector: string;
  /** Parents before children. */
  readonly tables: readonly string[];
  readonly mode: 'initial' | 'never';
  /** The state topic as it was when the writer was opened. */
  readonly state: ReadonlyMap<string, string>;
  readonly stats: CaptureStats;
  readonly saveState: SaveState;
  /** How long an acknowledgement may not be on a disk, milliseconds. */
  readonly trailMs: number;
  /** Where the partitions of the tables' topics end, by what is acknowledged. */
  readonly ends: () => PartitionEnds;
  /** Nothing can be written any more: this life is over, and whatever failed is no load's fault. */
  readonly over: () => boolean;
  /** Of a repair that is to be gone on with: called when all tables are loaded and swept. */
  readonly onRepaired: (() => Promise<void>) | null;
}

/** A load that failed and is tried again. */
interface Resting {
  readonly backoff: Backoff;
  readonly error: CdcError;
  readonly untilMs: number;
}

/** As often, at least, a load that failed is tried again. */
const REST_MS = 5_000;

const TITLES = {
  first: 'first load',
  repair: 'load of what may be missing',
  repartition: 'move to more partitions',
  incremental: 'snapshot',
} as const;

/**
 * All loads of one life of capture, beside the running stream and without a long transaction: what the state topic asks for,
 * one step at a time, and between two steps it is asked again. Progress is recorded after each chunk is acknowledged, so a
 * restart repeats one chunk at most. A failed load never ends the stream.
 */
export class Loads {
  private readonly state: Map<string, string>;
  private readonly prepared = new Map<string, TableLoad>();
  private readonly resting = new Map<string, Resting>();
  private wake = deferred();
  private stopped = false;
  /** Why a load that nobody asked for cannot go on: it is needed, so capture is not ready. */
  trouble: CdcError | null = null;
  private onRepaired: LoadsDeps['onRepaired'];
  private readonly trail: LoadTrail;

  constructor(private readonly d: LoadsDeps) {
    this.state = new Map(d.state);
    this.onRepaired = d.onRepaired;
    this.trail = new LoadTrail(d.trailMs);
  }

  /** Falls back to what holds, where the topics lost what recorded progress relies on. To be called before anything else is written. */
  async open(write: SaveState): Promise<void> {
    for (const load of this.loads()) {
      if (load.state === null) continue;
      const key = progressKey(this.d.connector, load);
      const state = this.trail.found(key, load.state, begun(load), this.d.ends(), Date.now());
      if (state.chunks === load.state.chunks && state.status === load.state.status) continue;
      this.d.log.warn(
        { id: load.id, table: load.table },
        'Kafka lost rows of a load in a power cut: they are read again',
      );
      await write([[key, state]]);
      this.apply(key, JSON.stringify(state));
    }
  }

  /** Kafka was found to hold, at `at`, all that it had acknowledged before. */
  held(at: number): void {
    for (const [key, state] of this.trail.held(at)) {
      this.apply(key, JSON.stringify(state));
      this.d.saveState([[key, state]]).catch(() => {}); // what keeps it from being written ends this life
    }
  }

  /** A record of the state topic that was written after `state` was read; its requests count. */
  onRecord(key: string, value: string | null): void {
    if (!key.startsWith(stateKeys.loadRequest(this.d.connector, ''))) return;
    this.apply(key, value);
    this.wake.resolve();
  }

  /** The step in hand ends without a result where that is possible. */
  stop(): void {
    this.stopped = true;
    this.d.windows.stop();
    this.wake.resolve();
  }

  /** Resolves after stop(), or when nothing can be written any more. Rejects with what is no load's trouble. */
  async run(pump: Pump): Promise<void> {
    while (!this.stopped && !this.d.over()) {
      try {
        if (!(await this.step(pump))) await this.idle();
      } catch (error) {
        if (!this.d.over()) throw error;
      }
    }
  }

  /** False: there is nothing to do now. */
  private async step(pump: Pump): Promise<boolean> {
    const loads = this.loads();
    this.trouble = this.troubleOf(loads);
    if (this.onRepaired && loads.every((load) => load.kind !== 'repair' || isOver(load))) {
      await this.onRepaired();
      this.onRepaired = null;
    }
    const step = nextStep(loads, (id) => (this.resting.get(id)?.untilMs ?? 0) <= Date.now());
    if (!step) return false;
    if (step.do === 'work') await this.work(step.load, pump);
    else if (step.do === 'record') await this.record(step.load, step.state);
    else await this.forget(step.loads);
    return true;
  }

  private loads(): Load[] {
    return readLoads(this.state, this.d.connector, this.d.tables, this.d.mode);
  }

  private async work(load: Load, pump: Pump): Promise<void> {
    const state = load.state ?? begun(load);
    try {
      this.d.windows.begin();
      const prepared = this.prepared.get(load.id) ?? (await this.prepare(load, state, pump));
      const step = await prepared.step(state, () => this.stillWanted(load.id));
      if (!step) return;
      if (step.state !== state) await this.record(load, step.state);
      if (step.error) await this.failed({ ...load, state: step.state }, step.error);
      else this.resting.delete(load.id);
    } catch (error) {
      if (!this.stopped && !this.d.over()) await this.failed(load, toCdcError(error));
    }
  }

  private async prepare(load: Load, state: SnapshotState, pump: Pump): Promise<TableLoad> {
    const { id, table, kind } = load;
    const stats: SnapshotStats = { ...newSnapshotStats(0), rowsDone: state.rows, chunks: state.chunks };
    this.d.stats.snapshots.set(table, stats);
    const prepared = await TableLoad.prepare(this.d, load, pump, stats);
    this.prepared.set(id, prepared);
    this.d.log.info({ id, table, resumed: state.chunks > 0, rows: state.rows }, `${TITLES[kind]}: reading`);
    return prepared;
  }

  /** Asked while a chunk waits for transactions to end. */
  private stillWanted(id: string): boolean {
    const load = this.loads().find((one) => one.id === id);
    return !this.stopped && load !== undefined && wantsToRun(load);
  }

  private async record(load: Load, state: SnapshotState): Promise<void> {
    const key = progressKey(this.d.connector, load);
    const stamped = { ...state, updatedAt: new Date().toISOString() };
    const trailed = this.trail.record(key, stamped, this.d.ends(), Date.now());
    await this.d.saveState([[key, trailed]]);
    this.apply(key, JSON.stringify(trailed));
    const { id, table, kind } = load;
    const { status, paused, rows, chunks, gone } = state;
    if (!isOver({ ...load, state })) {
      if (paused) this.d.log.info({ id, table }, `${TITLES[kind]}: paused`);
      return;
    }
    this.prepared.delete(id);
    Object.assign(this.d.stats.snapshots.get(table) ?? {}, { done: status === 'done' });
    this.d.log.info({ id, table, rows, chunks, ...(gone !== undefined && { gone }) }, `${TITLES[kind]}: ${status}`);
  }

  private async failed(load: Load, error: CdcError): Promise<void> {
    const { id, table, kind } = load;
    const { code, message: reason, fix } = error;
    const final = givesUp(load, error);
    this.prepared.delete(id);
    count(this.d.stats.errorsByCode, code);
    const former = this.resting.get(id);
    const backoff = former?.backoff ?? new Backoff(undefined, REST_MS);
    this.resting.set(id, { backoff, error, untilMs: Date.now() + backoff.next() });
    if (former?.error.message !== reason) this.d.log.error({ id, table, code, fix }, `${TITLES[kind]}: ${reason}`);
    if (!final && load.state?.error?.reason === reason) return;
    const state: SnapshotState = { ...(load.state ?? begun(load)), error: { code, reason, fix } };
    await this.record(load, final ? { ...state, status: 'failed' } : state);
  }

  /** While it fails and nobody holds it back. */
  private troubleOf(loads: readonly Load[]): CdcError | null {
    const failing = loads.find(
      (load) => load.kind !== 'incremental' && !isOver(load) && wantsToRun(load) && this.resting.has(load.id),
    );
    return (failing && this.resting.get(failing.id)?.error) ?? null;
  }

  private async forget(loads: readonly Load[]): Promise<void> {
    const { connector } = this.d;
    const keys = loads.flatMap((load) => [
      stateKeys.loadRequest(connector, load.id),
      ...(load.kind === 'incremental' ? [progressKey(connector, load)] : []),
    ]);
    await this.d.saveState(keys.map((key) => [key, null] as const));
    for (const key of keys) this.apply(key, null);
  }

  private apply(key: string, value: string | null): void {
    if (value === null) this.state.delete(key);
    else this.state.set(key, value);
  }

  /** Until something is asked for, or a load has rested. */
  private async idle(): Promise<void> {
    this.d.windows.finish();
    const now = Date.now();
    const rests = [...this.resting.values()].map(({ untilMs }) => untilMs - now).filter((ms) => ms > 0);
    const timer = rests.length > 0 ? setTimeout(() => this.wake.resolve(), Math.min(...rests) + 1) : undefined;
    await this.wake.promise;
    clearTimeout(timer);
    this.wake = deferred();
  }
}
