import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatPosition } from '../../../src/core/position';
import { Slab } from '../../../src/core/slab';
import { stack, uniqueName } from '../../support/stack';
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

jest.setTimeout(30_000);

let topics: TestTopics;
beforeEach(async () => {
  topics = await withAdmin((admin) => createTopics(admin));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await closeWriters();
});

const value = (n: number, more = '') => formatPosition(position(n)) + more;

async function writeOne(
  writer: Awaited<ReturnType<typeof openWriter>>,
  partition: number,
  n: number,
  topic = topics.data,
) {
  const batch = writer.newBatch();
  append(batch, topic, partition, n, value(n));
  await writer.flush(batch);
}

describe('a new writer', () => {
  it('finds nothing in empty topics, and afterwards what was written', async () => {
    const first = await openWriter(topics);
    expect(first.topics).toEqual([
      { name: topics.data, partitions: 3 },
      { name: topics.other, partitions: 2 },
      { name: topics.state, partitions: 1 },
      { name: topics.deadLetters, partitions: 1 },
    ]);
    expect(first.tail(topics.data, 0)).toBeNull();
    expect(first.state.size).toBe(0);
    expect(first.maxBatchBytes(topics.data)).toBe(1_048_588);

    const batch = first.newBatch();
    for (const n of [1, 2, 3]) append(batch, topics.data, 0, n, value(n));
    append(batch, topics.data, 2, 4, null);
    append(batch, topics.other, 1, 5, value(5));
    batch.appendState('c/source', '{"epoch":1}', 1n);
    batch.appendState('c/topics', '{"partitions":3}', 1n);
    batch.appendState('c/source', '{"epoch":2}', 1n);
    batch.appendState('c/topics', null, 1n);
    await first.flush(batch);

    const second = await openWriter(topics);
    expect(second.tail(topics.data, 0)).toMatchObject(position(3));
    expect(second.tail(topics.data, 1)).toBeNull();
    expect(second.tail(topics.data, 2)).toMatchObject(position(4));
    expect(second.tail(topics.other, 1)).toMatchObject(position(5));
    expect([...second.state]).toEqual([['c/source', '{"epoch":2}']]);
  });

  it('finds the tails behind many fences and renewals in a row', async () => {
    const first = await openWriter(topics);
    await writeOne(first, 0, 1);
    await writeOne(first, 2, 2);
    for (let i = 0; i < 40; i++) await first.renewFence();
    for (let i = 0; i < 5; i++) await (await openWriter(topics)).close();
    const last = await openWriter(topics);
    expect([0, 1, 2].map((partition) => last.tail(topics.data, partition))).toMatchObject([
      position(1),
      null,
      position(2),
    ]);
  });

  it.each([
    ['written to since', 0],
    ['not written to since', 1],
    ['never written to', 2],
  ])('refuses the one before on a partition %s', async (_what, partition) => {
    const old = await openWriter(topics);
    await writeOne(old, 0, 1);
    await writeOne(old, 1, 2);
    const young = await openWriter(topics);
    await writeOne(young, 0, 3);
    const zombie = old.newBatch();
    append(zombie, topics.data, partition, 9, value(9));
    await expect(old.flush(zombie)).rejects.toMatchObject({ kind: 'fenced' });
    await writeOne(young, partition, 4);
    const keys = [['key-1', 'key-3'], ['key-2'], []][partition]!;
    expect(await keysOf(topics.data, partition)).toEqual([...keys, 'key-4']);
  });

  it('refuses what the one before writes to the state topic and to the dead letters, too', async () => {
    for (const spoil of ['state', 'deadLetters'] as const) {
      const old = await openWriter(topics);
      await openWriter(topics);
      const zombie = old.newBatch();
      if (spoil === 'state') zombie.appendState('key', '{}', 1n);
      else append(zombie, topics.deadLetters, 0, 1, 'stub');
      await expect(old.flush(zombie)).rejects.toMatchObject({ kind: 'fenced' });
    }
    const old = await openWriter(topics);
    await openWriter(topics);
    await expect(old.renewFence()).rejects.toMatchObject({ kind: 'fenced' });
  });

  it('leaves one alive when several open at the same time, and the others know', async () => {
    const opened = await Promise.allSettled(Array.from({ length: 5 }, () => openWriter(topics)));
    const writers = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    for (const result of opened)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'fenced' });
    const flushes = await Promise.allSettled(writers.map((writer, n) => writeOne(writer, 0, n)));
    expect(flushes.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    const next = await openWriter(topics);
    await writeOne(next, 0, 99);
    const keys = await keysOf(topics.data, 0);
    expect(keys.length).toBeLessThanOrEqual(2);
    expect(keys.at(-1)).toBe('key-99');
  });

  it('does without the state topic and the dead letters where they do not exist', async () => {
    const writer = await openWriter(topics, { stateTopic: uniqueName('none'), deadLetterTopic: uniqueName('none') });
    expect(writer.topics.map(({ name }) => name)).toEqual([topics.data, topics.other]);
    await writeOne(writer, 0, 1);
  });

  it.each([
    ['a topic that does not exist', () => ({ topics: [uniqueName('none')] }), 'topic_missing'],
    ['a broker that does not answer', () => ({ access: access('127.0.0.1:1') }), 'kafka_unreachable'],
    [
      'a record of another program at the end',
      () => ({
        positionOf: () => {
          throw new Error('not ours');
        },
      }),
      'internal',
    ],
  ])('rejects for %s', async (_what, more, kind) => {
    await writeOne(await openWriter(topics), 0, 1);
    await expect(openWriter(topics, more())).rejects.toMatchObject({ kind });
  });
});

describe('a flush', () => {
  it('goes on through many batches and renewed fences, in order', async () => {
    const writer = await openWriter(topics);
    const batches = [writer.newBatch(), writer.newBatch()] as const;
    for (let round = 0; round < 30; round++) {
      const batch = batches[round % 2 === 0 ? 0 : 1];
      for (let i = 0; i < 5; i++) append(batch, topics.data, 0, round * 5 + i, value(round * 5 + i));
      await writer.flush(batch);
      batch.clear();
      if (round % 10 === 4) await writer.renewFence();
    }
    const keys = await keysOf(topics.data, 0);
    expect(keys).toEqual(Array.from({ length: 150 }, (_, n) => `key-${n}`));
    const markers = (await readAll(topics.data, 0)).filter((record) => record.isControlRecord);
    expect(markers).toHaveLength(4);
    // The renewal raises nothing: sequence numbers go on.
    expect(new Set(markers.map(({ batchContext }) => batchContext.producerEpoch)).size).toBe(1);
  });

  it('ends with the renewal that finds more partitions than there were', async () => {
    const writer = await openWriter(topics);
    await writer.renewFence();
    await withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: topics.data, count: 4 }] }));
    await expect(writer.check()).rejects.toMatchObject({ kind: 'partitions_changed' });
    await expect(writer.renewFence()).rejects.toMatchObject({ kind: 'partitions_changed' });
  });

  it('looks at topics that are as it left them', async () => {
    const writer = await openWriter(topics);
    await writer.check();
    for (const n of [1, 2, 3]) {
      await writeOne(writer, n - 1, n);
      await writer.check();
    }
    await writer.renewFence();
    await writer.check();
  });

  it('keeps record times, empty values and large ones', async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    const large = 'x'.repeat(900_000);
    append(batch, topics.data, 0, 1, '');
    append(batch, topics.data, 0, 2, large);
    append(batch, topics.data, 0, 3, null);
    const slab = new Slab();
    slab.pos = slab.bytes.write('key');
    // An earlier time after a later one.
    batch.append(topics.data, 0, slab, 0, 3, 3, 3, 1_600_000_000_000n, null);
    await writer.flush(batch);
    const records = (await readAll(topics.data, 0)).filter((record) => !record.isControlRecord);
    expect(records.map((record) => record.value?.length ?? null)).toEqual([0, 900_000, null, 0]);
    expect(records.map((record) => record.timestampMs)).toEqual([
      1_700_000_000_001, 1_700_000_000_002, 1_700_000_000_003, 1_600_000_000_000,
    ]);
  });

  it('B13: of a record larger than its topic takes is refused by name, never dropped', async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    append(batch, topics.data, 0, 1, value(1, 'x'.repeat(1_100_000)));
    await expect(writer.flush(batch)).rejects.toMatchObject({ kind: 'record_too_large' });
    expect(await keysOf(topics.data, 0)).toEqual([]);
  });

  it('B3: is not acknowledged while one of its topics lacks its part, and the tails tell which', async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    append(batch, topics.data, 0, 1, value(1));
    append(batch, topics.other, 0, 2, value(2, 'x'.repeat(1_100_000)));
    await expect(writer.flush(batch)).rejects.toMatchObject({ kind: 'record_too_large' });
    const next = await openWriter(topics);
    expect([next.tail(topics.data, 0), next.tail(topics.other, 0)]).toMatchObject([position(1), null]);
  });

  it("is read by Kafka's own consumer, which checks every checksum", async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    for (const n of [1, 2, 3]) append(batch, topics.data, 0, n, n === 3 ? null : value(n));
    await writer.flush(batch);
    const shown = ['key', 'value', 'headers', 'timestamp'].flatMap((what) => ['--property', `print.${what}=true`]);
    const where = ['--bootstrap-server', stack().kafkaBrokers, '--topic', topics.data, '--partition', '0'];
    const limits = ['--offset', 'earliest', '--max-messages', '3', '--isolation-level', 'read_committed'];
    const main = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
    const command = [
      '-XX:TieredStopAtLevel=1',
      '-cp',
      join(stack().kafkaLibs, '*'),
      main,
      ...where,
      ...limits,
      ...shown,
    ];
    const { stdout } = await promisify(execFile)('java', command);
    expect(stdout.trim().split('\n')).toEqual([
      `CreateTime:1700000000001\tNO_HEADERS\tkey-1\t${value(1)}`,
      `CreateTime:1700000000002\tNO_HEADERS\tkey-2\t${value(2)}`,
      `CreateTime:1700000000003\tposition:${value(3)}\tkey-3\tnull`,
    ]);
  });

  it('takes a batch of exactly the size the topic takes', async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    append(batch, topics.data, 0, 1, value(1));
    const free = writer.maxBatchBytes(topics.data) - batch.largestBytes;
    batch.clear();
    // Two lengths grow by two bytes each.
    append(batch, topics.data, 0, 1, value(1, 'x'.repeat(free - 4)));
    expect(batch.largestBytes).toBe(writer.maxBatchBytes(topics.data));
    await writer.flush(batch);
    expect((await openWriter(topics)).tail(topics.data, 0)).toMatchObject(position(1));
  });

  it('after a sleep longer than a fence surely holds is refused by the writer itself', async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    append(batch, topics.data, 0, 1, value(1));
    const now = Date.now();
    expect(writer.renewFenceEveryMs).toBe(3_600_000);
    jest.spyOn(Date, 'now').mockReturnValue(now + 13 * 3_600_000);
    await expect(writer.flush(batch)).rejects.toMatchObject({ kind: 'fenced' });
    jest.restoreAllMocks();
    expect(await keysOf(topics.data, 0)).toEqual([]);
  });

  it('after close is refused', async () => {
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    append(batch, topics.data, 0, 1, value(1));
    await writer.close();
    await expect(writer.flush(batch)).rejects.toMatchObject({ kind: 'produce_failed' });
  });
});
