import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { silentLogger } from '../../../src/core/ports/log';
import type { ConsumedBatch, GroupConsumer } from '../../../src/core/ports/topics';
import { formatPosition } from '../../../src/core/position';
import type { Kafka } from '../../../src/dev/stack/kafka';
import { createGroupConsumer } from '../../../src/kafka/consumer';
import type { FetchedRecord } from '../../../src/kafka/fetch-response';
import { uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';
import {
  access,
  append,
  closeWriters,
  createTopics,
  keysOf,
  type OwnBroker,
  openWriter,
  ownBroker,
  position,
  readAll,
  type TestTopics,
  withAdmin,
  writeOne as write,
} from './support';

/** A broker of this file's own: it compacts and expires within seconds, and it is restarted. */
jest.setTimeout(60_000);

let own: OwnBroker;
let kafka: Kafka;
let topics: TestTopics;

beforeAll(async () => {
  own = await ownBroker({
    'log.cleaner.backoff.ms': 100,
    'log.cleaner.min.cleanable.ratio': 0.001,
    'log.segment.delete.delay.ms': 100,
    'log.initial.task.delay.ms': 100,
    'log.retention.check.interval.ms': 200,
  });
  kafka = await own.start();
});
afterAll(() => own.remove(kafka));
beforeEach(async () => {
  topics = await withAdmin((admin) => createTopics(admin), kafka.brokers);
});
afterEach(closeWriters);

const open = () => openWriter(topics, { access: access(kafka.brokers) });
const value = (n: number) => formatPosition(position(n));

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

async function configure(topic: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await withAdmin(
    (admin: Admin) => admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] }),
    kafka.brokers,
  );
}

const isData = (record: FetchedRecord) => !record.isControlRecord;
/** Stands for records that a batch has lost at its end. */
const isGap = (record: FetchedRecord) => record.isControlRecord && !record.batchContext.isControlBatch;

describe('a compacted topic', () => {
  it('whose batches lost their last records, or all of them, is read to its end', async () => {
    const topic = topics.data;
    await configure(topic, {
      'cleanup.policy': 'compact',
      'segment.ms': '300',
      'delete.retention.ms': '100',
      'min.cleanable.dirty.ratio': '0.001',
    });
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
    expect((await open()).tail(topic, 0)).toMatchObject(position(2));

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

describe('tails whose records are gone', () => {
  /** Records 1 to 6 in turn in two partitions, each in a batch of its own. */
  async function six() {
    const writer = await open();
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const batch = writer.newBatch();
      append(batch, topics.data, n % 2, n, value(n), Date.now());
      await writer.flush(batch);
    }
    return writer;
  }
  const cut = (partition: number, offset: string) =>
    withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(topics.data); // or kafkajs does not know the topic
      await admin.deleteTopicRecords({ topic: topics.data, partitions: [{ partition, offset }] });
    }, kafka.brokers);

  it('deleted: refused by the broker as long as the topic is only compacted', async () => {
    await six();
    await expect(cut(1, '-1')).rejects.toMatchObject({ cause: { name: 'KafkaJSDeleteTopicRecordsError' } });
  });

  it('deleted, all of a partition and some of another: what is left counts, and what comes next is written', async () => {
    await configure(topics.data, { 'cleanup.policy': 'compact,delete' });
    const writer = await six();
    await cut(1, '-1'); // to its end, our marker included
    await cut(0, '3'); // 2 and 4
    await expect(writer.check()).resolves.toBeUndefined();
    const next = await open();
    expect(next.tail(topics.data, 1)).toBeNull();
    expect(next.tail(topics.data, 0)).toMatchObject(position(6));
    const batch = next.newBatch();
    append(batch, topics.data, 1, 7, value(7));
    await next.flush(batch);
    expect((await open()).tail(topics.data, 1)).toMatchObject(position(7));
  });

  it('expired: of a partition that nobody has written to since there is nothing, of the other what came since', async () => {
    await configure(topics.data, { 'cleanup.policy': 'delete', 'segment.ms': '300', 'retention.ms': '1000' });
    const writer = await six();
    await eventually(
      async () => {
        await writer.renewFence(); // rolls the segment
        const spans = await withAdmin((admin) => admin.fetchTopicOffsets(topics.data), kafka.brokers);
        return spans.every(({ partition, low }) => partition === 2 || Number(low) > 3);
      },
      { timeoutMs: 30_000, intervalMs: 350 },
    );
    const batch = writer.newBatch();
    append(batch, topics.data, 1, 7, value(7), Date.now());
    await writer.flush(batch);
    const next = await open();
    expect(next.tail(topics.data, 0)).toBeNull();
    expect(next.tail(topics.data, 1)).toMatchObject(position(7));
  });
});

/** RECORDS=200000 FENCES=1000 for the promised size. */
const RECORDS = Number(process.env.RECORDS ?? 20_000);
const FENCES = Number(process.env.FENCES ?? 100);

it(`opening behind ${RECORDS} records and ${FENCES} fences takes no longer than behind a few`, async () => {
  const took = async () => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      await (await open()).close();
      times.push(performance.now() - started);
    }
    return times.sort((a, b) => a - b)[2]!;
  };
  const writer = await open();
  await write(writer, topics.data, 0);
  const few = await took();
  const again = await open();
  for (let n = 1; n <= RECORDS; n += 5000) {
    const batch = again.newBatch();
    for (let i = 0; i < 5000; i++) append(batch, topics.data, (n + i) % 3, n + i, value(n + i));
    batch.appendState(`load/${n}`, JSON.stringify({ n }), 1n);
    await again.flush(batch);
  }
  for (let i = 0; i < FENCES; i++) await again.renewFence();
  const many = await took();
  process.stderr.write(`opening: ${few.toFixed(0)} ms behind a few records, ${many.toFixed(0)} ms behind many\n`);
  expect(many).toBeLessThan(1500);
  expect(many).toBeLessThan(4 * few + 200);
  expect((await open()).tail(topics.data, RECORDS % 3)).toMatchObject(position(RECORDS));
}, 300_000);

describe('a restart of the broker', () => {
  it('is waited for by a flush and by a consumer', async () => {
    const writer = await open();
    await write(writer, topics.data, 1);
    const keys: string[] = [];
    const group = consumeInLives(topics.data, (key) => keys.push(key));
    await eventually(() => keys.length === 1, { timeoutMs: 30_000 });
    await kafka.stop();
    const flushed = write(writer, topics.data, 2);
    kafka = await own.start();
    await flushed;
    await write(writer, topics.data, 3);
    expect(await keysOf(topics.data, 0, kafka.brokers)).toEqual(['key-1', 'key-2', 'key-3']);
    await eventually(() => new Set(keys).size === 3, { timeoutMs: 30_000 });
    await group.stop();
  });
});
