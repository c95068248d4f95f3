import { type SnapshotState, stateKeys } from '../core/capture-state';
import { CdcError } from '../core/errors';
import { formatLsn, parseLsn, ZERO_LSN } from '../core/lsn';
import type { EncoderFactory } from '../core/ports/encoding';
import type { Logger } from '../core/ports/log';
import type { SourceQueries } from '../core/ports/source';
import type { Position } from '../core/position';
import { type CaptureStats, newSnapshotStats, type SnapshotStats } from '../core/stats';
import { ChunkRows } from '../core/watermark';
import type { Pump } from './pump';
import type { SourceOfRows, Sweep } from './sweep';
import type { WatermarkWindows } from './watermark-windows';

export interface SnapshotDeps {
  readonly connector: string;
  readonly queries: SourceQueries;
  readonly windows: WatermarkWindows;
  readonly encoders: EncoderFactory;
  readonly absentColumns: (table: string) => readonly string[];
  readonly sweep: Sweep;
  readonly epoch: bigint;
  readonly chunkRows: number;
  readonly stats: CaptureStats;
  readonly log: Logger;
  /** Writes a state record and resolves when Kafka has it. */
  readonly saveState: (key: string, value: SnapshotState) => Promise<void>;
}

export interface TableToLoad {
  readonly table: string;
  /** What an earlier life has done of it; null = nothing. */
  readonly from: SnapshotState | null;
}

/**
 * Loads whole tables beside the running stream, without a long transaction: the first time, and again after a slot was
 * lost or a table was not published, when it also looks for what is gone. Progress is recorded after each chunk is acknowledged, so a restart repeats one
 * chunk at most.
 */
export class Snapshot {
  constructor(private readonly d: SnapshotDeps) {}

  /** One table after the other; resolves with what became of them when all are done, or with null after stop(). Rejects with CdcError. */
  async run(pump: Pump, tables: readonly TableToLoad[]): Promise<readonly SnapshotState[] | null> {
    const done: SnapshotState[] = [];
    for (const { table, from } of tables) {
      const progress = newSnapshotStats(0);
      this.d.stats.snapshots.set(table, progress);
      const source = await this.describe(pump, table);
      progress.rowsEstimated = await this.d.queries.estimateRows(source.schema, source.name);
      const state = await this.load(source, table, from, progress);
      if (!state) return null;
      done.push(state);
    }
    this.d.windows.finish();
    return done;
  }

  private async describe(pump: Pump, table: string): Promise<SourceOfRows> {
    const [schema, name] = table.split('.') as [string, string];
    const relation = await this.d.queries.describe(schema, name);
    if (!relation) throw new CdcError('table_missing', `table ${table} does not exist`);
    const contract = this.d.encoders.columns(table);
    const columns = relation.columns.filter((column) => contract.includes(column.name));
    const encoder = this.d.encoders.compile({ ...relation, columns }, { absentColumns: this.d.absentColumns(table) });
    if (!encoder) throw new CdcError('internal', `no contract for ${table}`);
    return {
      schema,
      name,
      columns: columns.map((column) => column.name),
      tenantColumn: this.d.encoders.tenantColumn(table),
      route: pump.route(encoder),
    };
  }

  private async load(
    source: SourceOfRows,
    table: string,
    from: SnapshotState | null,
    progress: SnapshotStats,
  ): Promise<SnapshotState | null> {
    let state: SnapshotState = from ?? { status: 'running', lastKey: null, rows: 0, chunks: 0 };
    const save = async (next: SnapshotState) => {
      state = next;
      await this.d.saveState(stateKeys.snapshot(this.d.connector, table), state);
      const { rows, chunks, status } = state;
      Object.assign(progress, { rowsDone: rows, chunks, done: status === 'done' });
    };
    const { why, from: lost, to } = state;
    const title = state.kind === 'repair' ? 'load of what may be missing' : 'first load';
    const reason = why === undefined ? {} : { why, from: lost, to };
    Object.assign(progress, { rowsDone: state.rows, chunks: state.chunks });
    this.d.log.info({ table, resumed: state.chunks > 0, rows: state.rows, ...reason }, `${title}: reading`);
    while (state.status === 'running') {
      const next = await this.chunk(source, state, progress);
      if (!next) return null;
      await save(next);
    }
    while (state.status === 'sweeping') {
      const { swept = 0, gone = 0 } = state;
      const deletes = await this.d.sweep.partition(source, swept, this.horizon(state));
      if (deletes === null) return null;
      const status = swept + 1 < source.route.partitions ? 'sweeping' : 'done';
      await save({ ...state, status, swept: swept + 1, gone: gone + deletes });
    }
    const { rows, chunks, gone } = state;
    this.d.log.info({ table, rows, chunks, ...(gone !== undefined && { gone }), ...reason }, `${title}: done`);
    return state;
  }

  /**
   * Not the moment in which the gap was noticed: a transaction that began before it, and of which a part was not told, commits
   * later. The first chunk waits for all of these.
   */
  private horizon({ horizon }: SnapshotState): Position {
    return { epoch: this.d.epoch, commitLsn: horizon === undefined ? ZERO_LSN : parseLsn(horizon), seq: 0n };
  }

  /** Null after stop(). */
  private async chunk(
    { schema, name, columns, route }: SourceOfRows,
    state: SnapshotState,
    progress: SnapshotStats,
  ): Promise<SnapshotState | null> {
    const rows = new ChunkRows();
    const limit = this.d.chunkRows;
    const repair = state.kind === 'repair';
    const result = await this.d.windows.read(
      { schema, table: name, columns, keyColumn: 'id', after: state.lastKey, limit, where: null },
      (row) => rows.add(row),
      () => ({ route, rows, deletes: 0, snapshot: repair ? 'repair' : 'first' }),
      () => {
        progress.chunksRepeated++;
        if (progress.chunksRepeated % 500 === 50)
          this.d.log.info(
            { table: `${schema}.${name}` },
            'the load waits until transactions that began before it have ended',
          );
      },
    );
    if (!result) return null;
    const { exhausted, lastKey, rows: read } = result.chunk;
    return {
      ...state,
      status: exhausted ? (repair ? 'sweeping' : 'done') : 'running',
      lastKey: lastKey ?? state.lastKey,
      rows: state.rows + read,
      chunks: state.chunks + 1,
      ...(repair && { horizon: state.horizon ?? formatLsn(result.closed) }),
    };
  }
}
