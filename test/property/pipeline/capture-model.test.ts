import fc from 'fast-check';
import { deferred } from '../../../src/core/deferred';
import type { CdcError } from '../../../src/core/errors';
import { HistoryWitness } from '../../../src/core/history-witness';
import { Progress } from '../../../src/core/progress';
import { conservationDifference, newCaptureStats, silentCaptureObservers, sumCounts } from '../../../src/core/stats';
import { DeadLetters } from '../../../src/pipeline/dead-letters';
import { Flusher } from '../../../src/pipeline/flusher';
import { Pump } from '../../../src/pipeline/pump';
import { Routes } from '../../../src/pipeline/routes';
import { FakeBroker, type Fault } from '../../support/doubles/broker';
import {
  expectedRecords,
  type FakeTransaction,
  fakeEncoders,
  messagesOf,
  plainTables,
} from '../../support/doubles/wal';

const PARTITIONS = 3;

/** One life of capture over the pretended WAL, from `confirmed` on; the WAL end is told when all is sent. */
async function live(broker: FakeBroker, transactions: FakeTransaction[], confirmed: bigint, maxBytes: number) {
  const messages = messagesOf(transactions.filter((t) => t.commitLsn >= confirmed));
  const writer = broker.open();
  const stats = newCaptureStats();
  const progress = new Progress(0);
  progress.idle(confirmed, 0);
  const ended = deferred<CdcError | null>();
  let paused = false;
  let next = 0;
  const confirmable = () => progress.confirmable(Date.now());
  const finish = () => {
    if (next < messages.length || !flusher.drained) return;
    flusher.send(); // with nothing to send: transactions without changes of ours are acknowledged
    ended.resolve(null);
  };
  const flusher = new Flusher(writer, progress, maxBytes, stats, silentCaptureObservers, {
    onAcknowledged: () => {
      if (pump.waitingForRoom) pump.drain();
      finish();
    },
    onFailure: (error) => ended.resolve(error),
  });
  const tails = [...Array(PARTITIONS).keys()].flatMap((p) => writer.tail('ventia.orders', p) ?? []);
  const witness = new HistoryWitness(tails, 1n, confirmed);
  const pump = new Pump({
    routes: new Routes({
      encoders: fakeEncoders,
      tables: plainTables,
      writer,
      partitions: writer.topics[0]!.partitions,
      floor: null,
      stats,
    }),
    decode: (payload) => messages[payload.readUInt32BE(0)]!.message,
    flusher,
    progress,
    stats,
    watcher: { watching: false, onTransaction() {}, onRow() {}, onTruncate() {}, onWatermark: () => null },
    deadLetters: new DeadLetters('halt', 'dlq', 'test', null, 1_000_000),
    epoch: 1n,
    witness,
    onMark: () => false,
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      setImmediate(feed);
    },
    onFailure: (error) => ended.resolve(error),
  });
  // A socket hands over a few messages at a time, and those in hand still come after a pause.
  const feed = () => {
    for (let i = 0; i < 7 && next < messages.length && !paused; i++) {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(next++);
      pump.onMessage(payload, 0n);
    }
    finish();
    if (next < messages.length && !paused) setImmediate(feed);
  };
  pump.drain();
  const error = await ended.promise;
  if (error) flusher.abandon(error);
  return { error, confirmed: confirmable(), stats };
}

const change = fc.record({
  op: fc.constantFrom('c', 'u', 'd', 't') as fc.Arbitrary<'c' | 'u' | 'd' | 't'>,
  id: fc.integer({ min: 1, max: 20 }),
  tenant: fc.integer({ min: 1, max: 4 }),
  oldTenant: fc.integer({ min: 1, max: 4 }),
});
const wal = fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 25 }).map((all) =>
  // The end of one commit record is where the next may start: the hardest case for resuming.
  all.map((changes, i) => ({ commitLsn: BigInt(100 + i * 10), endLsn: BigInt(110 + i * 10), changes })),
);
const faults = fc.array(fc.constantFrom<Fault>('none', 'reject', 'partial', 'lost-answer'), { maxLength: 10 });
const maxBytes = fc.constantFrom(200, 1000, 100_000);

describe('capture over failing flushes', () => {
  it('leaves every change once and in order, confirms nothing that is not there (Invariants 1, 4, 6)', async () => {
    await fc.assert(
      fc.asyncProperty(
        wal,
        faults,
        maxBytes,
        fc.integer({ min: 1, max: 4 }),
        async (transactions, script, limit, ticks) => {
          const broker = new FakeBroker(
            [{ name: 'ventia.orders', partitions: PARTITIONS }],
            Math.max(limit, 400),
            ticks,
          );
          broker.faults.push(...script);
          let confirmed = 0n;
          for (let life = 0; ; life++) {
            expect(life).toBeLessThanOrEqual(script.filter((fault) => fault !== 'none').length);
            const result = await live(broker, transactions, confirmed, limit);
            expect(result.confirmed).toBeGreaterThanOrEqual(confirmed);
            confirmed = result.confirmed;

            const there = new Set(broker.log.map(name));
            const due = transactions.filter((t) => t.endLsn <= confirmed);
            for (const record of expectedRecords(due, PARTITIONS)) expect(there).toContain(record);
            for (const table of result.stats.tables.values()) {
              expect(conservationDifference(table)).toBe(0);
              expect(sumCounts(table.pending)).toBe(0);
            }
            if (!result.error) break;
          }
          const byPartition = (records: string[], p: number) => records.filter((r) => r.startsWith(`${p} `));
          const expected = expectedRecords(transactions, PARTITIONS);
          for (let p = 0; p < PARTITIONS; p++)
            expect(byPartition(broker.log.map(name), p)).toEqual(byPartition(expected, p));
          expect(confirmed).toBe(transactions.at(-1)?.endLsn ?? 0n);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function name(record: FakeBroker['log'][number]): string {
  const op = record.value === null ? null : (JSON.parse(record.value) as { op: string }).op;
  return `${record.partition} ${record.position.commitLsn} ${record.position.seq} ${op} ${record.key}`;
}
