import { setTimeout as sleep } from 'node:timers/promises';
import { startKafkaProxy } from '../support/kafka-proxy';
import { OwnSource } from '../support/own-source';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import type { TcpProxy } from '../support/tcp-proxy';
import { timed } from '../support/timed';
import { expectTopicIsTable } from '../support/topic-is-table';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

let source: OwnSource;
let kafka: TcpProxy;
let pipeline: TestPipeline;
let service: RunningService;

beforeAll(async () => {
  source = await OwnSource.start({ wal_sender_timeout: '2s' });
  kafka = await startKafkaProxy(stack().kafkaBrokers);
  const overrides = { 'progress.timeout.ms': 10_000, 'max.batch.bytes': 65_536 };
  pipeline = TestPipeline.on(source.databases, {
    env: { KAFKA_BROKERS: `127.0.0.1:${kafka.port}` },
    source: overrides,
  });
  await pipeline.setup();
  await source.query('CREATE TABLE other (id int, text text)');
  service = await pipeline.start(pipeline.connectors.source).ready();
  await pipeline.captured();
});
afterAll(async () => {
  await pipeline?.drop();
  await kafka?.close();
});
afterEach(() => {
  kafka.pass();
  kafka.throttle(Number.POSITIVE_INFINITY);
});

const slot = async () =>
  (
    await source.query(
      'SELECT active_pid AS pid, confirmed_flush_lsn::text AS confirmed FROM pg_replication_slots WHERE slot_name = $1',
      [pipeline.name],
    )
  )[0] as { pid: number | null; confirmed: string };

const passed = async (lsn: string) =>
  (await source.query('SELECT $1::pg_lsn >= $2::pg_lsn AS it', [(await slot()).confirmed, lsn]))[0]!.it === true;

const walEnd = async () => (await source.query('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!.lsn as string;

async function tenants(name: string, count = 1): Promise<void> {
  await pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, 'ventia');
    for (let i = 0; i < count; i++) await rows.tenant(`${name} ${i}`);
  });
}

it('published tables idle, others busy: the slot follows (B8, F13), but never beyond what Kafka does not have', async () => {
  const { pid } = await slot();
  for (let i = 0; i < 20; i++)
    await source.query(`INSERT INTO other SELECT g, repeat('x', 500) FROM generate_series(1, 500) g`);
  const end = await walEnd();
  await timed('the slot follows other tables', () => eventually(() => passed(end), { timeoutMs: 20_000 }));

  kafka.freeze();
  const before = await walEnd();
  await tenants('esperando');
  const after = await walEnd();
  for (let i = 0; i < 6; i++) {
    await source.query(`INSERT INTO other SELECT g, repeat('x', 500) FROM generate_series(1, 500) g`);
    await source.query('SELECT pg_sleep(0.5)');
    expect(await passed(after)).toBe(false);
  }
  kafka.pass();
  await eventually(() => passed(after), { timeoutMs: 20_000 });
  expect(before).not.toBe(after);
  expect((await slot()).pid).toBe(pid);
});

it('back-pressure for longer than wal_sender_timeout: the same connection goes on (B9)', async () => {
  const { pid } = await slot();
  kafka.freeze();
  await tenants('mientras', 600); // more than two batches
  await source.query('SELECT pg_sleep(5)');
  expect((await slot()).pid).toBe(pid);
  kafka.pass();
  await pipeline.captured();
  expect((await slot()).pid).toBe(pid);
  await expectTopicIsTable(pipeline, 'tenants');
});

it('a slow link to Kafka, for longer than wal_sender_timeout: behind, not stalled, and the same connection goes on', async () => {
  const { pid } = await slot();
  kafka.throttle(60_000);
  await source.query(
    `INSERT INTO ventia.tenants (name, slug) SELECT repeat('x', 100), 'despacio-' || g FROM generate_series(1, 1500) g`,
  );
  const began = Date.now();
  let over = false;
  const done = pipeline.captured(60_000).finally(() => {
    over = true;
  });
  while (!over) {
    expect((await service.readiness()).status).toBe(200);
    await sleep(200);
  }
  await done;
  expect(Date.now() - began).toBeGreaterThan(4_000);
  expect((await slot()).pid).toBe(pid);
  await expectTopicIsTable(pipeline, 'tenants');
});

it('held back by the server, connection alive: not ready with the cause, and ready again by itself (B14)', async () => {
  await source.query(`SELECT pg_create_physical_replication_slot('nobody', true)`);
  await source.query(`ALTER SYSTEM SET synchronized_standby_slots = 'nobody'`);
  await source.query('SELECT pg_reload_conf()');
  await tenants('retenido');
  const took = await timed('a silent stall', () => service.notReady('CDC-902', 40_000));
  expect(took).toBeLessThan(30_000);
  expect(await service.readiness()).toMatchObject({
    reason: expect.stringContaining('synchronized_standby_slots'),
    fix: expect.stringContaining('synchronized_standby_slots'),
  });
  await source.query('ALTER SYSTEM RESET synchronized_standby_slots');
  await source.query('SELECT pg_reload_conf()');
  await service.ready(20_000);
  await pipeline.captured();
  await expectTopicIsTable(pipeline, 'tenants');
});

it('a backlog that PostgreSQL decodes is told as what it is, from the first moment, and is no stall', async () => {
  await pipeline.stop();
  await source.query(`INSERT INTO other SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 400000) g`);
  const end = await walEnd();
  service = await pipeline.start(pipeline.connectors.source).ready();
  const lag = async () =>
    Number(
      /ventia_cdc_lag_bytes\{[^}]*stage="published"\} (\S+)/.exec(
        await (await fetch(`${await service.address()}/metrics`)).text(),
      )?.[1],
    );
  const seen: number[] = [];
  await eventually(
    async () => {
      seen.push(await lag());
      expect((await service.readiness()).status).toBe(200);
      return passed(end);
    },
    { timeoutMs: 60_000 },
  );
  process.stderr.write(`behind by ${seen[0]} bytes at the start, by ${seen.at(-1)} in the end\n`);
  expect(seen[0]).toBeGreaterThan(50_000_000);
  await eventually(async () => (await lag()) < 100_000);
});
