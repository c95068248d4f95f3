import fc from 'fast-check';
import { readState, type SnapshotState } from '../../../src/core/capture-state';
import { deferred } from '../../../src/core/deferred';
import type { CdcError } from '../../../src/core/errors';
import { HistoryWitness } from '../../../src/core/history-witness';
import { silentLogger } from '../../../src/core/ports/log';
import type { KeyRecord } from '../../../src/core/ports/topics';
import { formatPosition } from '../../../src/core/position';
import { Progress } from '../../../src/core/progress';
import { newCaptureStats, silentCaptureObservers } from '../../../src/core/stats';
import { DeadLetters } from '../../../src/pipeline/dead-letters';
import { Flusher } from '../../../src/pipeline/flusher';
import { Pump } from '../../../src/pipeline/pump';
import { Routes } from '../../../src/pipeline/routes';
import { Snapshot } from '../../../src/pipeline/snapshot';
import { Sweep } from '../../../src/pipeline/sweep';
import { WatermarkWindows } from '../../../src/pipeline/watermark-windows';
import { FakeBroker, type Fault, type StoredRecord } from '../../support/doubles/broker';
import { dice, PretendedSource, turn } from '../../support/doubles/source';
import { fakeEncoder, plainTables } from '../../support/doubles/wal';

const PARTITIONS = 2;
const TABLE = 'ventia.orders';
const STATE_KEY = `test/snapshot/${TABLE}`;

interface Life {
  readonly source: PretendedSource;
  readonly broker: FakeBroker;
  readonly epoch: bigint;
  /** Confirmed so far: what was committed before does not come again. */
  readonly confirmed: bigint;
  readonly roll: (n: number) => number;
  /** Transactions that the application commits meanwhile. */
  readonly commits: { left: number };
  readonly maxBytes: number;
}

/** One life of capture, until the table is loaded and all is acknowledged, or a flush fails. */
async function live({ source, broker, epoch, confirmed, roll, commits, maxBytes }: Life) {
  const writer = broker.open();
  const stats = newCaptureStats();
  const progress = new Progress(0);
  progress.idle(confirmed, 0);
  const failed = deferred<CdcError>();
  let paused = false;
  const flusher = new Flusher(writer, progress, maxBytes, stats, silentCaptureObservers, {
    onAcknowledged: () => {
      if (pump.waitingForRoom) pump.drain();
    },
    onFailure: (error) => failed.resolve(error),
  });
  const encoders = {
    tables: [TABLE],
    columns: () => ['id', 'tenant_id', 'version'],
    tenantColumn: () => 'tenant_id',
    compile: () => fakeEncoder,
  };
  const queries = source.queries();
  const windows = new WatermarkWindows(queries, () => flusher.durable());
  const readKeys = (_topic: string, partition: number) => keysOf(broker, partition);
  const snapshot = new Snapshot({
    connector: 'test',
    queries,
    windows,
    epoch,
    sweep: new Sweep({ windows, readKeys, chunkRows: 3 }),
    encoders,
    absentColumns: () => [],
    chunkRows: 4,
    stats,
    log: silentLogger,
    saveState: (key, value) => {
      flusher.batch.appendState(key, JSON.stringify(value), 0n);
      return flusher.durable();
    },
  });
  const tails = [...Array(PARTITIONS).keys()].flatMap((p) => writer.tail('ventia.orders', p) ?? []);
  const witness = new HistoryWitness(tails, epoch, confirmed);
  const pump: Pump = new Pump({
    routes: new Routes({ encoders, tables: plainTables, writer, stats }),
    decode: (payload) => source.wal[payload.readUInt32BE(0)]!,
    flusher,
    progress,
    stats,
    watcher: windows,
    deadLetters: new DeadLetters('halt', 'dlq', 'test', null),
    epoch,
    witness,
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
    },
    onFailure: (error) => failed.resolve(error),
  });
  pump.drain();
  let loaded = false;
  let over = false;
  const from = readState<SnapshotState>(writer.state, STATE_KEY);
  const loading = snapshot.run(pump, from?.status === 'done' ? [] : [{ table: TABLE, from }]).then(() => {
    loaded = true;
  });
  loading.catch(() => {}); // the flush that failed is the cause
  let next = source.wal.findIndex((message) => message.type === 'begin' && message.commitLsn >= confirmed);
  if (next < 0) next = source.wal.length;
  const simulate = async () => {
    while (!over && (!loaded || next < source.wal.length || !flusher.drained)) {
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
      await turn();
    }
    return null;
  };
  const error = await Promise.race([simulate(), failed.promise]);
  over = true;
  windows.stop();
  if (error) flusher.abandon(error);
  else flusher.send();
  return { error, confirmed: progress.confirmable(Date.now()) };
}

interface Value {
  readonly op: string;
  readonly tenant: string;
  readonly version: number;
  readonly epoch: number;
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

/**
 * An undisturbed first load, changes that the stream does not show, then the repair with its deaths: under a new epoch when
 * the slot was lost, under the same one when the table was not published.
 */
async function loseAndRepair(
  gap: number,
  epoch: bigint,
  faults: readonly Fault[],
  life: Omit<Life, 'epoch' | 'confirmed'>,
) {
  const { source, broker, roll } = life;
  const first = await live({ ...life, commits: { left: 20 }, epoch: 1n, confirmed: 0n });
  expect(first.error).toBeNull();
  for (let i = 0; i < gap; i++) {
    source.commit(roll);
    source.reveal(roll);
  }
  if (epoch > 1n) while (source.reveal(roll)); // a slot is made when all older transactions have ended
  const last = source.wal.findLast((message) => message.type === 'commit');
  let confirmed = last?.type === 'commit' ? last.endLsn : 0n;
  const repair: SnapshotState = { status: 'running', lastKey: null, rows: 0, chunks: 0, kind: 'repair' };
  broker.state.set(STATE_KEY, JSON.stringify(repair));
  broker.faults.push(...faults);
  for (let lives = 0; ; lives++) {
    expect(lives).toBeLessThan(20);
    const result = await live({ ...life, epoch, confirmed });
    confirmed = result.confirmed;
    if (!result.error) return;
  }
}

describe('repair beside the stream', () => {
  it('ends with the source table: missed deletes applied, missed moves moved, no row deleted that is there', async () => {
    const shape = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 0, max: 25 }),
      gap: fc.integer({ min: 0, max: 40 }),
      epoch: fc.constantFrom(1n, 2n),
      commits: fc.integer({ min: 0, max: 60 }),
      maxBytes: fc.constantFrom(400, 100_000),
      faults: fc.array(fc.constantFrom<Fault>('none', 'none', 'none', 'reject', 'partial', 'lost-answer'), {
        maxLength: 12,
      }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ seed, rows, gap, epoch, commits, maxBytes, faults }) => {
        const source = new PretendedSource(rows, true);
        const broker = new FakeBroker([{ name: TABLE, partitions: PARTITIONS }], 1000);
        const roll = dice(seed);
        const life = { source, broker, roll, maxBytes, commits: { left: commits } };
        await loseAndRepair(gap, epoch, faults, life);

        const inTable = [...source.content].map(([id, { tenant, version }]) => `${id} ${tenant} ${version}`).sort();
        const byPosition = broker.log.toSorted((a, b) =>
          formatPosition(a.position) < formatPosition(b.position)
            ? -1
            : Number(formatPosition(a.position) > formatPosition(b.position)),
        );
        expect(materialize(broker.log, ({ partition, key }) => `${partition}/${key}`)).toEqual(inTable);
        expect(materialize(byPosition, ({ key }) => key)).toEqual(inTable);
        for (let p = 0; p < PARTITIONS; p++) {
          const positions = broker.log
            .filter((record) => record.partition === p && record.value !== null)
            .map(({ position }) => formatPosition(position));
          expect(positions).toEqual([...new Set(positions)].sort());
        }
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});
