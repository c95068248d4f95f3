import { deferred } from '../../../src/core/deferred';
import type { CdcError } from '../../../src/core/errors';
import { HistoryWitness } from '../../../src/core/history-witness';
import { Progress } from '../../../src/core/progress';
import type { ReplicationMessage } from '../../../src/core/replication-message';
import { conservationDifference, newCaptureStats, silentCaptureObservers, tableStats } from '../../../src/core/stats';
import { KIND_UNCHANGED, type Tuple } from '../../../src/core/tuple';
import { DeadLetters, openDeadLetters } from '../../../src/pipeline/dead-letters';
import { Flusher } from '../../../src/pipeline/flusher';
import { Pump } from '../../../src/pipeline/pump';
import { Routes } from '../../../src/pipeline/routes';
import { FakeBroker } from '../../support/doubles/broker';
import { fakeEncoders, plainTables, RELATION, row } from '../../support/doubles/wal';

interface Setting {
  readonly limit: number;
  readonly policy?: 'halt' | 'dead-letter';
  readonly maxBytes?: number;
  /** Length of each row message. */
  readonly payloadBytes?: number;
}

/** Runs the row messages, as one transaction, through a pump of its own until all is acknowledged or it failed. */
async function capture(rows: readonly ReplicationMessage[], setting: Setting) {
  const { limit, policy = 'halt', maxBytes = 1_000_000, payloadBytes = 4 } = setting;
  const broker = new FakeBroker([{ name: 'ventia.orders', partitions: 1 }], limit, 3);
  const writer = broker.open();
  const stats = newCaptureStats();
  const ended = deferred<CdcError | null>();
  const drainedWhenDecoded: boolean[] = [];
  const messages: ReplicationMessage[] = [
    { type: 'begin', commitLsn: 100n, commitTime: 1_000_000n, xid: 1 },
    { type: 'relation', relation: RELATION },
    ...rows,
    { type: 'commit', commitLsn: 100n, endLsn: 110n, commitTime: 1_000_000n },
  ];
  const progress = new Progress(0);
  const flusher = new Flusher(writer, progress, maxBytes, stats, silentCaptureObservers, {
    onAcknowledged: () => {
      if (pump.waitingForRoom) pump.drain();
      if (progress.published >= 110n) ended.resolve(null);
    },
    onFailure: (error) => ended.resolve(error),
  });
  const pump = new Pump({
    routes: new Routes({
      encoders: fakeEncoders,
      tables: plainTables,
      writer,
      partitions: writer.topics[0]!.partitions,
      floor: null,
      stats,
    }),
    decode: (payload) => {
      drainedWhenDecoded.push(flusher.drained);
      return messages[payload.readUInt32BE(0)]!;
    },
    flusher,
    progress,
    stats,
    watcher: { watching: false, onTransaction() {}, onRow() {}, onTruncate() {}, onWatermark: () => null },
    deadLetters: new DeadLetters(policy, 'dlq', 'test', null, 1_000_000),
    epoch: 1n,
    witness: new HistoryWitness([], 1n, 0n),
    onMark: () => false,
    pause: () => {},
    resume: () => {},
    onFailure: (error) => ended.resolve(error),
  });
  pump.drain();
  messages.forEach((message, i) => {
    const payload = Buffer.alloc('relationOid' in message ? payloadBytes : 4);
    payload.writeUInt32BE(i);
    pump.onMessage(payload, 0n);
  });
  const error = await ended.promise;
  const table = tableStats(stats, 'ventia.orders');
  expect(conservationDifference(table)).toBe(0);
  return { error, log: broker.log, flushes: broker.flushes, table, drainedWhenDecoded };
}

const insert = (id: number, version = 0): ReplicationMessage => ({
  type: 'insert',
  relationOid: RELATION.oid,
  after: row(id, 1, version),
});
const remove = (id: number): ReplicationMessage => ({
  type: 'delete',
  relationOid: RELATION.oid,
  beforeKind: 'O',
  before: row(id, 1),
});

/** What the records of these messages take, by the broker's count. */
async function bytesOf(messages: readonly ReplicationMessage[]): Promise<number> {
  const { log } = await capture(messages, { limit: 1_000_000 });
  return log.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
}

describe('a record of the size its topic takes', () => {
  it.each([
    ['a row', [insert(1, 123)]],
    ['a delete with its tombstone', [remove(1)]],
  ])('%s goes out, one byte more halts capture and names topic and size', async (_, messages) => {
    const limit = await bytesOf(messages);
    expect((await capture(messages, { limit })).error).toBeNull();
    const { error, log } = await capture(messages, { limit: limit - 1 });
    expect(error).toMatchObject({ code: 'CDC-306', fix: expect.stringMatching(`ventia.orders to ${limit} or more`) });
    expect(log).toEqual([]);
  });

  it('by policy a stub takes the place of one that is larger, without a value of the row, and the others go on', async () => {
    const limit = await bytesOf([insert(1, 1)]);
    const messages = [insert(1, 1), insert(2, 987_654), insert(3, 3)];
    const { error, log, table } = await capture(messages, { limit, policy: 'dead-letter' });
    expect(error).toBeNull();
    expect(log.filter(({ topic }) => topic === 'ventia.orders').map(({ key }) => key)).toEqual(['1', '3']);
    const stubs = log.filter(({ topic }) => topic === 'dlq');
    expect(stubs).toHaveLength(1);
    expect(JSON.parse(stubs[0]!.value!)).toMatchObject({ table: 'ventia.orders', id: '2', code: 'CDC-306' });
    expect(stubs[0]!.value).not.toContain('987654');
    expect([table.decoded.c, table.published.c, table.deadLettered.c]).toEqual([3, 2, 1]);
  });
});

it('no batch is larger than it may be, however long the transaction', async () => {
  const messages = Array.from({ length: 200 }, (_, i) => insert(i + 1));
  const { log, flushes } = await capture(messages, { limit: 1_000_000, maxBytes: 2_000 });
  expect(log).toHaveLength(200);
  expect(Math.max(...flushes)).toBeLessThanOrEqual(2_000);
});

it('a truncate that does not fit into the batch any more waits for the next one', async () => {
  const rows = [insert(1), insert(2), insert(3)];
  const limit = (await bytesOf(rows)) + 128;
  const truncate: ReplicationMessage = {
    type: 'truncate',
    relationOids: [RELATION.oid],
    cascade: false,
    restartIdentity: false,
  };
  const { error, log } = await capture([...rows, ...Array<ReplicationMessage>(4).fill(truncate)], { limit });
  expect(error).toBeNull();
  expect(log).toHaveLength(7);
});

it('a message larger than a batch goes alone, when all before it is acknowledged', async () => {
  const messages = [insert(1), insert(2), insert(3)];
  const { log, drainedWhenDecoded } = await capture(messages, { limit: 1_000_000, maxBytes: 500, payloadBytes: 501 });
  expect(log.map(({ key }) => key)).toEqual(['1', '2', '3']);
  expect(drainedWhenDecoded.slice(2, 5)).toEqual([true, true, true]);
});

it('a large value that an update did not touch is taken from the old row', async () => {
  const before = row(1, 1, 77);
  const after: Tuple = { ...row(1, 1), bytes: before.bytes };
  after.kinds[2] = KIND_UNCHANGED;
  const update: ReplicationMessage = {
    type: 'update',
    relationOid: RELATION.oid,
    beforeKind: 'O',
    before,
    after,
  };
  const { log } = await capture([update], { limit: 1_000_000 });
  expect(JSON.parse(log[0]!.value!)).toMatchObject({ op: 'u', version: 77 });
});

describe('the dead-letter topic', () => {
  const writer = () => new FakeBroker([{ name: 'ventia.orders', partitions: 1 }], 1_000_000).open();

  it('is missed at once where the policy needs it, with the command that makes it', () => {
    expect(() => openDeadLetters(writer(), 'dead-letter', 'dlq', 'test')).toThrow(
      expect.objectContaining({ code: 'CDC-302', fix: 'ventia-cdc setup', message: expect.stringContaining('dlq') }),
    );
  });

  it('is not needed by the policy to halt', () => {
    expect(() => openDeadLetters(writer(), 'halt', 'dlq', 'test')).not.toThrow();
  });
});
