import { setTimeout as sleep } from 'node:timers/promises';
import { parseLsn } from '../../src/core/lsn';
import { Random } from '../../src/dev/shop/random';
import { KafkaCluster } from '../support/cluster';
import { expectNewestIsTable, expectOnceAndInOrder } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import { withKafkaAdmin } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';
import { Workload } from '../support/workload';

/** So many leaders are killed; more of them with CLUSTER_KILLS=20. */
const KILLS = Number(process.env.CLUSTER_KILLS ?? 2);
const TABLES = ['tenants', 'orders'] as const;
const SEED = 90_125;

jest.setTimeout(240_000 + KILLS * 60_000);

/** Three brokers, three replicas, two of them in sync at least: the whole service, from the source to Messaging. */
describe(`a cluster whose leaders are killed (CLUSTER_KILLS=${KILLS})`, () => {
  let cluster: KafkaCluster;
  let pipeline: TestPipeline;
  let undisturbed: TestPipeline;
  let service: RunningService;
  const silences: number[] = [];

  beforeAll(async () => {
    cluster = await KafkaCluster.start(stack().kafkaLibs);
    pipeline = await TestPipeline.create('seed', {
      brokers: cluster.brokers,
      source: { 'confirm.trail.ms': 'auto', 'snapshot.chunk.rows': 100 },
    });
    undisturbed = await TestPipeline.beside(pipeline);
    const shop = await pipeline.source(fill);
    await Promise.all([pipeline.setup(), undisturbed.setup()]);
    await undisturbed.start().ready(90_000);
    service = await pipeline.start().ready(90_000);
    const workload = new Workload({
      url: pipeline.databases.sourceUrl,
      schema: 'ventia',
      seed: SEED,
      clients: 3,
      tenants: shop.tenants,
      movable: shop.orders,
    });
    const random = new Random(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(random.integer(500, 2_500));
      const node = kill % 2 === 0 ? await leaderOf(pipeline.topics.orders) : await leaderOf('__transaction_state');
      const before = await published();
      const killed = Date.now();
      await cluster.kill(node);
      await eventually(async () => (await published()) > before, { timeoutMs: 60_000, intervalMs: 100 });
      silences.push(Date.now() - killed);
      await cluster.revive(node);
      await inSync();
    }
    await workload.stop();
    await Promise.all([pipeline.caughtUp(120_000), undisturbed.caughtUp(120_000)]);
    process.stdout.write(`killed ${KILLS} leaders; published again after ${silences.join(', ')} ms\n`);
  });
  afterAll(async () => {
    try {
      await Promise.all(pipeline?.running.map((each) => each.stop('SIGKILL')) ?? []);
      await pipeline?.drop();
      await undisturbed?.drop();
    } finally {
      await cluster?.stop();
    }
  });

  const topics = () => [...Object.values(pipeline.topics), pipeline.stateTopic];
  /** Of partition 0. */
  const leaderOf = (topic: string) =>
    withKafkaAdmin(async (admin) => {
      const metadata = await admin.fetchTopicMetadata({ topics: [topic] });
      return metadata.topics[0]!.partitions.find(({ partitionId }) => partitionId === 0)!.leader;
    }, cluster.brokers);
  const published = async () => {
    const text = await (await fetch(`${await service.address()}/metrics`)).text();
    return Number(/^ventia_cdc_lsn\{.*stage="published".*\} (\S+)/m.exec(text)?.[1] ?? 0);
  };
  const inSync = () =>
    eventually(
      () =>
        withKafkaAdmin(async (admin) => {
          const metadata = await admin.fetchTopicMetadata({ topics: topics() });
          return metadata.topics.every(({ partitions }) => partitions.every(({ isr }) => isr.length === 3));
        }, cluster.brokers),
      { timeoutMs: 90_000, intervalMs: 200 },
    );

  it('has three replicas of each topic, and confirms at once what two of them have', async () => {
    const described = await withKafkaAdmin(
      (admin) =>
        admin.describeConfigs({
          includeSynonyms: false,
          resources: topics().map((name) => ({ type: 2, name, configNames: ['min.insync.replicas'] })),
        }),
      cluster.brokers,
    );
    for (const { configEntries } of described.resources) expect(configEntries[0]!.configValue).toBe('2');
    const began = Date.now();
    await pipeline.source(async (client) => (await VentiaRows.open(client, 'ventia')).tenant('ultima'));
    await pipeline.captured();
    expect(Date.now() - began).toBeLessThan(25_000);
    await undisturbed.captured();
  });

  it.each(TABLES)('every change of %s is in its topic once, in order (Invariants 1, 4 to 6)', async (table) => {
    await expectOnceAndInOrder(pipeline, undisturbed, table);
    await expectNewestIsTable(pipeline, table);
  });

  it('Messaging is as the undisturbed pipeline left it', async () => {
    const query = 'SELECT order_id, tenant_id, email, name, status, deleted FROM cdc.order_fact ORDER BY 1';
    const [rows, expected] = await Promise.all(
      [pipeline, undisturbed].map((each) => each.messaging(async (client) => (await client.query(query)).rows)),
    );
    expect(rows).toEqual(expected);
  });

  it('with one replica left nothing is acknowledged, and nothing is lost', async () => {
    const confirmed = async () => {
      const text = await (await fetch(`${await service.address()}/metrics`)).text();
      return BigInt(/^ventia_cdc_lsn\{.*stage="confirmed".*\} (\S+)/m.exec(text)?.[1] ?? 0);
    };
    await cluster.kill(1);
    await cluster.kill(2);
    const written = await pipeline.source(async (client) => {
      await (await VentiaRows.open(client, 'ventia')).tenant('sin-quorum');
      const { rows } = await client.query('SELECT pg_current_wal_lsn() AS lsn');
      // WAL that holds nothing of ours, which would be confirmed if the tenant were.
      await client.query("SELECT pg_logical_emit_message(true, 'idle', '')");
      return parseLsn(rows[0].lsn);
    });
    await sleep(5_000);
    expect(await confirmed()).toBeLessThan(written);
    await Promise.all([cluster.revive(1), cluster.revive(2)]);
    await service.ready(90_000);
    await Promise.all([pipeline.captured(90_000), undisturbed.captured(90_000)]);
    for (const table of TABLES) await expectOnceAndInOrder(pipeline, undisturbed, table);
  });
});

async function fill(client: Parameters<typeof VentiaRows.open>[0]) {
  const rows = await VentiaRows.open(client, 'ventia');
  const tenants: string[] = [];
  for (let i = 0; i < 12; i++) tenants.push(await rows.tenant(`tienda-${i}`));
  const orders: string[] = [];
  await rows.transaction(async () => {
    for (let i = 0; i < 300; i++)
      orders.push(await rows.order(tenants[i % 12]!, { customer_email: `p${i}@correo.pe`, customer_name: 'P' }));
  });
  return { tenants, orders };
}
