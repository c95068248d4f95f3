import type { Kafka } from '../../src/dev/stack/kafka';
import { access, type OwnBroker, openWriter, ownBroker } from '../integration/kafka/support';
import { TestPipeline } from '../support/pipeline';
import { expectTopicIsTable } from '../support/topic-is-table';
import { type TopicChange, withKafkaAdmin } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

/** Capture resumes behind the last record of each partition: here these are gone, and the slot brings all of them again. */
let own: OwnBroker;
let kafka: Kafka;
let pipeline: TestPipeline;
let tenants: string[];

beforeAll(async () => {
  own = await ownBroker({ 'log.cleaner.backoff.ms': 100, 'log.segment.delete.delay.ms': 100 });
  kafka = await own.start();
});
afterAll(() => own.remove(kafka));

async function begin(source: Record<string, unknown>): Promise<void> {
  pipeline = await TestPipeline.create('seed', {
    brokers: kafka.brokers,
    source: { 'snapshot.mode': 'never', ...source },
  });
  await pipeline.setup();
  await capture();
  tenants = [];
  await write(async (rows) => {
    for (let i = 0; i < 8; i++) tenants.push(await rows.tenant(`tienda-${i}`));
  });
}
afterEach(() => pipeline.drop());

const capture = () => pipeline.start(pipeline.connectors.source).ready();
const die = () => Promise.all(pipeline.running.map((service) => service.stop('SIGKILL')));
const write = (work: (rows: VentiaRows) => Promise<void>) =>
  pipeline.source(async (client) => work(await VentiaRows.open(client, 'ventia')));
const orders = (name: string, count: number) =>
  write(async (rows) => {
    for (let i = 0; i < count; i++) await rows.order(tenants[i % tenants.length]!, { customer_name: `${name} ${i}` });
  });

const named = (changes: readonly TopicChange[]) => changes.map(({ after, op }) => `${op} ${after?.customer_name}`);
/** The changes of orders, when the last one, is there. */
const changesUpTo = (last: string) =>
  eventually(
    async () => {
      if (!named(await pipeline.changes('orders')).includes(`c ${last}`)) return null;
      return pipeline.changes('orders'); // whatever partition it was in, the others have theirs by now
    },
    { timeoutMs: 30_000, intervalMs: 200 },
  );

function expectAscending(changes: readonly TopicChange[]): void {
  for (const partition of new Set(changes.map((change) => change.partition))) {
    const positions = changes.filter((change) => change.partition === partition).map(({ position }) => position);
    expect(positions).toEqual(positions.toSorted());
  }
}

async function configure(settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await withKafkaAdmin(
    (admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: pipeline.topics.orders, configEntries }],
      }),
    kafka.brokers,
  );
}

/** All records of these partitions, as `kafka-delete-records.sh`, and as retention does it. */
async function deleteRecords(chosen: (partition: number) => boolean): Promise<void> {
  const topic = pipeline.topics.orders;
  await configure({ 'cleanup.policy': 'compact,delete' });
  await withKafkaAdmin(async (admin) => {
    const partitions = (await admin.fetchTopicOffsets(topic)).filter(({ partition }) => chosen(partition));
    await admin.deleteTopicRecords({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, offset: '-1' })),
    });
  }, kafka.brokers);
}

it('deleted, and not confirmed: these come again, once, and the others do not', async () => {
  await begin({ 'confirm.trail.ms': 600_000 });
  await orders('antes', 40);
  const before = await changesUpTo('antes 39');
  await die();
  const lost = before.filter(({ partition }) => partition % 2 === 1);
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.length).toBeLessThan(before.length);
  await deleteRecords((partition) => partition % 2 === 1);
  await orders('despues', 16);
  await capture();
  const changes = await changesUpTo('despues 15');
  expect(named(changes).sort()).toEqual(
    [...named(before), ...Array.from({ length: 16 }, (_, i) => `c despues ${i}`)].sort(),
  );
  expectAscending(changes);
  await expectTopicIsTable(pipeline, 'orders');
});

it('all deleted, and confirmed: nothing comes again', async () => {
  await begin({});
  await orders('antes', 20);
  await changesUpTo('antes 19');
  await pipeline.stop();
  await deleteRecords(() => true);
  await orders('despues', 1);
  await capture();
  await orders('al final', 8);
  const changes = await changesUpTo('al final 7');
  expect(new Set(named(changes).map((name) => name.split(' ')[1]))).toEqual(new Set(['despues', 'al']));
});

it('a delete and its tombstone compacted away, and not confirmed: the row stays deleted, older ones do not come again', async () => {
  await begin({ 'confirm.trail.ms': 600_000 });
  await write(async (rows) => {
    await rows.order(tenants[0]!, { customer_name: 'queda' });
    const order = await rows.order(tenants[0]!, { customer_name: 'se va' });
    await rows.update('orders', order, { status: 'Cancelado' });
    await rows.delete('orders', order);
  });
  await eventually(async () => (await pipeline.changes('orders')).at(-1)?.op === 'tombstone', { timeoutMs: 30_000 });
  await die();
  await configure({
    'cleanup.policy': 'compact',
    'min.compaction.lag.ms': '0',
    'segment.ms': '300',
    'delete.retention.ms': '100',
    'min.cleanable.dirty.ratio': '0.001',
  });
  // What renews the fence of an idle capture begins a new segment every time, and the old ones are compacted.
  const topics = {
    data: pipeline.topics.orders,
    other: pipeline.topics.tenants,
    state: pipeline.stateTopic,
    deadLetters: pipeline.deadLetterTopic,
  };
  const fencing = await openWriter(topics, {
    access: access(kafka.brokers),
    positionOf: () => ({ epoch: 1n, commitLsn: 0n, seq: 0n }),
    transactionalId: pipeline.connectors.source,
  });
  await eventually(
    async () => {
      await fencing.renewFence();
      expect(named(await pipeline.changes('orders'))).toEqual(['c queda']);
      return true;
    },
    { timeoutMs: 60_000, intervalMs: 350 },
  );
  await fencing.close();
  await capture();
  await orders('despues', 8);
  const changes = await changesUpTo('despues 7');
  expectAscending(changes);
  expect(named(changes).filter((name) => name === 'c queda')).toHaveLength(1);
  await expectTopicIsTable(pipeline, 'orders');
});
