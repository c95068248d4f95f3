import { randomUUID } from 'node:crypto';
import { type SnapshotState, stateKeys } from '../core/capture-state';
import { deferred } from '../core/deferred';
import { CdcError } from '../core/errors';
import type { EncoderFactory } from '../core/ports/encoding';
import type { Logger } from '../core/ports/log';
import type { ChunkResult, SourceQueries } from '../core/ports/source';
import { type CaptureStats, newSnapshotStats, type SnapshotStats } from '../core/stats';
import { ChangedKeys, ChunkRows, DecodedXids, seesAll } from '../core/watermark';
import type { Pump } from './pump';
import { type Emission, type StreamWatcher, WATERMARK_PREFIX } from './stream-watcher';

/** A chunk whose snapshot is older than the stream is read again: how long to wait before. */
const REREAD_MS = 20;

export interface SnapshotDeps {
  readonly connector: string;
  readonly queries: SourceQueries;
  readonly encoders: EncoderFactory;
  readonly absentColumns: (table: string) => readonly string[];
  readonly chunkRows: number;
  readonly stats: CaptureStats;
  readonly log: Logger;
  /** Writes a state record and resolves when Kafka has it. */
  readonly saveState: (key: string, value: SnapshotState) => Promise<void>;
  /** Resolves when all that was appended until now is acknowledged. */
  readonly durable: () => Promise<void>;
}

interface Window {
  readonly opening: string;
  readonly closing: string;
  readonly table: string;
  readonly changed: ChangedKeys;
  /** Transactions decoded before the opening watermark and perhaps not visible yet. */
  mustSee: readonly number[];
  opened: (() => void) | null;
  closed: (() => Emission) | null;
}

/**
 * The first load, beside the running stream and without a long transaction: for each chunk
 *
 *   opening watermark -> read the chunk -> closing watermark -> rows not changed in between go out as `op=r`
 *
 * The chunk may only be read in a snapshot that sees every transaction decoded before its opening watermark. Progress is
 * recorded after each chunk is acknowledged, so a restart repeats one chunk at most.
 */
export class Snapshot implements StreamWatcher {
  private window: Window | null = null;
  private readonly decoded = new DecodedXids();
  private loading = true;
  private stopped = false;

  constructor(private readonly d: SnapshotDeps) {}

  get watching(): boolean {
    return this.window !== null && this.window.opened === null;
  }

  onTransaction(xid: number): void {
    if (this.loading) this.decoded.add(xid);
  }

  onRow(table: string, key: string): void {
    if (table === this.window?.table) this.window.changed.add(key);
  }

  onTruncate(table: string): void {
    if (table === this.window?.table) this.window.changed.addAll();
  }

  onWatermark(content: string): Emission | null {
    const { window } = this;
    if (!window) return null;
    if (content === window.opening && window.opened) {
      const opened = window.opened;
      window.opened = null;
      window.mustSee = [...this.decoded.values()];
      opened();
    } else if (content === window.closing && window.closed) {
      this.window = null;
      return window.closed();
    }
    return null;
  }

  stop(): void {
    this.stopped = true;
  }

  /** Loads the tables one after the other; resolves when all are done or after stop(). Rejects with CdcError. */
  async run(pump: Pump, tables: readonly { table: string; from: SnapshotState | null }[]): Promise<void> {
    for (const { table, from } of tables) await this.load(pump, table, from);
    this.loading = false;
  }

  private async load(pump: Pump, table: string, from: SnapshotState | null): Promise<void> {
    const [schema, name] = table.split('.') as [string, string];
    const relation = await this.d.queries.describe(schema, name);
    if (!relation) throw new CdcError('table_missing', `table ${table} does not exist`);
    const contract = this.d.encoders.columns(table);
    const columns = relation.columns.filter((column) => contract.includes(column.name));
    const encoder = this.d.encoders.compile({ ...relation, columns }, { absentColumns: this.d.absentColumns(table) });
    if (!encoder) throw new CdcError('internal', `no contract for ${table}`);
    const route = pump.route(encoder);

    const progress = newSnapshotStats(await this.d.queries.estimateRows(schema, name));
    this.d.stats.snapshots.set(table, progress);
    let state: SnapshotState = from ?? { status: 'running', lastKey: null, rows: 0, chunks: 0 };
    Object.assign(progress, { rowsDone: state.rows, chunks: state.chunks });
    this.d.log.info({ table, resumed: from !== null, rows: state.rows }, 'first load: reading');

    while (!this.stopped && state.status === 'running') {
      const rows = new ChunkRows();
      const request = {
        schema,
        table: name,
        columns: columns.map((column) => column.name),
        keyColumn: 'id',
        after: state.lastKey,
        limit: this.d.chunkRows,
        where: null,
      };
      const { window, opened, appended } = this.openWindow(table, (changed, onAppended) => ({
        route,
        rows,
        changed,
        snapshot: 'first',
        onAppended,
      }));
      await this.d.queries.emitMessage(WATERMARK_PREFIX, window.opening);
      await opened;
      const chunk = await this.readChunk(request, window, rows, progress);
      if (!chunk) return;
      await this.d.queries.emitMessage(WATERMARK_PREFIX, window.closing);
      await appended;
      await this.d.durable();
      state = {
        status: chunk.exhausted ? 'done' : 'running',
        lastKey: chunk.lastKey ?? state.lastKey,
        rows: state.rows + chunk.rows,
        chunks: state.chunks + 1,
      };
      await this.d.saveState(stateKeys.snapshot(this.d.connector, table), state);
      Object.assign(progress, { rowsDone: state.rows, chunks: state.chunks, done: chunk.exhausted });
    }
    if (state.status === 'done') this.d.log.info({ table, rows: state.rows, chunks: state.chunks }, 'first load: done');
  }

  private openWindow(
    table: string,
    emission: (changed: ChangedKeys, onAppended: () => void) => Emission,
  ): { window: Window; opened: Promise<void>; appended: Promise<void> } {
    const id = randomUUID();
    const opened = deferred();
    const appended = deferred();
    const changed = new ChangedKeys();
    const window: Window = {
      opening: `open ${id}`,
      closing: `close ${id}`,
      table,
      changed,
      mustSee: [],
      opened: opened.resolve,
      closed: () => emission(changed, appended.resolve),
    };
    this.window = window;
    return { window, opened: opened.promise, appended: appended.promise };
  }

  /** Null after stop(). */
  private async readChunk(
    request: Parameters<SourceQueries['readChunk']>[0],
    window: Window,
    rows: ChunkRows,
    progress: SnapshotStats,
  ): Promise<ChunkResult | null> {
    while (!this.stopped) {
      const chunk = await this.d.queries.readChunk(
        request,
        (snapshot) => {
          this.decoded.forget(snapshot);
          return seesAll(snapshot, window.mustSee);
        },
        (row) => rows.add(row),
      );
      if (chunk) return chunk;
      progress.chunksRepeated++;
      await new Promise((resolve) => setTimeout(resolve, REREAD_MS));
    }
    return null;
  }
}
