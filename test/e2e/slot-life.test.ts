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

jest.setTimeout(180_000);

let source: OwnSource;
let kafka: TcpProxy;
let pipeline: TestPipeline;

beforeAll(async () => {
  source = await OwnSource.start({ max_slot_wal_keep_size: '1MB', min_wal_size: '32MB' });
  kafka = await startKafkaProxy(stack().kafkaBrokers);
  pipeline = TestPipeline.on(source.databases, { env: { KAFKA_BROKERS: `127.0.0.1:${kafka.port}` } });
  await pipeline.setup();
  await tenant('antes');
});
afterAll(async () => {
  await pipeline?.drop();
  await kafka?.close();
});
afterEach(async () => {
  kafka.pass();
  for (const service of pipeline.running) service.signal('SIGCONT');
  await pipeline.stop();
});

async function tenant(name: string): Promise<void> {
  await pipeline.source(async (client) => (await VentiaRows.open(client, 'ventia')).tenant(name));
}

const status = async () =>
  (await source.query('SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1', [pipeline.name]))[0]
    ?.wal_status;

const nextSegment = () => source.query(`SELECT pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()`);

async function lose(): Promise<void> {
  await eventually(
    async () => {
      await nextSegment();
      await source.query('CHECKPOINT');
      return (await status()) === 'lost';
    },
    { timeoutMs: 30_000 },
  );
}

async function repaired(service: RunningService): Promise<void> {
  expect((await pipeline.cli('repair', 'slot', '--yes')).code).toBe(0);
  await service.ready(60_000);
  await pipeline.captured();
  await expectTopicIsTable(pipeline, 'tenants');
}

const capture = () => pipeline.start(pipeline.connectors.source);

it('WAL removed while capture was down (F10): told within 5 s of its start', async () => {
  await capture().ready();
  await pipeline.captured();
  await pipeline.stop();
  await tenant('en el hueco');
  await lose();
  const service = capture();
  await service.address();
  const took = await timed('a slot lost while down', () => service.notReady('CDC-212', 15_000));
  expect(took).toBeLessThan(5_000);
  expect((await service.readiness()).fix).toBe('ventia-cdc repair slot');
  await repaired(service);
});

it('WAL removed while capture was behind: in danger first, and still at work; then lost, within 10 s', async () => {
  const service = await capture().ready();
  await pipeline.captured();
  kafka.freeze();
  await tenant('espera');
  await eventually(
    async () => {
      await nextSegment();
      return (await status()) === 'unreserved';
    },
    { timeoutMs: 30_000 },
  );
  await timed('a slot in danger', () =>
    eventually(async () => {
      const { status, warnings } = (await service.readiness()) as { status: number; warnings?: { code: string }[] };
      expect([status, warnings?.map(({ code }) => code)]).toEqual([200, ['CDC-225']]);
      return true;
    }),
  );
  expect(service.log.filter(({ code }) => code === 'CDC-225')).toHaveLength(1);
  await lose();
  const took = await timed('a slot lost while running', () => service.notReady('CDC-212', 20_000));
  expect(took).toBeLessThan(10_000);
  kafka.pass();
  await repaired(service);
});

it('a slot re-created after a kill, however near to where it stood: told within 5 s, and repaired', async () => {
  const service = await capture().ready();
  await pipeline.captured();
  for (let i = 0; i < 3; i++) await tenant(`contado ${i}`);
  await pipeline.captured();
  // The count goes with the next record of what may be confirmed.
  await source.query(`SELECT pg_logical_emit_message(true, 'x', repeat('x', 2000000))`);
  await pipeline.captured();
  await service.stop('SIGKILL');
  await tenant('perdido en lo poco');
  await source.query('SELECT pg_drop_replication_slot($1)', [pipeline.name]);
  await source.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [pipeline.name]);
  const next = capture();
  await next.address();
  const took = await timed('a slot made anew', () => next.notReady('CDC-221', 15_000));
  expect(took).toBeLessThan(5_000);
  expect(await next.readiness()).toMatchObject({ fix: 'ventia-cdc repair slot' });
  await repaired(next);
});

it('a server whose backend crashes counts anew what it has decoded: no slot is taken for another one', async () => {
  const decoded = async () =>
    (
      await source.query('SELECT total_txns AS n FROM pg_stat_replication_slots WHERE slot_name = $1', [pipeline.name])
    )[0];
  const service = await capture().ready();
  for (let i = 0; i < 3; i++) await tenant(`antes ${i}`);
  await source.query(`SELECT pg_logical_emit_message(true, 'x', repeat('x', 2000000))`);
  await pipeline.captured();
  const before = Number((await decoded())!.n);
  const [{ pid }] = (await source.query('SELECT active_pid AS pid FROM pg_replication_slots')) as [{ pid: number }];
  process.kill(pid, 'SIGKILL');
  await eventually(async () => Number((await decoded())?.n ?? before) < before, { timeoutMs: 30_000 });
  await service.ready(30_000);
  await tenant('despues');
  await pipeline.captured();
  expect(service.log.map(({ code }) => code)).not.toContain('CDC-221');
  await expectTopicIsTable(pipeline, 'tenants');
});

it.each<[string, () => Promise<unknown>]>([
  [
    're-created',
    async () => {
      await source.query('SELECT pg_drop_replication_slot($1)', [pipeline.name]);
      await source.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [pipeline.name]);
    },
  ],
  ['advanced', () => source.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [pipeline.name])],
])('a slot %s by others between two connections: told within 10 s', async (how, meddle) => {
  const service = await capture().ready();
  await pipeline.captured();
  service.signal('SIGSTOP');
  await source.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
    pipeline.name,
  ]);
  await tenant(`perdido ${how}`);
  // More than what a capture at work may have confirmed by itself.
  await source.query(`SELECT pg_logical_emit_message(true, 'x', repeat('x', 4000000))`);
  await eventually(async () => {
    await meddle();
    return true;
  });
  service.signal('SIGCONT');
  const took = await timed('a slot moved by others', () => service.notReady('CDC-221', 20_000));
  expect(took).toBeLessThan(10_000);
  await repaired(service);
});
