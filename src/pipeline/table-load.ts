import type { SnapshotState } from '../core/capture-state';
import { type ChunkBounds, firstChunkRows, nextChunkRows } from '../core/chunk-size';
import { CdcError } from '../core/errors';
import type { Load } from '../core/loads';
import { formatLsn, parseLsn, ZERO_LSN } from '../core/lsn';
import type { EncoderFactory } from '../core/ports/encoding';
import type { Logger } from '../core/ports/log';
import type { SourceQueries } from '../core/ports/source';
import type { Position } from '../core/position';
import type { SnapshotStats } from '../core/stats';
import { newTuple } from '../core/tuple';
import { ChunkRows } from '../core/watermark';
import type { Pump } from './pump';
import { KEY, type SourceOfRows, type Sweep, textOf } from './sweep';
import type { WatermarkWindows } from './watermark-windows';

export interface TableLoadDeps {
  readonly queries: SourceQueries;
  readonly windows: WatermarkWindows;
  readonly encoders: EncoderFactory;
  readonly absentColumns: (table: string) => readonly string[];
  readonly sweep: Sweep;
  readonly epoch: bigint;
  readonly bounds: ChunkBounds;
  readonly log: Logger;
}

/** What a step came to; where it failed, how far it went. */
export interface LoadedStep {
  readonly state: SnapshotState;
  readonly error: CdcError | null;
}

/** Where keys may be left that the source has not, or has elsewhere. */
const SWEPT: ReadonlySet<Load['kind']> = new Set(['repair', 'repartition']);
/** How much the last chunk counts in the rate. */
const WEIGHT = 0.3;
/** Tries of chunks, some ten seconds: what holds it up is then worth a line in the log. */
const SAID_AFTER = 25;

/** One table's load in this life of capture, a chunk or a partition to sweep at a time. */
export class TableLoad {
  private limit: number;
  private lastMs = performance.now();

  private constructor(
    private readonly d: TableLoadDeps,
    private readonly load: Load,
    private readonly source: SourceOfRows,
    private readonly estimated: number,
    private readonly stats: SnapshotStats,
  ) {
    this.limit = firstChunkRows(d.bounds);
  }

  /** Looks at the table. Rejects with CdcError where it, or the condition, is not as it must be. */
  static async prepare(d: TableLoadDeps, load: Load, pump: Pump, stats: SnapshotStats): Promise<TableLoad> {
    const source = await describe(d, load.table, pump);
    if (load.where !== null) await d.queries.checkCondition(source.schema, source.name, load.where);
    const estimated = await d.queries.estimateRows(source.schema, source.name);
    stats.rowsEstimated = estimated;
    return new TableLoad(d, load, source, estimated, stats);
  }

  /**
   * The next chunk, or the next partition to sweep, acknowledged by Kafka. `goOn` is asked while it waits: false = give it up,
   * which gives null.
   */
  async step(state: SnapshotState, goOn: () => boolean): Promise<LoadedStep | null> {
    const { error: _, ...begun } = state;
    const step = state.status === 'sweeping' ? await this.sweep(begun) : await this.chunk(begun, goOn);
    if (!step) return null;
    if (step.state === begun) return { ...step, state };
    Object.assign(this.stats, { rowsDone: step.state.rows, chunks: step.state.chunks });
    return step;
  }

  private async sweep(state: SnapshotState): Promise<LoadedStep | null> {
    const { swept = 0, gone = 0 } = state;
    const deletes = await this.d.sweep.partition(this.source, swept, this.horizon(state));
    if (deletes === null) return null;
    const status = swept + 1 < this.source.route.partitions ? 'sweeping' : 'done';
    return { state: { ...state, status, swept: swept + 1, gone: gone + deletes }, error: null };
  }

  /**
   * Not the moment in which the gap was noticed: a transaction that began before it, and of which a part was not told, commits
   * later. The first chunk waits for all of these.
   */
  private horizon({ horizon }: SnapshotState): Position {
    return { epoch: this.d.epoch, commitLsn: horizon === undefined ? ZERO_LSN : parseLsn(horizon), seq: 0n };
  }

  private async chunk(state: SnapshotState, goOn: () => boolean): Promise<LoadedStep | null> {
    const { schema, name, columns, route } = this.source;
    const { kind, where } = this.load;
    let rows = new ChunkRows();
    const result = await this.d.windows.read({
      request: {
        schema,
        table: name,
        columns,
        keyColumn: KEY,
        after: state.lastKey,
        limit: this.limit,
        maxBytes: this.d.bounds.maxBytes,
        where,
      },
      onRow: (row) => rows.add(row),
      compose: () => ({
        route,
        rows,
        deletes: 0,
        tombstones: 0,
        partition: null,
        snapshot: kind === 'repartition' ? 'first' : kind,
      }),
      goOn: () => {
        rows = new ChunkRows();
        if (++this.stats.chunksRepeated % 500 === SAID_AFTER)
          this.d.log.info({ table: this.load.table }, 'a load waits for transactions that began before it');
        return goOn();
      },
    });
    if (!result) return null;
    const { chunk, failed, ms, closed } = result;
    if (failed) return this.upTo(state, rows, failed);
    this.limit = nextChunkRows({ limit: this.limit, rows: chunk.rows, bytes: chunk.bytes, ms }, this.d.bounds);
    return {
      state: {
        ...this.counted(state, chunk.rows, chunk.scanned),
        status: !chunk.exhausted ? 'running' : SWEPT.has(kind) ? 'sweeping' : 'done',
        lastKey: chunk.lastKey ?? state.lastKey,
        chunks: state.chunks + 1,
        ...(kind === 'repair' && { horizon: state.horizon ?? formatLsn(closed) }),
      },
      error: null,
    };
  }

  /** What came before the row that cannot be written is in the topics: the next try begins at that row, and repeats nothing. */
  private upTo(
    state: SnapshotState,
    rows: ChunkRows,
    { error, index }: { readonly error: CdcError; readonly index: number },
  ): LoadedStep {
    if (index === 0) return { state, error };
    const before = newTuple(this.source.columns.length);
    rows.read(index - 1, before);
    const lastKey = textOf(before, this.source.columns.indexOf(KEY));
    return { state: { ...this.counted(state, index, index), lastKey }, error };
  }

  private counted(state: SnapshotState, rows: number, passed: number): SnapshotState {
    const now = performance.now();
    const seconds = Math.max(0.001, (now - this.lastMs) / 1000);
    this.lastMs = now;
    const { rowsPerSecond: former = passed / seconds } = state;
    return {
      ...state,
      rows: state.rows + rows,
      scanned: (state.scanned ?? state.rows) + passed,
      estimated: this.estimated,
      rowsPerSecond: Math.round(former + WEIGHT * (passed / seconds - former)),
      startedAt: state.startedAt ?? new Date().toISOString(),
    };
  }
}

async function describe(d: TableLoadDeps, table: string, pump: Pump): Promise<SourceOfRows> {
  if (!d.encoders.tables.includes(table))
    throw new CdcError(
      'snapshot_refused',
      `table ${table} is not among those captured: ${d.encoders.tables.join(', ')}`,
    );
  const [schema, name] = table.split('.') as [string, string];
  const relation = await d.queries.describe(schema, name);
  if (!relation) throw new CdcError('table_missing', `table ${table} does not exist`);
  const contract = d.encoders.columns(table);
  const columns = relation.columns.filter((column) => contract.includes(column.name));
  const encoder = d.encoders.compile({ ...relation, columns }, { absentColumns: d.absentColumns(table) });
  if (!encoder) throw new CdcError('internal', `no contract for ${table}`);
  return {
    schema,
    name,
    columns: columns.map((column) => column.name),
    tenantColumn: d.encoders.tenantColumn(table),
    route: pump.route(encoder),
  };
}
