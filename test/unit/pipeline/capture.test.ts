import { silentLogger } from '../../../src/core/ports/log';
import type { ReplicationStream, SourceQueries, StreamHandlers } from '../../../src/core/ports/source';
import { newCaptureStats, silentCaptureObservers } from '../../../src/core/stats';
import { runCapture } from '../../../src/pipeline/capture';
import { FakeBroker } from '../../support/doubles/broker';
import { expectedRecords, type FakeTransaction, fakeEncoder, messagesOf, RELATION } from '../../support/doubles/wal';
import { eventually } from '../../support/wait';

const PARTITIONS = 3;
const WAL: FakeTransaction[] = Array.from({ length: 12 }, (_, i) => ({
  commitLsn: BigInt(100 + i * 10),
  endLsn: BigInt(110 + i * 10),
  changes: [{ op: 'c', id: i, tenant: i, oldTenant: i }],
}));

/** Hands over `early` messages while it begins, and the rest at the moment it is resumed, as a socket with a full buffer does. */
function fullSocket(early: number): ReplicationStream & { readonly confirmed: bigint } {
  const count = messagesOf(WAL).length;
  let handlers: StreamHandlers;
  let next = 0;
  const handOver = (upTo: number) => {
    while (next < upTo) {
      const payload = Buffer.alloc(4);
      payload.writeUInt32BE(next++);
      handlers.onMessage(payload, 0n);
    }
  };
  return {
    confirmed: 0n,
    async start(given) {
      handlers = given;
      handOver(early);
    },
    pause() {},
    resume: () => handOver(count),
    confirm(end) {
      Object.assign(this, { confirmed: end });
    },
    stop: () => Promise.resolve(),
  };
}

const slot = { name: 's', walStatus: 'reserved', retainedBytes: 0n, safeWalBytes: null, sender: null, decoded: null };
const inspection = {
  tables: [],
  tablesLsn: 100n,
  systemId: '1',
  timeline: 1,
  confirmedLsn: 100n,
  walLsn: 100n,
  standbys: [],
  slot,
};

const queries: SourceQueries = {
  describe: () => Promise.resolve(RELATION),
  emitMessage: () => Promise.resolve(),
  readChunk: () => Promise.resolve(null),
  checkCondition: () => Promise.resolve(),
  estimateRows: () => Promise.resolve(0),
  close: () => Promise.resolve(),
};

it.each([0, 1, 4, 17])('no message is lost between taking the slot and streaming (%i came before)', async (early) => {
  const broker = new FakeBroker([{ name: 'ventia.orders', partitions: PARTITIONS }], 1_000_000);
  const stream = fullSocket(early);
  const messages = messagesOf(WAL);
  const stop = new AbortController();
  const running = runCapture(
    {
      connector: 'test',
      tables: ['ventia.orders'],
      topics: ['ventia.orders'],
      deadLetterTopic: 'dlq',
      errorsPolicy: 'halt',
      snapshotMode: 'never',
      snapshotChunkRows: 100,
      maxBatchBytes: 1_000_000,
      confirmTrailMs: 0,
      progressTimeoutMs: 15_000,
    },
    {
      holder: () => Promise.resolve(null),
      inspect: () => Promise.resolve(inspection),
      openStream: () => stream,
      newDecoder: () => (payload) => messages[payload.readUInt32BE(0)]!.message,
      openWriter: async () => broker.open(),
      openQueries: () => queries,
      readKeys: async function* () {},
      loadEncoders: async () => ({
        tables: ['ventia.orders'],
        columns: () => ['id', 'tenant_id'],
        tenantColumn: () => 'tenant_id',
        compile: () => fakeEncoder,
      }),
      knownSchemas: () => new Map(),
      stats: newCaptureStats(),
      observers: silentCaptureObservers,
      log: silentLogger,
      onReadiness() {},
      followState: () => () => {},
    },
    stop.signal,
  );
  try {
    await Promise.race([running, eventually(() => stream.confirmed === WAL.at(-1)!.endLsn, { timeoutMs: 1_000 })]);
  } finally {
    stop.abort();
    await running.catch(() => {});
  }
  const records = broker.log.map(({ partition, position, value, key }) => {
    const { op } = JSON.parse(value!) as { op: string };
    return `${partition} ${position.commitLsn} ${position.seq} ${op} ${key}`;
  });
  expect(records.sort()).toEqual(expectedRecords(WAL, PARTITIONS).sort());
});
