import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { expectClearError, expectClearLog } from '../support/clear-error';
import { type Overrides, TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import { expectTopicIsTable } from '../support/topic-is-table';
import { readChanges, readTopic } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

const TABLES = ['tenants', 'orders'] as const;
const ORDERS = 400;

interface Shop {
  readonly tenants: string[];
  readonly orders: string[];
}

describe('a slot dropped while capture is down', () => {
  let lost: TestPipeline;
  let undisturbed: TestPipeline;
  let service: RunningService;

  beforeAll(async () => {
    lost = await TestPipeline.create('seed', { source: { 'snapshot.chunk.rows': 100 } });
    undisturbed = await TestPipeline.beside(lost);
    await Promise.all([lost.setup(), undisturbed.setup()]);
    const shop = await fill(lost);
    await undisturbed.start().ready();
    await lost.start().ready();
    await Promise.all([lost.caughtUp(), undisturbed.caughtUp()]);
    await lost.stop();
    expect((await lost.cli('slot', 'drop', '--yes')).code).toBe(0);
    await changeInTheGap(lost, shop);
    service = lost.start();
  });
  afterAll(async () => {
    await lost?.drop();
    await undisturbed?.drop();
  });

  it('is named within 5 s, with the command that mends it', async () => {
    const found = await refused(service, 5_000);
    expect(found).toMatchObject({ status: 503, code: 'CDC-210', fix: 'ventia-cdc repair slot' });
    expectClearLog(service, 'CDC-210');
  });

  it('is not mended in silence by setup, nor by a repair that nobody confirmed', async () => {
    const setup = await lost.cli('setup', '--yes');
    expect(setup.code).toBe(1);
    expectClearError({ ...setup, stdout: '' }, 'CDC-210');
    const preview = await lost.cli('repair', 'slot', '--dry-run');
    expect([preview.code, preview.stderr]).toEqual([0, '']);
    expect(preview.stdout).toMatch(/^CDC-210 .*\n {2}\+ create slot/);
    const unconfirmed = await lost.cli('repair', 'slot');
    expect(unconfirmed.code).toBe(2);
    expectClearError({ ...unconfirmed, stdout: '' }, 'CDC-105');
    expect(await slotPosition(lost)).toBeNull();
  });

  describe('and repaired', () => {
    beforeAll(async () => {
      const { code, stdout, stderr } = await lost.cli('repair', 'slot', '--yes');
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/epoch 2/);
      // Changes go on while the tables are loaded.
      await lost.source(async (client) => {
        const rows = await VentiaRows.open(client, 'ventia');
        const tenant = await rows.tenant('durante');
        for (let i = 0; i < 30; i++) await rows.order(tenant, person(`durante${i}`));
      });
      await service.ready();
      await Promise.all([lost.caughtUp(), undisturbed.caughtUp()]);
    });

    it.each(TABLES)('leaves topics of %s that are the table, though deletes and moves were missed', (table) =>
      expectTopicIsTable(lost, table),
    );

    it('marks what it brought', async () => {
      const changes = (await readChanges(lost.topics.orders)).filter(({ snapshot }) => snapshot === 'repair');
      expect(new Set(changes.map(({ position }) => position.slice(0, 8)))).toEqual(new Set(['00000002']));
      expect(new Set(changes.map(({ op }) => op))).toEqual(new Set(['r', 'd']));
      // 12 orders deleted one by one, 50 with their tenant, 5 moved away.
      expect(changes.filter(({ op }) => op === 'd')).toHaveLength(67);
    });

    it('leaves Messaging as an undisturbed pipeline does', async () => {
      for (const query of MESSAGING) {
        const [rows, expected] = await Promise.all(
          [lost, undisturbed].map((pipeline) => pipeline.messaging(async (client) => (await client.query(query)).rows)),
        );
        expect(rows!.length).toBeGreaterThan(0);
        expect(rows).toEqual(expected);
      }
    });

    it('says the window, once', async () => {
      const said = await eventually(() => service.log.find(({ phase }) => phase === 'done'));
      expect(said).toMatchObject({ epoch: 2, from: expect.stringMatching(/\//), to: expect.stringMatching(/\//) });
    });

    it('has nothing left to repair, and keeps a slot that is in use', async () => {
      const again = await lost.cli('repair', 'slot', '--yes');
      expect([again.code, again.stdout]).toEqual([0, `slot ${lost.name} is whole: nothing to repair\n`]);
      const drop = await lost.cli('slot', 'drop', '--yes');
      expect(drop.code).toBe(1);
      expectClearError({ ...drop, stdout: '' }, 'CDC-211');
      expect(drop.stderr).toContain(`"ventia-cdc ${lost.connectors.source}"`);
    });
  });
});

describe('a slot that is not the one captured through', () => {
  let pipeline: TestPipeline;
  let shop: Shop;

  beforeAll(async () => {
    pipeline = await TestPipeline.create('repo', { source: { 'snapshot.chunk.rows': 100 } });
    await pipeline.setup();
    shop = await fill(pipeline);
    await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    await pipeline.stop();
  });
  afterEach(() => pipeline.stop());
  afterAll(() => pipeline?.drop());

  it('is recognised when it was re-created behind our back, and setup does not hide it', async () => {
    await pipeline.source(async (client) => {
      await client.query('SELECT pg_drop_replication_slot($1)', [pipeline.name]);
      const rows = await VentiaRows.open(client, pipeline.databases.schemas.ventia);
      await rows.delete('orders', shop.orders[0]!);
      await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [pipeline.name]);
    });
    const service = pipeline.start(pipeline.connectors.source);
    expect(await refused(service, 5_000)).toMatchObject({ code: 'CDC-221', fix: 'ventia-cdc repair slot' });
    const setup = await pipeline.cli('setup', '--yes');
    expect(setup.code).toBe(1);
    expectClearError({ ...setup, stdout: '' }, 'CDC-221');

    expect((await pipeline.cli('repair', 'slot', '--yes')).code).toBe(0);
    await service.ready();
    await pipeline.captured();
    for (const table of TABLES) await expectTopicIsTable(pipeline, table);
  });

  it('is recognised when it was advanced by somebody else', async () => {
    await pipeline.source(async (client) => {
      const rows = await VentiaRows.open(client, pipeline.databases.schemas.ventia);
      await rows.delete('orders', shop.orders[1]!);
      await client.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [pipeline.name]);
    });
    const service = pipeline.start(pipeline.connectors.source);
    expect(await refused(service, 5_000)).toMatchObject({ code: 'CDC-221' });
    expect((await pipeline.cli('repair', 'slot', '--yes')).code).toBe(0);
    await service.ready();
    await pipeline.captured();
    await expectTopicIsTable(pipeline, 'orders');
  });

  it('is noticed while running, within 10 s', async () => {
    const service = await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.source((client) =>
      eventually(
        async () => {
          await client.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
            pipeline.name,
          ]);
          return client.query('SELECT pg_drop_replication_slot($1)', [pipeline.name]);
        },
        { intervalMs: 5 },
      ),
    );
    await service.notReady('CDC-210', 10_000);
    expect((await pipeline.cli('repair', 'slot', '--yes')).code).toBe(0);
    await service.ready();
    await pipeline.captured();
    await expectTopicIsTable(pipeline, 'orders');
  });

  it('is recognised when the source is another cluster', async () => {
    await rewriteState(pipeline, 'source', (source) => ({ ...source, systemId: '42' }));
    const service = pipeline.start(pipeline.connectors.source);
    expect(await refused(service, 5_000)).toMatchObject({ code: 'CDC-214', fix: 'ventia-cdc repair slot' });
    expect((await pipeline.cli('repair', 'slot', '--yes')).code).toBe(0);
    await service.ready();
    await pipeline.captured();
    await expectTopicIsTable(pipeline, 'orders');
  });
});

it('kill -9 during the load and the sweep: continues and ends with the table', async () => {
  const pipeline = await prepared({ source: { 'snapshot.chunk.rows': 100 } });
  try {
    const shop = await fill(pipeline, 2_000);
    await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    await pipeline.stop();
    expect((await pipeline.cli('slot', 'drop', '--yes')).code).toBe(0);
    await changeInTheGap(pipeline, shop);
    expect((await pipeline.cli('repair', 'slot', '--yes')).code).toBe(0);
    let kills = 0;
    let resumed = 0;
    for (let done = false; !done && kills < 8; kills++) {
      const service = pipeline.start(pipeline.connectors.source);
      await eventually(() => service.log.some(({ msg }) => msg === 'capture: streaming'));
      await sleep(80 + (kills % 4) * 40);
      await service.stop('SIGKILL');
      if (service.log.some((line) => line.resumed === true)) resumed++;
      done = service.log.some(({ phase }) => phase === 'done');
    }
    await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    expect([kills > 2, resumed > 1]).toEqual([true, true]);
    for (const table of TABLES) await expectTopicIsTable(pipeline, table);
  } finally {
    await pipeline.drop();
  }
});

it('snapshot.mode=when_needed: capture mends a lost slot by itself', async () => {
  const pipeline = await prepared({ source: { 'snapshot.mode': 'when_needed' } });
  try {
    const shop = await fill(pipeline);
    await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    await pipeline.stop();
    expect((await pipeline.cli('slot', 'drop', '--yes')).code).toBe(0);
    await changeInTheGap(pipeline, shop);
    const service = await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    for (const table of TABLES) await expectTopicIsTable(pipeline, table);
    expect(service.log.map(({ msg }) => msg)).toContain('slot made anew');
  } finally {
    await pipeline.drop();
  }
});

const MESSAGING = [
  'SELECT ventia_tenant_id, name, status FROM messaging.accounts ORDER BY 1',
  `SELECT order_id, tenant_id, email, name, status FROM cdc.order_fact WHERE NOT deleted ORDER BY 1`,
  `SELECT a.ventia_tenant_id, c.email, c.name, c.contact_type, c.custom_attributes
   FROM messaging.contacts c JOIN messaging.accounts a ON a.id = c.account_id ORDER BY 1, 2`,
];

async function prepared(overrides: Overrides): Promise<TestPipeline> {
  const pipeline = await TestPipeline.create('seed', overrides);
  await pipeline.setup();
  return pipeline;
}

const person = (name: string) => ({ customer_email: `${name}@correo.pe`, customer_name: name });

async function fill(pipeline: TestPipeline, count = ORDERS): Promise<Shop> {
  return pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, pipeline.databases.schemas.ventia);
    const tenants: string[] = [];
    for (let i = 0; i < 8; i++) tenants.push(await rows.tenant(`tienda-${i}`));
    const orders: string[] = [];
    await rows.transaction(async () => {
      for (let i = 0; i < count; i++) orders.push(await rows.order(tenants[i % 8]!, person(`cliente${i}`)));
    });
    return { tenants, orders };
  });
}

/** What the slot would have brought: every kind of change, none of which leaves a trace but in the tables. */
async function changeInTheGap(pipeline: TestPipeline, { tenants, orders }: Shop): Promise<void> {
  await pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, pipeline.databases.schemas.ventia);
    const of = (tenant: number) => orders.filter((_, i) => i % 8 === tenant);
    for (const id of of(0).slice(0, 12)) await rows.delete('orders', id);
    for (const id of of(1).slice(0, 12)) await rows.update('orders', id, { customer_name: 'Otra' });
    // To a tenant of another partition, where there is one: five of each make sure of it.
    for (const id of of(2).slice(0, 5))
      await rows.update('orders', id, { tenant_id: await tenantElsewhere(pipeline, tenants) });
    await client.query(`DELETE FROM ${pipeline.databases.schemas.ventia}.orders WHERE tenant_id = $1`, [tenants[7]]);
    await rows.delete('tenants', tenants[7]!);
    const nueva = await rows.tenant('nueva');
    for (let i = 0; i < 10; i++) await rows.order(nueva, person(`nueva${i}`));
  });
}

/** A tenant whose orders lie in another partition than those of the third. */
async function tenantElsewhere(pipeline: TestPipeline, tenants: readonly string[]): Promise<string> {
  const changes = await readChanges(pipeline.topics.tenants);
  const partitionOf = (id: string) => changes.find(({ key }) => key === id)!.partition;
  const found = tenants.slice(3, 7).find((id) => partitionOf(id) !== partitionOf(tenants[2]!));
  return found ?? tenants[1]!;
}

async function refused(service: RunningService, timeoutMs: number) {
  return eventually(
    async () => {
      const found = await service.readiness();
      return found.code !== undefined && found.code !== 'CDC-900' ? found : null;
    },
    { timeoutMs },
  );
}

async function slotPosition(pipeline: TestPipeline): Promise<string | null> {
  return pipeline.source(async (client) => {
    const { rows } = await client.query(
      'SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1',
      [pipeline.name],
    );
    return rows[0]?.lsn ?? null;
  });
}

async function rewriteState(
  pipeline: TestPipeline,
  suffix: string,
  change: (value: Record<string, unknown>) => Record<string, unknown>,
): Promise<void> {
  const key = `${pipeline.connectors.source}/${suffix}`;
  const last = (await readTopic(pipeline.stateTopic)).findLast((record) => record.key?.toString() === key)!;
  const producer = new Kafka({ brokers: [stack().kafkaBrokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  const value = JSON.stringify(change(JSON.parse(last.value!.toString())));
  await producer.send({ topic: pipeline.stateTopic, messages: [{ key, value }] });
  await producer.disconnect();
}
