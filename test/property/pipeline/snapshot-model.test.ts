import fc from 'fast-check';
import { deferred } from '../../../src/core/deferred';
import { HistoryWitness } from '../../../src/core/history-witness';
import { silentLogger } from '../../../src/core/ports/log';
import { Progress } from '../../../src/core/progress';
import { newCaptureStats, silentCaptureObservers } from '../../../src/core/stats';
import { DeadLetters } from '../../../src/pipeline/dead-letters';
import { Flusher } from '../../../src/pipeline/flusher';
import { Pump } from '../../../src/pipeline/pump';
import { Routes } from '../../../src/pipeline/routes';
import { Snapshot } from '../../../src/pipeline/snapshot';
import { Sweep } from '../../../src/pipeline/sweep';
import { WatermarkWindows } from '../../../src/pipeline/watermark-windows';
import { FakeBroker } from '../../support/doubles/broker';
import { dice, PretendedSource, turn } from '../../support/doubles/source';
import { fakeEncoder, plainTables } from '../../support/doubles/wal';

const PARTITIONS = 2;
async function load(source: PretendedSource, seed: number, commits: number, maxBytes: number) {
  const roll = dice(seed);
  const broker = new FakeBroker([{ name: 'ventia.orders', partitions: PARTITIONS }], 1000);
  const writer = broker.open();
  const stats = newCaptureStats();
  const progress = new Progress(0);
  const failed = deferred<never>();
  let paused = false;
  const flusher = new Flusher(writer, progress, maxBytes, stats, silentCaptureObservers, {
    onAcknowledged: () => {
      if (pump.waitingForRoom) pump.drain();
    },
    onFailure: failed.reject,
  });
  const encoders = {
    tables: ['ventia.orders'],
    columns: () => ['id', 'tenant_id', 'version'],
    tenantColumn: () => 'tenant_id',
    compile: () => fakeEncoder,
  };
  const queries = source.queries();
  const windows = new WatermarkWindows(queries, () => flusher.durable());
  const snapshot = new Snapshot({
    connector: 'test',
    queries,
    windows,
    epoch: 1n,
    sweep: new Sweep({ windows, readKeys: async function* () {}, chunkRows: 4 }),
    encoders,
    absentColumns: () => [],
    chunkRows: 4,
    stats,
    log: silentLogger,
    saveState: () => Promise.resolve(),
  });
  const tails = [...Array(PARTITIONS).keys()].flatMap((p) => writer.tail('ventia.orders', p) ?? []);
  const witness = new HistoryWitness(tails, 1n, 0n);
  const pump: Pump = new Pump({
    routes: new Routes({ encoders, tables: plainTables, writer, stats }),
    decode: (payload) => source.wal[payload.readUInt32BE(0)]!,
    flusher,
    progress,
    stats,
    watcher: windows,
    deadLetters: new DeadLetters('halt', 'dlq', 'test', null),
    epoch: 1n,
    witness,
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
    },
    onFailure: failed.reject,
  });
  pump.drain();
  let loaded = false;
  const loading = snapshot.run(pump, [{ table: 'ventia.orders', from: null }]).then(() => {
    loaded = true;
  });
  let next = 0;
  const simulate = async () => {
    for (let left = commits; !loaded || next < source.wal.length || !flusher.drained; ) {
      if (left > 0 && roll(2) === 0) {
        source.commit(roll);
        left--;
      }
      if (roll(3) === 0) source.reveal(roll);
      for (let n = roll(8); n > 0 && next < source.wal.length && !paused; n--) {
        const payload = Buffer.alloc(4);
        payload.writeUInt32BE(next++);
        pump.onMessage(payload, 0n);
      }
      await turn();
    }
  };
  await Promise.race([Promise.all([simulate(), loading]), failed.promise]);
  return broker;
}

/** What a reader of the topics ends with. */
function materialize(broker: FakeBroker): Map<number, number> {
  const table = new Map<number, number>();
  for (const { key, value } of broker.log) {
    if (value === null) continue;
    const { op, version } = JSON.parse(value) as { op: string; version: number };
    if (op === 'd') table.delete(Number(key));
    else table.set(Number(key), version);
  }
  return table;
}

describe('first load beside the stream', () => {
  it('ends with the source table: no gap, no old row over a new one, no deleted row resurrected', async () => {
    const shape = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 0, max: 25 }),
      commits: fc.integer({ min: 0, max: 60 }),
      maxBytes: fc.constantFrom(300, 100_000),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ seed, rows, commits, maxBytes }) => {
        const source = new PretendedSource(rows);
        const broker = await load(source, seed, commits, maxBytes);
        expect([...materialize(broker)].sort(([a], [b]) => a - b)).toEqual(
          [...source.content].map(([id, { version }]) => [id, version]).sort(([a], [b]) => a! - b!),
        );
        for (let p = 0; p < PARTITIONS; p++) {
          const positions = broker.log.filter((r) => r.partition === p && r.value !== null).map((r) => r.position);
          const order = positions.map((p) => p.commitLsn * 1000n + p.seq);
          expect(order).toEqual([...order].sort((a, b) => (a < b ? -1 : 1)));
          expect(new Set(order).size).toBe(order.length);
        }
      }),
      { numRuns: 200 },
    );
  });
});
