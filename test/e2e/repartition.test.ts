import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/dev/shop/random';
import { expectClearError } from '../support/clear-error';
import { expectCompactedIsTable, expectNewestIsTable, type Table } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { withKafkaAdmin } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { Workload } from '../support/workload';

jest.setTimeout(240_000);

const TABLES = ['tenants', 'orders'] as const;
const SEED = 4_711;

/** Not the contacts: a row that is read again may be given an address that was another contact's when it came first. */
const MESSAGING = [
  'SELECT ventia_tenant_id, name, status FROM messaging.accounts ORDER BY 1',
  'SELECT order_id, tenant_id, phone, email, name, status, deleted, parked FROM cdc.order_fact ORDER BY 1',
];

describe('more partitions', () => {
  let raised: TestPipeline;
  let undisturbed: TestPipeline;
  let service: RunningService;
  let shop: { readonly tenants: string[]; readonly orders: string[] };

  beforeAll(async () => {
    raised = await TestPipeline.create('seed', { source: { partitions: 4, 'snapshot.chunk.rows': 100 } });
    undisturbed = await TestPipeline.beside(raised);
    shop = await raised.source(fill);
    await Promise.all([raised.setup(), undisturbed.setup()]);
    await undisturbed.start().ready(60_000);
    service = await raised.start(raised.connectors.source).ready(60_000);
  });
  afterAll(async () => {
    await raised?.drop();
    await undisturbed?.drop();
  });

  const count = (table: Table) =>
    withKafkaAdmin(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [raised.topics[table]] });
      return topics[0]!.partitions.length;
    });

  it('are refused while a sink has never run, and capture goes on', async () => {
    const refused = await raised.cli('setup', '--repartition', '8', '--yes');
    expect(refused.code).toBe(1);
    expectClearError({ ...refused, stdout: '' }, 'CDC-310');
    expect(await count('orders')).toBe(4);
    await service.ready(60_000);
  });

  it('are previewed, and asked for', async () => {
    const preview = await raised.cli('setup', '--repartition', '8', '--dry-run');
    expect([preview.code, preview.stdout]).toEqual([0, expect.stringContaining(`topic ${raised.topics.orders}: 8`)]);
    const unconfirmed = await raised.cli('setup', '--repartition', '8');
    expect(unconfirmed.code).toBe(2);
    expectClearError({ ...unconfirmed, stdout: '' }, 'CDC-105');
    const fewer = await raised.cli('setup', '--repartition', '3', '--yes');
    expect(fewer.code).toBe(2);
    expect(await count('orders')).toBe(4);
  });

  it('come while clients write and capture is killed in the move', async () => {
    await service.stop();
    service = await raised.start().ready(60_000);
    const workload = new Workload({
      url: raised.databases.sourceUrl,
      schema: 'ventia',
      seed: SEED,
      clients: 3,
      tenants: shop.tenants,
      movable: shop.orders,
    });
    await sleep(2_000);
    const { code, stdout, stderr } = await raised.cli('setup', '--repartition', '8', '--yes');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/done .* 8 partitions/);
    await service.ready(60_000);
    await sleep(500);
    await service.stop('SIGKILL');
    service = await raised.start().ready(60_000);
    await workload.stop();
    await expectSame();
    expect([await count('tenants'), await count('orders')]).toEqual([8, 8]);
  });

  it('that somebody else has made stop capture within 10 s, and are taken over', async () => {
    const writing = raised.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      for (let i = 0; i < 300; i++)
        await rows.order(shop.tenants[i % 16]!, { customer_email: `q${i}@correo.pe`, customer_name: 'Q' });
    });
    await withKafkaAdmin((admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: raised.topics.orders, count: 9 }] }),
    );
    await service.notReady('CDC-303', 10_000);
    expect((await service.readiness()).fix).toBe('ventia-cdc setup --repartition 9');
    const setup = await raised.cli('setup', '--yes');
    expect(setup.code).toBe(1);
    expectClearError({ ...setup, stdout: '' }, 'CDC-303');
    expect((await raised.cli('setup', '--repartition', '9', '--yes')).code).toBe(0);
    await service.ready(60_000);
    await writing;
    await expectSame();
    expect([await count('tenants'), await count('orders')]).toEqual([9, 9]);
    expect((await raised.cli('setup', '--yes')).stdout).toContain('nothing to do');
  });

  /** Every change is there once, each partition in order; both topics are the tables; Messaging is as it would have been. */
  async function expectSame(): Promise<void> {
    await Promise.all([raised.caughtUp(90_000), undisturbed.caughtUp(90_000)]);
    for (const table of TABLES) {
      const changes = await placesOf(raised, table);
      const places = changes.map(({ partition, order }) => `${partition} ${order}`);
      expect(places).toEqual([...new Set(places)].sort());
      const expected = await placesOf(undisturbed, table);
      expect(changes.map(({ order }) => order).sort()).toEqual(expected.map(({ order }) => order).sort());
      await expectNewestIsTable(raised, table);
      await expectCompactedIsTable(raised, table);
    }
    for (const query of MESSAGING) {
      const [rows, expected] = await Promise.all(
        [raised, undisturbed].map((pipeline) => pipeline.messaging(async (client) => (await client.query(query)).rows)),
      );
      expect(rows!.length).toBeGreaterThan(0);
      expect(rows).toEqual(expected);
    }
  }
});

/** Streamed changes: where each lies, and what it is in the order of all. A row that was moved leaves only a tombstone behind. */
async function placesOf(pipeline: TestPipeline, table: Table) {
  const changes = await pipeline.changes(table);
  const deleted = new Set(
    changes.filter(({ op, snapshot }) => op === 'd' && snapshot === null).map(({ position }) => position),
  );
  return changes
    .filter(
      ({ op, snapshot, position }) => op !== 'r' && snapshot === null && (op !== 'tombstone' || deleted.has(position)),
    )
    .map(({ partition, position, op, key }) => ({
      partition,
      order: `${position} ${op === 'tombstone' ? 1 : 0} ${key}`,
    }));
}

async function fill(client: Parameters<typeof VentiaRows.open>[0]) {
  const rows = await VentiaRows.open(client, 'ventia');
  const tenants: string[] = [];
  for (let i = 0; i < 16; i++) tenants.push(await rows.tenant(`tienda-${i}`));
  const orders: string[] = [];
  const random = new Random(SEED);
  await rows.transaction(async () => {
    for (let i = 0; i < 600; i++)
      orders.push(
        await rows.order(tenants[random.integer(0, 15)]!, { customer_email: `p${i}@correo.pe`, customer_name: 'P' }),
      );
  });
  return { tenants, orders };
}
