import { type OpenKey, OpenKeys, type PlacedKey } from '../core/open-keys';
import { partitionOfTenant } from '../core/partition';
import type { KeyRecord } from '../core/ports/topics';
import type { Position } from '../core/position';
import { KIND_NULL, KIND_TEXT, newTuple, type Tuple } from '../core/tuple';
import { ChunkRows } from '../core/watermark';
import type { TableRoute } from './change-records';
import type { WatermarkWindows } from './watermark-windows';

/** Keys of one partition kept in memory: beyond, the source is asked for some before the topic is read on. */
const MAX_OPEN_KEYS = 500_000;

/** Keys looked up at a time: whole rows are read, whatever they have. */
const MAX_LOOKED_UP = 1_000;

/** A table on its way, as the load has found it. */
export interface SourceOfRows {
  readonly schema: string;
  readonly name: string;
  /** Read in this order; the route's relation has the same. */
  readonly columns: readonly string[];
  readonly tenantColumn: string;
  readonly route: TableRoute;
}

export interface SweepDeps {
  readonly windows: WatermarkWindows;
  /** What the partition's records say of their keys, from its start to its present end. */
  readonly readKeys: (topic: string, partition: number) => AsyncIterable<readonly KeyRecord[]>;
  readonly chunkRows: number;
}

export const KEY = 'id';

/**
 * What the topic still has and the source has not, or not there: deletes that were missed while nobody told them, and rows of
 * tenants that belong to another partition since there are more of them.
 *
 * After a load every row of the source has a record in its partition that is newer than the load's horizon, but for a few of
 * the first chunk. A key whose last record is older is gone, or has moved to another partition. Nothing is deleted on the
 * topic's word alone, though, because the stream goes on meanwhile: the keys are looked up in the source between two
 * watermarks, as a chunk is, and for each
 *
 *   changed by the stream between the watermarks   it is looked up again in another window
 *   not there                                      if changes may have been missed: `d` and tombstone; else a tombstone: the stream has
 *                                                  told the delete where the row was then, and a reader may come here before it has read there
 *   there, with another tenant, elsewhere          if changes may have been missed: `d` and tombstone here, then `r` there: a move, with the numbers of one
 *   there, with its tenant, elsewhere              tombstone here, then `r` there: nothing has happened to the row
 *   there, elsewhere, but deleted here meanwhile   `r` there, once more: of a move whose second half did not come to be written
 *   there, in this partition                       nothing: the stream has brought it
 *
 * So a row that the stream brought before the opening watermark is seen by the look-up, which sees all that was decoded by
 * then; one it brings between the watermarks is left out; one it brings afterwards has a higher position than the delete and
 * lies behind it in the partition. A row that exists is never deleted.
 */
export class Sweep {
  constructor(private readonly d: SweepDeps) {}

  /** Sweeps one partition; resolves with the number of deletes when they are acknowledged, or with null after stop(). */
  async partition(source: SourceOfRows, partition: number, horizon: Position): Promise<number | null> {
    const { partitions } = source.route;
    // Without a horizon no change was missed: the stream itself has told what became of a row.
    const told = horizon.commitLsn === 0n;
    const keys = new OpenKeys(horizon, !told, (tenant) => partitionOfTenant(tenant, partitions) === partition);
    let deletes = 0;
    const settle = async () => {
      const settled = await this.settle(source, partition, keys.take(Math.min(this.d.chunkRows, MAX_LOOKED_UP)), told);
      deletes += settled ?? 0;
      return settled !== null;
    };
    for await (const records of this.d.readKeys(source.route.encoder.topic, partition)) {
      for (const record of records) keys.apply(record);
      while (keys.size > MAX_OPEN_KEYS) if (!(await settle())) return null;
      if (this.d.windows.ended) return null;
    }
    while (keys.size > 0) if (!(await settle())) return null;
    return deletes;
  }

  private async settle(
    source: SourceOfRows,
    partition: number,
    keys: readonly OpenKey[],
    told: boolean,
  ): Promise<number | null> {
    let left = keys;
    let deletes = 0;
    while (left.length > 0) {
      let found = new Map<string, number>();
      let there = new ChunkRows();
      let gone: readonly PlacedKey[] = [];
      const result = await this.d.windows.read({
        request: {
          schema: source.schema,
          table: source.name,
          columns: source.columns,
          keyColumn: KEY,
          after: null,
          limit: left.length,
          // No bound in bytes: a row that was not read would count as gone.
          where: null,
          keys: left.map(({ id }) => id),
        },
        onRow: (row) => {
          found.set(textOf(row, source.columns.indexOf(KEY)), there.count);
          there.add(row);
        },
        compose: () => {
          const composed = compose(source, partition, left, found, there, told);
          gone = composed.gone;
          const { rows, deletes, tombstones } = composed;
          return { route: source.route, rows, deletes, tombstones, partition, snapshot: 'repair' };
        },
        goOn: () => {
          found = new Map();
          there = new ChunkRows();
          return !this.d.windows.ended;
        },
      });
      if (!result) return null;
      if (result.failed) throw result.failed.error;
      left = result.leftOut.flatMap((index) => gone[index] ?? []);
      deletes += gone.length - left.length;
    }
    return deletes;
  }
}

interface SweptKeys {
  readonly rows: ChunkRows;
  readonly deletes: number;
  readonly tombstones: number;
  /** Those of the deletes and the tombstones. */
  readonly gone: readonly PlacedKey[];
}

/** Deletes first, then tombstones, then the rows that are elsewhere: of a moved row the delete has the smaller number. */
function compose(
  source: SourceOfRows,
  partition: number,
  keys: readonly OpenKey[],
  found: ReadonlyMap<string, number>,
  there: ChunkRows,
  told: boolean,
): SweptKeys {
  const { encoder, partitions } = source.route;
  const row = newTuple(source.columns.length);
  const deleted: PlacedKey[] = [];
  const forgotten: PlacedKey[] = [];
  const elsewhere: number[] = [];
  for (const key of keys) {
    const index = found.get(key.id);
    if (index === undefined) {
      if (isPlaced(key)) (told ? forgotten : deleted).push(key);
      continue;
    }
    there.read(index, row);
    if (encoder.partition(row, partitions) === partition) continue;
    elsewhere.push(index);
    if (!isPlaced(key)) continue;
    const same = textOf(row, source.columns.indexOf(source.tenantColumn)) === key.tenant;
    (told || same ? forgotten : deleted).push(key);
  }
  const rows = new ChunkRows();
  const gone = [...deleted, ...forgotten];
  for (const key of gone) rows.add(identityOf(source, key));
  for (const index of elsewhere) {
    there.read(index, row);
    rows.add(row);
  }
  return { rows, deletes: deleted.length, tombstones: forgotten.length, gone };
}

const isPlaced = (key: OpenKey): key is PlacedKey => key.tenant !== null;

/** A row of which only id and tenant are known. */
export function identityOf({ columns, tenantColumn }: SourceOfRows, { id, tenant }: PlacedKey): Tuple {
  const row = newTuple(columns.length);
  row.bytes = Buffer.from(id + tenant);
  row.count = columns.length;
  row.kinds.fill(KIND_NULL);
  const end = Buffer.byteLength(id);
  const put = (column: string, from: number, to: number) => {
    const i = columns.indexOf(column);
    row.kinds[i] = KIND_TEXT;
    row.starts[i] = from;
    row.ends[i] = to;
  };
  put(KEY, 0, end);
  if (tenantColumn !== KEY) put(tenantColumn, end, row.bytes.length);
  return row;
}

export function textOf(row: Tuple, column: number): string {
  return row.bytes.toString('utf8', row.starts[column], row.ends[column]);
}
