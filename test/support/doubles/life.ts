import { deferred } from '../../../src/core/deferred';
import { CdcError } from '../../../src/core/errors';
import { HistoryWitness } from '../../../src/core/history-witness';
import { isOver, type Load, readLoads } from '../../../src/core/loads';
import { silentLogger } from '../../../src/core/ports/log';
import type { KeyRecord } from '../../../src/core/ports/topics';
import { formatPosition } from '../../../src/core/position';
import { Progress } from '../../../src/core/progress';
import { newCaptureStats, silentCaptureObservers } from '../../../src/core/stats';
import { floorAt } from '../../../src/pipeline/change-records';
import { DeadLetters } from '../../../src/pipeline/dead-letters';
import { Flusher } from '../../../src/pipeline/flusher';
import { Loads } from '../../../src/pipeline/loads';
import { Pump } from '../../../src/pipeline/pump';
import { Routes } from '../../../src/pipeline/routes';
import { Sweep } from '../../../src/pipeline/sweep';
import { WatermarkWindows } from '../../../src/pipeline/watermark-windows';
import type { FakeBroker, StoredRecord } from './broker';
import { type PretendedSource, turn } from './source';
import { fakeEncoders, plainTables } from './wal';

export const TABLE = 'ventia.orders';
export const CONNECTOR = 'test';
const CHUNK_ROWS = 4;

export interface LifeOptions {
  readonly source: PretendedSource;
  readonly broker: FakeBroker;
  readonly epoch: bigint;
  /** Confirmed so far: what was committed before does not come again. */
  readonly confirmed: bigint;
  readonly roll: (n: number) => number;
  /** Transactions that the application commits meanwhile. */
  readonly commits: { left: number };
  readonly maxBytes: number;
  /** What committed before is in the topic, whatever comes again. */
  readonly floor?: bigint;
  readonly mode?: 'initial' | 'never';
  /** Called in every turn: what people want, written into `broker.state` and told by `tell`. */
  readonly people?: (tell: (key: string, value: string) => void) => void;
  /** The process dies in a turn for which it says so. */
  readonly dies?: () => boolean;
}

export const loadsOf = (broker: FakeBroker, mode: 'initial' | 'never' = 'initial'): Load[] =>
  readLoads(broker.state, CONNECTOR, [TABLE], mode);

/**
 * One life of capture over a pretended source and broker, until every load is over and all is acknowledged, a flush fails, or
 * it is killed. Gives what ended it (null = nothing is left to do) and what is confirmed.
 */
export async function live(o: LifeOptions) {
  const { source, broker, epoch, confirmed, roll, commits, mode = 'initial' } = o;
  const writer = broker.open();
  const stats = newCaptureStats();
  const progress = new Progress(0);
  progress.idle(confirmed, 0);
  const failed = deferred<CdcError>();
  let paused = false;
  const flusher = new Flusher(writer, progress, o.maxBytes, stats, silentCaptureObservers, {
    onAcknowledged: () => {
      if (pump.waitingForRoom) pump.drain();
    },
    onFailure: (error) => failed.resolve(error),
  });
  const queries = source.queries();
  const windows = new WatermarkWindows(queries, () => flusher.durable());
  const loads = new Loads({
    connector: CONNECTOR,
    tables: [TABLE],
    mode,
    state: writer.state,
    queries,
    windows,
    encoders: fakeEncoders,
    absentColumns: () => [],
    sweep: new Sweep({ windows, readKeys: (_, partition) => keysOf(broker, partition), chunkRows: 3 }),
    epoch,
    bounds: { maxRows: CHUNK_ROWS, maxBytes: 50 },
    stats,
    log: silentLogger,
    saveState: (records) => {
      for (const [key, value] of records) flusher.batch.appendState(key, value && JSON.stringify(value), 0n);
      return flusher.durable();
    },
    over: () => flusher.over,
    trailMs: 0,
    ends: () => new Map(),
    onRepaired: null,
  });
  const tails = writer.topics.flatMap(({ name, partitions }) =>
    Array.from({ length: partitions }, (_, p) => writer.tail(name, p)).filter((tail) => tail !== null),
  );
  const pump: Pump = new Pump({
    decode: (payload) => source.wal[payload.readUInt32BE(0)]!,
    routes: new Routes({
      encoders: fakeEncoders,
      tables: plainTables,
      writer,
      partitions: writer.topics[0]!.partitions,
      floor: floorAt(epoch, o.floor ?? null),
      stats,
    }),
    flusher,
    progress,
    stats,
    watcher: windows,
    deadLetters: new DeadLetters('halt', 'dlq', 'test', null, 1_000_000),
    epoch,
    witness: new HistoryWitness(tails, epoch, confirmed),
    onMark: () => false,
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
    },
    onFailure: (error) => failed.resolve(error),
  });
  pump.drain();
  loads.run(pump).catch((error) => failed.resolve(error));
  let next = source.wal.findIndex((message) => message.type === 'begin' && message.commitLsn >= confirmed);
  if (next < 0) next = source.wal.length;
  const working = () =>
    loadsOf(broker, mode).some((load) => !isOver(load)) || next < source.wal.length || !flusher.drained;
  let over = false;
  const simulate = async () => {
    while (!over && working()) {
      o.people?.((key, value) => {
        broker.state.set(key, value);
        loads.onRecord(key, value);
      });
      if (commits.left > 0 && roll(2) === 0) {
        source.commit(roll);
        commits.left--;
      }
      if (roll(3) === 0) source.reveal(roll);
      for (let n = roll(8); n > 0 && next < source.wal.length && !paused; n--) {
        const payload = Buffer.alloc(4);
        payload.writeUInt32BE(next++);
        pump.onMessage(payload, 0n);
      }
      if (o.dies?.()) return new CdcError('internal', 'killed');
      await turn();
    }
    return null;
  };
  const error = await Promise.race([simulate(), failed.promise]);
  over = true;
  loads.stop();
  if (error) flusher.abandon(error);
  else flusher.send();
  return { error, confirmed: progress.confirmable(Date.now()), stats };
}

interface Value {
  readonly op: string;
  readonly tenant: string;
  readonly version: number;
}

/** The partition as it is now, a few records at a time, as a reader beside the writer sees it. */
async function* keysOf(broker: FakeBroker, partition: number): AsyncGenerator<KeyRecord[]> {
  const records = broker.log.filter((record) => record.partition === partition);
  for (let at = 0; at < records.length; at += 5) {
    await turn();
    yield records.slice(at, at + 5).map(({ key, value, position }) => {
      if (value === null) return { id: key, tenant: null, position: null };
      const { op, tenant } = JSON.parse(value) as Value;
      return { id: key, tenant: op === 'd' ? null : tenant, position };
    });
  }
}

/** The topic played to its end is the table, by offsets and by positions, and positions ascend in each partition. */
export function expectTopicIsTable(broker: FakeBroker, source: PretendedSource): void {
  const inTable = [...source.content].map(([id, { tenant, version }]) => `${id} ${tenant} ${version}`).sort();
  const byPosition = broker.log.toSorted((a, b) => compare(formatPosition(a.position), formatPosition(b.position)));
  expect(materialize(broker.log, ({ partition, key }) => `${partition}/${key}`)).toEqual(inTable);
  expect(materialize(byPosition, ({ key }) => key)).toEqual(inTable);
  for (const partition of new Set(broker.log.map((record) => record.partition))) {
    const positions = broker.log
      .filter((record) => record.partition === partition && record.value !== null)
      .map(({ position }) => formatPosition(position));
    expect(positions).toEqual([...new Set(positions)].sort());
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

/** The last record of each place, in the given order: what is left of the rows. */
function materialize(records: readonly StoredRecord[], place: (record: StoredRecord) => string): string[] {
  const rows = new Map<string, string>();
  for (const record of records) {
    const value = record.value === null ? null : (JSON.parse(record.value) as Value);
    if (value === null || value.op === 'd') rows.delete(place(record));
    else rows.set(place(record), `${record.key} ${value.tenant} ${value.version}`);
  }
  return [...rows.values()].sort();
}
