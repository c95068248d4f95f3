import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { silentLogger } from '../../../src/core/ports/log';
import type { ConsumedBatch, GroupConsumer, TopicWriter } from '../../../src/core/ports/topics';
import { comparePositions, formatPosition } from '../../../src/core/position';
import { openLink } from '../../../src/kafka/client';
import { createGroupConsumer } from '../../../src/kafka/consumer';
import { deliver } from '../../../src/kafka/delivery';
import { PartitionedBatch } from '../../../src/kafka/outgoing-batch';
import { startKafkaProxy } from '../../support/kafka-proxy';
import { stack, uniqueName } from '../../support/stack';
import type { TcpProxy } from '../../support/tcp-proxy';
import { eventually } from '../../support/wait';
import {
  access,
  append,
  closeWriters,
  createTopics,
  keysOf,
  openWriter,
  position,
  type TestTopics,
  withAdmin,
} from './support';

jest.setTimeout(60_000);

let topics: TestTopics;
let proxy: TcpProxy;

beforeEach(async () => {
  topics = await withAdmin((admin: Admin) => createTopics(admin));
  proxy = await startKafkaProxy(stack().kafkaBrokers);
});
afterEach(async () => {
  await closeWriters();
  await proxy.close();
});

const value = (n: number) => formatPosition(position(n)).padEnd(2000, 'x');
const throughProxy = () => ({ access: access(`127.0.0.1:${proxy.port}`) });

/** Records `from` … `to` - 1, over all partitions. */
function fill(
  writer: TopicWriter,
  from: number,
  to: number,
  skip: (partition: number, n: number) => boolean = () => false,
) {
  const batch = writer.newBatch();
  for (let n = from; n < to; n++)
    if (!skip(n % 3, n)) append(batch, topics.data, n % 3, n, n % 7 === 0 ? null : value(n));
  return batch;
}

async function everyRecordOnce(count: number): Promise<void> {
  for (const partition of [0, 1, 2]) {
    const expected = Array.from({ length: count }, (_, n) => n).filter((n) => n % 3 === partition);
    expect(await keysOf(topics.data, partition)).toEqual(expected.map((n) => `key-${n}`));
  }
}

describe('a flush', () => {
  it('sent a second time with the same sequence numbers is there once', async () => {
    const link = openLink(access(), silentLogger);
    try {
      const { cluster } = link;
      await cluster.connect();
      await cluster.addMultipleTargetTopics([topics.data]);
      const broker = await cluster.brokerPool.findConnectedBroker();
      const { producerId } = await broker.initProducerId({ transactionalId: topics.data, transactionTimeout: 60_000 });
      const batch = new PartitionedBatch([{ name: topics.data, partitions: 3 }], topics.state);
      for (let n = 0; n < 30; n++) append(batch, topics.data, n % 3, n, value(n));
      const parts = batch.finish({ producerId: BigInt(producerId), epoch: 0 }, () => 0);
      for (let times = 0; times < 3; times++)
        await deliver(cluster, parts, { totalMs: 5000, requestMs: 5000, requestBytes: 1 << 20 });
      await everyRecordOnce(30);
    } finally {
      link.cut(new Error('done'));
    }
  });

  it('goes through although the link is cut at any moment of it', async () => {
    const writer = await openWriter(topics, throughProxy());
    for (let round = 0; round < 40; round++) {
      const flushed = writer.flush(fill(writer, round * 60, (round + 1) * 60));
      await sleep(Math.random() * 5);
      proxy.cut();
      await flushed;
    }
    await everyRecordOnce(2400);
  });

  it('is given up in time when the link is dead, and a new writer goes on after what is there', async () => {
    let next = 0;
    for (let round = 0; round < 12; round++) {
      const writer = await openWriter(topics, { ...throughProxy(), flushTimeoutMs: 400 });
      // What an earlier flush brought into some partitions and not into others.
      const held = [0, 1, 2].map((partition) => writer.tail(topics.data, partition));
      const isThere = (partition: number, n: number) =>
        held[partition] !== null && comparePositions(position(n), held[partition]!) <= 0;
      await writer.flush(fill(writer, 0, next, isThere));

      const flushed = writer.flush(fill(writer, next, next + 60));
      next += 60;
      const began = performance.now();
      await sleep(Math.random() * 4);
      await proxy.refuse();
      const failure = await flushed.then(
        () => null,
        (error: unknown) => error,
      );
      expect(performance.now() - began).toBeLessThan(2000);
      if (failure) {
        expect(failure).toMatchObject({ kind: expect.stringMatching(/^(kafka_unreachable|produce_failed)$/) });
        await expect(writer.flush(fill(writer, next, next + 1))).rejects.toBe(failure);
      }
      await proxy.accept();
    }
    const last = await openWriter(topics);
    const held = [0, 1, 2].map((partition) => last.tail(topics.data, partition));
    await last.flush(fill(last, 0, next, (p, n) => held[p] !== null && comparePositions(position(n), held[p]!) <= 0));
    await everyRecordOnce(next);
  });

  it('replaces a connection that went silent, and what that one still held comes to nothing', async () => {
    const writer = await openWriter(topics, { ...throughProxy(), requestTimeoutMs: 2000 });
    await writer.flush(fill(writer, 0, 30));
    const connections = proxy.accepted;
    const began = performance.now();
    proxy.freeze();
    const flushed = writer.flush(fill(writer, 30, 60));
    await eventually(() => proxy.accepted > connections);
    // After one request's time, not after that of the next on the same dead connection.
    expect(performance.now() - began).toBeLessThan(3800);
    proxy.pass();
    await flushed;
    await writer.flush(fill(writer, 60, 90));
    await everyRecordOnce(90);
  });

  it('that nobody answers rejects at its deadline', async () => {
    const writer = await openWriter(topics, { ...throughProxy(), flushTimeoutMs: 1000 });
    proxy.freeze();
    const began = performance.now();
    await expect(writer.flush(fill(writer, 0, 30))).rejects.toMatchObject({ retry: 'timed' });
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(performance.now() - began).toBeLessThan(1500);
  });
});

it('a consumer behind a link that is cut again and again does every record', async () => {
  const groupId = uniqueName('group');
  const done = new Set<string>();
  const onBatch = async (batch: ConsumedBatch) => {
    for (const { key } of batch.records) done.add(key!.toString());
  };
  let consumer: GroupConsumer;
  let stopped = false;
  const kinds = new Set<string>();
  // As the supervisor does it: a new one after each failure.
  const lives = (async () => {
    while (!stopped) {
      consumer = createGroupConsumer({ ...throughProxy(), log: silentLogger, groupId, topics: [topics.data] });
      await consumer.run(onBatch).catch((error) => kinds.add(error.kind));
    }
  })();
  const writer = await openWriter(topics);
  for (let round = 0; round < 10; round++) {
    await writer.flush(fill(writer, round * 60, (round + 1) * 60));
    await sleep(Math.random() * 200);
    proxy.cut();
  }
  await eventually(() => done.size === 600, { timeoutMs: 45_000 });
  stopped = true;
  await consumer!.stop();
  await lives;
  for (const kind of kinds) expect(['kafka_unreachable', 'consumer_failed']).toContain(kind);
});
