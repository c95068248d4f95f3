import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { silentLogger } from '../../../src/core/ports/log';
import type { ConsumedBatch, GroupConsumer } from '../../../src/core/ports/topics';
import { formatPosition } from '../../../src/core/position';
import { type Kafka, startKafka } from '../../../src/dev/stack/kafka';
import { choosePorts } from '../../../src/dev/stack/ports';
import { createGroupConsumer } from '../../../src/kafka/consumer';
import type { FetchedRecord } from '../../../src/kafka/fetch-response';
import { stack, uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';
import {
  access,
  append,
  closeWriters,
  createTopics,
  keysOf,
  openWriter,
  position,
  readAll,
  type TestTopics,
  withAdmin,
} from './support';

/** A broker of this file's own: it forgets producers and compacts within seconds, and it is restarted. */
jest.setTimeout(60_000);

let dir: string;
let kafka: Kafka;
let start: () => Promise<Kafka>;
let topics: TestTopics;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kafka-'));
  const { port, controllerPort } = await choosePorts({ port: 0, controllerPort: 0 });
  const settings = {
    'producer.id.expiration.ms': 4000,
    'producer.id.expiration.check.interval.ms': 200,
    'log.cleaner.backoff.ms': 100,
    'log.cleaner.min.cleanable.ratio': 0.001,
    'log.segment.delete.delay.ms': 100,
  };
  start = () => startKafka({ dir, port, controllerPort, libs: stack().kafkaLibs, settings });
  kafka = await start();
});
afterAll(async () => {
  await kafka.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  topics = await withAdmin((admin) => createTopics(admin), kafka.brokers);
});
afterEach(closeWriters);

const open = () => openWriter(topics, { access: access(kafka.brokers) });
const value = (n: number) => formatPosition(position(n));

async function write(
  writer: Awaited<ReturnType<typeof open>>,
  topic: string,
  n: number,
  text: string | null = value(n),
) {
  const batch = writer.newBatch();
  append(batch, topic, 0, n, text);
  await writer.flush(batch);
}

/** As the supervisor does it: a life that ended is followed by the next (a fresh broker's coordinator may still be loading). */
function consumeInLives(topic: string, onKey: (key: string) => void, onPassed: (next: bigint) => void = () => {}) {
  const groupId = uniqueName('group');
  let consumer: GroupConsumer;
  let stopped = false;
  const lives = (async () => {
    while (!stopped) {
      consumer = createGroupConsumer({
        access: access(kafka.brokers),
        log: silentLogger,
        groupId,
        topics: [topic],
        onCommitted: (_topic, partition, next) => partition === 0 && onPassed(next),
      });
      const run = async ({ records }: ConsumedBatch) => {
        for (const { key } of records) onKey(key!.toString());
      };
      await consumer.run(run).catch(() => sleep(100));
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await consumer.stop();
      await lives;
    },
  };
}

describe('the fence', () => {
  it('wears off on a partition that is idle for longer than the broker remembers producers', async () => {
    const old = await open();
    await write(old, topics.data, 1);
    await open();
    // Else this test would prove nothing about renewal. The clock of the old one stood still, as on a frozen machine.
    const frozen = Date.now();
    await sleep(7000);
    jest.spyOn(Date, 'now').mockReturnValue(frozen);
    await write(old, topics.data, 2);
    jest.restoreAllMocks();
    expect(await keysOf(topics.data, 0, kafka.brokers)).toEqual(['key-1', 'key-2']);
  });

  it('is not trusted by a writer that slept longer than half of what the broker remembers', async () => {
    const old = await open();
    await write(old, topics.data, 1);
    await sleep(2500);
    await expect(write(old, topics.data, 2)).rejects.toMatchObject({ kind: 'fenced' });
  });

  it('holds as long as it is renewed', async () => {
    const old = await open();
    await write(old, topics.data, 1);
    const young = await open();
    // The broker remembers for 4 s.
    expect(young.renewFenceEveryMs).toBe(1000);
    for (let i = 0; i < 7; i++) {
      await sleep(young.renewFenceEveryMs);
      await young.renewFence();
    }
    await expect(write(old, topics.data, 2)).rejects.toMatchObject({ kind: 'fenced' });
    await write(young, topics.data, 3);
    expect(await keysOf(topics.data, 0, kafka.brokers)).toEqual(['key-1', 'key-3']);
  });
});

const isData = (record: FetchedRecord) => !record.isControlRecord;
/** Stands for records that a batch has lost at its end. */
const isGap = (record: FetchedRecord) => record.isControlRecord && !record.batchContext.isControlBatch;

describe('a compacted topic', () => {
  it('whose batches lost their last records, or all of them, is read to its end', async () => {
    const topic = topics.data;
    await withAdmin(async (admin: Admin) => {
      const settings = {
        'cleanup.policy': 'compact',
        'segment.ms': '300',
        'delete.retention.ms': '100',
        'min.cleanable.dirty.ratio': '0.001',
      };
      const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] });
    }, kafka.brokers);
    const writer = await open();
    const batch = writer.newBatch();
    for (const n of [1, 2, 3, 4]) append(batch, topic, 0, n, value(n), Date.now());
    await writer.flush(batch);
    // The last two of them are written again and end, with a new segment every time.
    for (let round = 0; round < 6; round++) {
      await sleep(350);
      batch.clear();
      for (const n of [3, 4]) append(batch, topic, 0, n, round % 2 === 0 ? value(n) : null, Date.now());
      await writer.flush(batch);
    }
    // Of the producer's last batch the frame stays when its records are gone: it holds the sequence number.
    const records = await eventually(
      async () => {
        await writer.renewFence();
        const all = await readAll(topic, 0, kafka.brokers);
        return all.filter(isGap).length === 2 && all.filter(isData).length === 2 && all;
      },
      { timeoutMs: 30_000, intervalMs: 300 },
    );
    expect(records.filter(isData).map(({ offset }) => offset)).toEqual([1n, 2n]);
    expect((await open()).tail(topic, 0)).toEqual(position(2));

    const keys: string[] = [];
    let passed = 0n;
    const group = consumeInLives(
      topic,
      (key) => keys.push(key),
      (next) => {
        passed = next;
      },
    );
    const end = (await readAll(topic, 0, kafka.brokers)).at(-1)!.offset + 1n;
    await eventually(() => passed === end, { timeoutMs: 30_000 });
    expect(keys).toEqual(['key-1', 'key-2']);
    await group.stop();
  });
});

describe('a restart of the broker', () => {
  it('is waited for by a flush and by a consumer', async () => {
    const writer = await open();
    await write(writer, topics.data, 1);
    const keys: string[] = [];
    const group = consumeInLives(topics.data, (key) => keys.push(key));
    await eventually(() => keys.length === 1, { timeoutMs: 30_000 });
    await kafka.stop();
    const flushed = write(writer, topics.data, 2);
    kafka = await start();
    await flushed;
    await write(writer, topics.data, 3);
    expect(await keysOf(topics.data, 0, kafka.brokers)).toEqual(['key-1', 'key-2', 'key-3']);
    await eventually(() => new Set(keys).size === 3, { timeoutMs: 30_000 });
    await group.stop();
  });
});
