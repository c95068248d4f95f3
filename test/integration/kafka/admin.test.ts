import type { Admin } from 'kafkajs';
import { silentLogger } from '../../../src/core/ports/log';
import { formatPosition } from '../../../src/core/position';
import { type KafkaAdmin, openAdmin } from '../../../src/kafka/admin';
import type { TopicSpec } from '../../../src/kafka/topic-plan';
import { uniqueName } from '../../support/stack';
import { access, append, closeWriters, createTopics, openWriter, position, readAll, withAdmin } from './support';

jest.setTimeout(30_000);

let admin: KafkaAdmin;
beforeAll(async () => {
  admin = await openAdmin(access(), silentLogger);
});
afterAll(() => admin.close());
afterEach(closeWriters);

function specs(partitions = 3): TopicSpec[] {
  const name = uniqueName('setup');
  return [
    { name: `${name}.orders`, purpose: 'changes', partitions },
    { name: `${name}_state`, purpose: 'state', partitions: 1 },
    { name: `${name}_dlq`, purpose: 'dead-letters', partitions: 1 },
  ];
}

async function alter(kafkajs: Admin, name: string, settings: Record<string, string>): Promise<void> {
  const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
  await kafkajs.alterConfigs({ validateOnly: false, resources: [{ type: 2, name, configEntries }] });
}

describe('ensureTopics', () => {
  it('makes the topics, and does nothing the second time', async () => {
    const wanted = specs();
    const { steps } = await admin.ensureTopics(wanted);
    expect(steps.filter((step) => step.do === 'create').map(({ topic }) => topic)).toEqual(
      wanted.map(({ name }) => name),
    );
    expect(await admin.planTopics(wanted)).toEqual({ steps: [], findings: [] });
    expect(await admin.ensureTopics(wanted)).toEqual({ steps: [], findings: [] });

    const [orders, state, deadLetters] = await admin.describeTopics(wanted.map(({ name }) => name));
    expect(orders).toMatchObject({ partitions: 3, replicationFactor: 1, minInsyncReplicas: 1, maxBatchBytes: 1048588 });
    const setting = (topic: typeof orders, name: string) => topic?.settings.get(name)?.value;
    expect(setting(orders, 'cleanup.policy')).toBe('compact');
    expect(setting(orders, 'min.compaction.lag.ms')).toBe('604800000');
    expect(setting(orders, 'flush.ms')).toBe('10000');
    // Asked for only after the broker had told that it knows it.
    expect(setting(orders, 'message.timestamp.after.max.ms')).toBe('9223372036854775807');
    expect(setting(state, 'segment.bytes')).toBe('8388608');
    expect(setting(deadLetters, 'cleanup.policy')).toBe('delete');
  });

  it('makes topics that take what a source commits whose clock is years ahead, or was set back', async () => {
    const [changes, state, deadLetters] = specs().map(({ name }) => name) as [string, string, string];
    await admin.ensureTopics([
      { name: changes, purpose: 'changes', partitions: 3 },
      { name: state, purpose: 'state', partitions: 1 },
      { name: deadLetters, purpose: 'dead-letters', partitions: 1 },
    ]);
    const topics = { data: changes, other: changes, state, deadLetters };
    const writer = await openWriter(topics, { topics: [changes] });
    const batch = writer.newBatch();
    for (const [n, time] of [Date.now(), Date.UTC(2040), Date.UTC(2001)].entries())
      append(batch, changes, 0, n, formatPosition(position(n)), time);
    await writer.flush(batch);
    expect((await readAll(changes, 0)).filter((record) => !record.isControlRecord)).toHaveLength(3);
  });

  it('mends single settings and keeps those it does not know', async () => {
    const wanted = specs();
    const orders = wanted[0]!.name;
    await admin.ensureTopics(wanted);
    await withAdmin((kafkajs) =>
      alter(kafkajs, orders, { 'cleanup.policy': 'delete', 'max.message.bytes': '2000000', 'segment.ms': '3600000' }),
    );
    const { steps } = await admin.ensureTopics(wanted);
    expect(steps).toHaveLength(1);
    const [found] = await admin.describeTopics([orders]);
    expect(found!.settings.get('cleanup.policy')!.value).toBe('compact');
    expect(found!.settings.get('segment.ms')!.value).toBe('3600000');
    expect(found!.maxBatchBytes).toBe(2_000_000);
    expect(await admin.planTopics(wanted)).toEqual({ steps: [], findings: [] });
  });

  it('says that the number of partitions is another one, and leaves it', async () => {
    const wanted = specs();
    await admin.ensureTopics(wanted);
    const { steps, findings } = await admin.ensureTopics(wanted.map((spec) => ({ ...spec, partitions: 6 })));
    expect(steps).toEqual([]);
    expect(findings.map(({ kind }) => kind)).toEqual(['partitions_changed', 'topic_settings', 'topic_settings']);
  });

  it('describes only what exists', async () => {
    expect(await admin.describeTopics([uniqueName('nowhere')])).toEqual([]);
  });
});

describe('offsets of groups', () => {
  it('tells the lag, finds offsets by time and moves a group', async () => {
    const topics = await withAdmin((kafkajs) => createTopics(kafkajs));
    const writer = await openWriter(topics);
    const batch = writer.newBatch();
    // Later than the marker of the fence, which has a time, too.
    const later = Date.now() + 60_000;
    for (const n of [0, 10, 20]) append(batch, topics.data, 1, n, 'value', later + n);
    await writer.flush(batch);
    const groupId = uniqueName('group');

    // Every partition begins with the marker of the fence.
    const before = await admin.groupLag(groupId, [topics.data]);
    expect(before).toEqual([
      { topic: topics.data, partition: 0, committed: null, end: 1n, lag: 1n },
      { topic: topics.data, partition: 1, committed: null, end: 4n, lag: 4n },
      { topic: topics.data, partition: 2, committed: null, end: 1n, lag: 1n },
    ]);
    expect((await admin.spans([topics.data]))[1]).toEqual({ topic: topics.data, partition: 1, start: 0n, end: 4n });

    const at = await admin.offsetsAt([topics.data], later + 10);
    const mine = at.filter(({ partition }) => partition === 1);
    expect(at).toEqual(
      [0, 1, 2].map((partition) => ({ topic: topics.data, partition, offset: partition === 1 ? 2n : 1n })),
    );
    await admin.commitOffsets(groupId, mine);
    const [, moved] = await admin.groupLag(groupId, [topics.data]);
    expect(moved).toEqual({ topic: topics.data, partition: 1, committed: 2n, end: 4n, lag: 2n });
  });

  it('rejects for topics that do not exist', async () => {
    await expect(admin.groupLag('group', [uniqueName('nowhere')])).rejects.toMatchObject({ kind: 'topic_missing' });
  });

  it('sees a topic again that was deleted and made anew with other partitions', async () => {
    const topics = await withAdmin((kafkajs) => createTopics(kafkajs));
    expect(await admin.spans([topics.data])).toHaveLength(3);
    await withAdmin((kafkajs) => kafkajs.deleteTopics({ topics: [topics.data] }));
    await expect(admin.spans([topics.data])).rejects.toMatchObject({ kind: 'topic_missing' });
    await withAdmin((kafkajs) => kafkajs.createTopics({ topics: [{ topic: topics.data, numPartitions: 2 }] }));
    expect(await admin.spans([topics.data])).toHaveLength(2);
  });
});

it('rejects when no broker answers', async () => {
  await expect(openAdmin(access('127.0.0.1:1'), silentLogger)).rejects.toMatchObject({ kind: 'kafka_unreachable' });
});
