import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deferred } from '../../../src/core/deferred';
import { CdcError } from '../../../src/core/errors';
import { silentLogger } from '../../../src/core/ports/log';
import type { ConsumedBatch, GroupConsumer, TopicWriter } from '../../../src/core/ports/topics';
import { createGroupConsumer, type GroupConsumerOptions } from '../../../src/kafka/consumer';
import { stack, uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';
import { access, append, closeWriters, createTopics, openWriter, type TestTopics, withAdmin } from './support';

jest.setTimeout(30_000);

let topics: TestTopics;
let groupId: string;
let writer: TopicWriter;
const running: { consumer: GroupConsumer; ended: Promise<void> }[] = [];

beforeEach(async () => {
  topics = await withAdmin((admin) => createTopics(admin));
  groupId = uniqueName('group');
  writer = await openWriter(topics);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ consumer }) => consumer.stop()));
  await closeWriters();
});

async function write(partition: number, ...numbers: number[]): Promise<void> {
  const batch = writer.newBatch();
  for (const n of numbers) append(batch, topics.data, partition, n, `value-${n}`);
  await writer.flush(batch);
}

type OnBatch = Parameters<GroupConsumer['run']>[0];

function start(onBatch: OnBatch, more: Partial<GroupConsumerOptions> = {}) {
  const options = { access: access(), log: silentLogger, groupId, topics: [topics.data], ...more };
  const consumer = createGroupConsumer(options);
  const ended = consumer.run(onBatch);
  ended.catch(() => {});
  running.push({ consumer, ended });
  return { consumer, ended };
}

/** Collects keys; the handler does nothing else. */
function collector() {
  const keys: string[] = [];
  const onBatch = async (batch: ConsumedBatch) => {
    for (const { key } of batch.records) keys.push(key!.toString());
  };
  return { keys, onBatch };
}

const committed = (topic: string) =>
  withAdmin(async (admin) => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return new Map(found!.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  });

/** The tool of Kafka itself, as an operator uses it. */
async function consumerGroups(...args: string[]): Promise<string> {
  const main = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
  const command = [
    '-cp',
    join(stack().kafkaLibs, '*'),
    main,
    '--bootstrap-server',
    stack().kafkaBrokers,
    '--group',
    groupId,
  ];
  return (await promisify(execFile)('java', ['-XX:TieredStopAtLevel=1', ...command, ...args])).stdout;
}

describe('a group consumer', () => {
  it('starts at the earliest offset, says so, and reads what comes afterwards', async () => {
    await write(0, 1, 2);
    const resets: unknown[] = [];
    const { keys, onBatch } = collector();
    const { consumer } = start(onBatch, { onReset: (...reset) => resets.push(reset) });
    await eventually(() => keys.length === 2);
    expect(Object.fromEntries(consumer.assignment())).toEqual({ [topics.data]: [0, 1, 2] });
    await eventually(() => resets.length === 3);
    expect(resets).toContainEqual([topics.data, 0, 'none committed']);
    await write(1, 3);
    await eventually(() => keys.length === 3);
    expect(keys).toEqual(['key-1', 'key-2', 'key-3']);
  });

  it('hands over records as they were written', async () => {
    const batches: ConsumedBatch[] = [];
    start(async (batch) => void batches.push(batch));
    const batch = writer.newBatch();
    append(batch, topics.data, 0, 7, 'value');
    append(batch, topics.data, 0, 8, null);
    await writer.flush(batch);
    await eventually(() => batches.length > 0);
    const { topic, partition, records, highWatermark } = batches[0]!;
    expect({ topic, partition }).toEqual({ topic: topics.data, partition: 0 });
    expect(records.map(({ key, value, timestampMs }) => [key?.toString(), value?.toString(), timestampMs])).toEqual([
      ['key-7', 'value', 1_700_000_000_007],
      ['key-8', undefined, 1_700_000_000_008],
    ]);
    expect(records[1]!.headers.position?.toString()).toBe('00000001-0000000000001008-00000000');
    expect(highWatermark).toBe(records[1]!.offset + 1n);
  });

  it('commits only when the handler is done', async () => {
    await write(0, 1, 2, 3);
    const entered = deferred();
    const go = deferred();
    const done: bigint[] = [];
    start(
      async () => {
        entered.resolve();
        await go.promise;
      },
      { onCommitted: (_topic, partition, next) => partition === 0 && done.push(next) },
    );
    await entered.promise;
    expect((await committed(topics.data)).get(0)).toBe(-1);
    expect(done).toEqual([]);
    go.resolve();
    // One marker of the fence, then three records.
    await eventually(async () => (await committed(topics.data)).get(0) === 4);
    expect(done.at(-1)).toBe(4n);
  });

  it('ends with the error of the handler, and its successor is given the batch again', async () => {
    await write(0, 1, 2);
    const trouble = new CdcError('messaging_query', 'no');
    const { ended } = start(async () => {
      throw trouble;
    });
    await expect(ended).rejects.toBe(trouble);
    expect((await committed(topics.data)).get(0)).toBe(-1);
    const { keys, onBatch } = collector();
    start(onBatch);
    await eventually(() => keys.length === 2);
  });

  it('passes markers, so that a renewed fence is no lag', async () => {
    await write(0, 1);
    const { keys, onBatch } = collector();
    start(onBatch);
    await eventually(() => keys.length === 1);
    await writer.renewFence();
    await writer.renewFence();
    await eventually(async () => {
      const at = await committed(topics.data);
      expect([at.get(0), at.get(1), at.get(2)]).toEqual([4, 3, 3]);
      return true;
    });
  });

  it('finishes the batch in hand when stopped, commits it, and leaves the group at once', async () => {
    await write(0, 1, 2);
    const entered = deferred();
    const go = deferred();
    const { consumer, ended } = start(async () => {
      entered.resolve();
      await go.promise;
    });
    await entered.promise;
    const began = performance.now();
    const stopped = consumer.stop();
    setTimeout(go.resolve, 300);
    await Promise.all([stopped, ended]);
    expect(performance.now() - began).toBeLessThan(5000);
    expect((await committed(topics.data)).get(0)).toBe(3);
    const [group] = (await withAdmin((admin) => admin.describeGroups([groupId]))).groups;
    expect(group!.members).toEqual([]);
  });

  it('can be stopped while the group is forming', async () => {
    const { consumer, ended } = start(async () => {});
    await consumer.stop();
    await ended;
    await eventually(
      async () => (await withAdmin((admin) => admin.describeGroups([groupId]))).groups[0]!.members.length === 0,
    );
  });

  it('obeys kafka-consumer-groups.sh --reset-offsets', async () => {
    await write(0, 1, 2);
    await write(1, 3);
    const first = collector();
    const { consumer } = start(first.onBatch);
    await eventually(() => first.keys.length === 3);
    await eventually(async () => (await committed(topics.data)).get(1) === 2);
    await consumer.stop();
    await consumerGroups('--topic', topics.data, '--reset-offsets', '--to-earliest', '--execute');
    const second = collector();
    start(second.onBatch);
    await eventually(() => second.keys.length === 3);
    expect(second.keys.sort()).toEqual(['key-1', 'key-2', 'key-3']);
  });

  it('goes on at the earliest offset when its own was deleted, and commits a real one', async () => {
    // Records of a compacted topic cannot be deleted by hand.
    const topic = topics.deadLetters;
    const batch = writer.newBatch();
    for (const n of [1, 2, 3, 4]) append(batch, topic, 0, n, 'stub');
    await writer.flush(batch);
    await withAdmin(async (admin) => {
      await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '1' }] });
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] });
    });
    const resets: unknown[] = [];
    const { keys, onBatch } = collector();
    start(onBatch, { topics: [topic], onReset: (_topic, partition, why) => resets.push([partition, why]) });
    await eventually(() => keys.length === 2);
    expect(keys).toEqual(['key-3', 'key-4']);
    expect(resets).toEqual([[0, 'out of range']]);
    await eventually(async () => (await committed(topic)).get(0) === 5);
  });

  it('shares the partitions with a second member and hands its own over', async () => {
    const first = start(async () => {});
    await eventually(() => first.consumer.assignment().get(topics.data)?.length === 3);
    const second = start(async () => {});
    await eventually(
      () => {
        const held = [first, second].map(({ consumer }) => consumer.assignment().get(topics.data) ?? []);
        expect(held.flat().sort()).toEqual([0, 1, 2]);
        expect(held.every((partitions) => partitions.length > 0)).toBe(true);
        return true;
      },
      { timeoutMs: 20_000 },
    );
    await first.consumer.stop();
    await eventually(() => second.consumer.assignment().get(topics.data)?.length === 3, { timeoutMs: 20_000 });
  });

  it('tells a handler in long work that its partition is lost, and reads the batch again', async () => {
    await write(0, 1);
    let calls = 0;
    const rejected: unknown[] = [];
    const first = start(async (_batch, keepAlive) => {
      if (++calls > 1) return;
      for (;;) {
        try {
          await keepAlive();
        } catch (error) {
          rejected.push(error);
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    await eventually(() => calls === 1);
    const second = collector();
    start(second.onBatch);
    await eventually(() => rejected.length > 0, { timeoutMs: 20_000 });
    expect(rejected[0]).toMatchObject({ kind: 'consumer_failed' });
    await eventually(() => calls + second.keys.length >= 2, { timeoutMs: 20_000 });
    await Promise.race([first.ended, eventually(async () => (await committed(topics.data)).get(0) === 2)]);
  });

  it('works on several partitions at the same time when told to, and on one batch of each', async () => {
    for (const partition of [0, 1, 2]) await write(partition, partition);
    let together = 0;
    let most = 0;
    const { keys, onBatch } = collector();
    start(
      async (batch) => {
        most = Math.max(most, ++together);
        await new Promise((resolve) => setTimeout(resolve, 200));
        await onBatch(batch);
        together--;
      },
      { concurrency: 3 },
    );
    await eventually(() => keys.length === 3);
    expect(most).toBe(3);
  });

  it.each([
    ['a topic that does not exist', {}, 'topic_missing'],
    ['a broker that does not answer', { access: access('127.0.0.1:1') }, 'kafka_unreachable'],
  ])('rejects for %s', async (_what, more, kind) => {
    const { ended } = start(async () => {}, { topics: [`${topics.data}.nowhere`], ...more });
    await expect(ended).rejects.toMatchObject({ kind });
  });
});
