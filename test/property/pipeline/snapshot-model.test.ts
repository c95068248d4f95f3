import fc from 'fast-check';
import { deferred } from '../../../src/core/deferred';
import { silentLogger } from '../../../src/core/ports/log';
import type { SourceQueries } from '../../../src/core/ports/source';
import { Progress } from '../../../src/core/progress';
import type { ReplicationMessage } from '../../../src/core/replication-message';
import { newCaptureStats, silentCaptureObservers } from '../../../src/core/stats';
import { DeadLetters } from '../../../src/pipeline/dead-letters';
import { Flusher } from '../../../src/pipeline/flusher';
import { Pump } from '../../../src/pipeline/pump';
import { Snapshot } from '../../../src/pipeline/snapshot';
import { Sweep } from '../../../src/pipeline/sweep';
import { WatermarkWindows } from '../../../src/pipeline/watermark-windows';
import { FakeBroker } from '../../support/doubles/broker';
import { fakeEncoder, RELATION, row } from '../../support/doubles/wal';

const PARTITIONS = 2;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Numbers from 0 to below n, the same for the same seed. */
function dice(seed: number): (n: number) => number {
  let state = seed | 1;
  return (n) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return ((state >>> 8) & 0xffffff) % n;
  };
}

interface Write {
  readonly id: number;
  /** 0 = deleted. */
  readonly version: number;
}

/**
 * A table whose transactions enter the WAL first and become visible to readers a little later, as PostgreSQL's do. A row is
 * not written again before its last writer has ended.
 */
class PretendedSource {
  readonly wal: ReplicationMessage[] = [];
  private readonly rows = new Map<number, number>();
  private readonly visible = new Map<number, number>();
  private readonly pending = new Map<number, Write[]>();
  private xid = 1;
  private lsn = 100n;

  constructor(initialRows: number) {
    for (let id = 1; id <= initialRows; id++) {
      this.rows.set(id, 1);
      this.visible.set(id, 1);
    }
  }

  commit(roll: (n: number) => number): void {
    const busy = new Set([...this.pending.values()].flat().map((w) => w.id));
    const id = 1 + roll(30);
    if (busy.has(id)) return;
    const before = this.rows.get(id);
    const version = before !== undefined && roll(3) === 0 ? 0 : (before ?? 0) + 1 + roll(3);
    this.transaction((messages) => {
      const old = { relationOid: 1, before: row(id, id, before) };
      if (version === 0) messages.push({ type: 'delete', beforeKind: 'O', ...old });
      else if (before === undefined) messages.push({ type: 'insert', relationOid: 1, after: row(id, id, version) });
      else messages.push({ type: 'update', beforeKind: 'O', ...old, after: row(id, id, version) });
    });
    if (version === 0) this.rows.delete(id);
    else this.rows.set(id, version);
    this.pending.set(this.xid - 1, [{ id, version }]);
  }

  reveal(roll: (n: number) => number): void {
    const xids = [...this.pending.keys()];
    if (xids.length === 0) return;
    const xid = xids[roll(xids.length)]!;
    for (const { id, version } of this.pending.get(xid)!) {
      if (version === 0) this.visible.delete(id);
      else this.visible.set(id, version);
    }
    this.pending.delete(xid);
  }

  queries(): SourceQueries {
    return {
      describe: () => Promise.resolve(RELATION),
      emitMessage: async (prefix, content) => {
        const message = { type: 'message' as const, transactional: true, lsn: this.lsn, prefix };
        this.transaction((messages) => messages.push({ ...message, content: Buffer.from(content) }));
        await turn();
      },
      readChunk: async ({ after, limit }, accept, onRow) => {
        const running = [...this.pending.keys()].map(BigInt);
        const frozen = [...this.visible].sort(([a], [b]) => a - b);
        const xmin = running[0] ?? BigInt(this.xid); // a Map keeps the order of insertion
        await turn();
        if (!accept({ xmin, xmax: BigInt(this.xid), running })) return null;
        const rows = frozen.filter(([id]) => after === null || id > Number(after)).slice(0, limit);
        for (const [id, version] of rows) onRow(row(id, id, version));
        await turn();
        return { rows: rows.length, lastKey: String(rows.at(-1)?.[0] ?? after), exhausted: rows.length < limit };
      },
      estimateRows: () => Promise.resolve(this.visible.size),
      close: () => Promise.resolve(),
    };
  }

  get content(): Map<number, number> {
    return this.rows;
  }

  private transaction(fill: (messages: ReplicationMessage[]) => void): void {
    this.lsn += 10n;
    const commitLsn = this.lsn;
    const commitTime = 1_000_000n;
    this.wal.push({ type: 'begin', commitLsn, commitTime, xid: this.xid++ }, { type: 'relation', relation: RELATION });
    fill(this.wal);
    this.wal.push({ type: 'commit', commitLsn, endLsn: commitLsn + 10n, commitTime });
  }
}

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
    sweep: new Sweep({ windows, epoch: 1n, readKeys: async function* () {}, chunkRows: 4 }),
    encoders,
    absentColumns: () => [],
    chunkRows: 4,
    stats,
    log: silentLogger,
    saveState: () => Promise.resolve(),
  });
  const pump: Pump = new Pump({
    decode: (payload) => source.wal[payload.readUInt32BE(0)]!,
    encoders,
    absentColumns: () => [],
    writer,
    flusher,
    progress,
    stats,
    watcher: windows,
    deadLetters: new DeadLetters('halt', 'dlq', 'test', null),
    epoch: 1n,
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
          [...source.content].sort(([a], [b]) => a - b),
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
