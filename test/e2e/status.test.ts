import type { StatusView } from '../../src/core/status';
import { withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import { type RunningService, runCli } from '../support/service';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

let pipeline: TestPipeline;
let capture: RunningService;
let sinks: RunningService;

beforeAll(async () => {
  pipeline = await TestPipeline.create('seed', { roles: true });
  await pipeline.setup();
  const { source, accounts, contacts } = pipeline.connectors;
  // As in production: nobody has the address of what it does not need.
  capture = pipeline.startWith({ MESSAGING_URL: '', MESSAGING_ADMIN_URL: '' }, source);
  sinks = pipeline.startWith({ VENTIA_SOURCE_URL: '', VENTIA_ADMIN_URL: '' }, accounts, contacts);
  await Promise.all([capture.ready(), sinks.ready()]);
  await pipeline.caughtUp();
});
afterAll(() => pipeline?.drop());

const byCommand = async () => JSON.parse((await pipeline.cli('status', '--json')).stdout) as StatusView;
const byRest = async (service: RunningService) =>
  (await (await fetch(`${await service.address()}/api/status`)).json()) as StatusView;
const of = (view: StatusView, name: string) => view.connectors.find((connector) => connector.name === name)!;

/** Until all that is asked shows what is wanted. */
const shows = (read: () => Promise<StatusView>, wanted: object, timeoutMs = 40_000) =>
  eventually(
    async () => {
      expect(await read()).toMatchObject(wanted);
      return true;
    },
    { timeoutMs, intervalMs: 300 },
  );

it('says the same by command, and by the REST of a process that runs only some', async () => {
  const running = pipeline.connectors;
  const wanted = {
    state: 'running',
    connectors: [running.accounts, running.contacts, running.source]
      .map((name) => ({ name, state: 'running', tasks: [{ state: 'working' }], unaccounted: 0 }))
      .sort((a, b) => order(a.name) - order(b.name)),
    slot: { name: pipeline.name, walStatus: 'reserved' },
    unknown: [],
  };
  for (const read of [byCommand, () => byRest(capture), () => byRest(sinks)]) await shows(read, wanted);
  const view = await byCommand();
  expect(of(view, running.contacts).partitions).toHaveLength(6);
  expect(of(view, running.source).positions?.published).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
  const { stdout, code } = await pipeline.cli('status');
  expect(code).toBe(0);
  expect(stdout).toContain(`${running.source}  running`);
  expect(stdout).not.toContain('\x1b');
});
const order = (name: string) =>
  name === pipeline.connectors.source ? 0 : name === pipeline.connectors.accounts ? 1 : 2;

it('a sink that waits for a lock is stalled, with the reason; then it runs', async () => {
  const { accounts } = pipeline.connectors;
  await withClient(pipeline.databases.messagingUrl, async (client) => {
    await client.query('BEGIN; LOCK TABLE cdc.tenant_lock IN ACCESS EXCLUSIVE MODE');
    await pipeline.source(async (ventia) => {
      await (await VentiaRows.open(ventia, 'ventia')).tenant('Bodega Espera');
    });
    await eventually(
      async () => {
        const view = of(await byRest(sinks), accounts);
        expect(view).toMatchObject({ state: 'stalled', code: expect.stringMatching(/^CDC-/), lagRecords: 1 });
        return true;
      },
      { timeoutMs: 40_000, intervalMs: 300 },
    );
    await client.query('ROLLBACK');
  });
  await eventually(async () => of(await byCommand(), accounts).state === 'running', {
    timeoutMs: 40_000,
    intervalMs: 300,
  });
});

it('--watch shows it again and again until Ctrl-C, and ends in good order', async () => {
  const { code, stdout } = await runCli(['status', '--watch', '--json'], pipeline.env, (written, kill) => {
    if (written.split('\n').length > 2) kill('SIGINT');
  });
  const views = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as StatusView);
  expect(code).toBe(0);
  expect(views.length).toBeGreaterThanOrEqual(2);
  expect(Date.parse(views[1]!.at) - Date.parse(views[0]!.at)).toBeGreaterThanOrEqual(2000);
});

it('a process that ends in good order is gone at once', async () => {
  await sinks.stop();
  const { accounts, contacts, source } = pipeline.connectors;
  const view = await byCommand();
  expect(of(view, accounts)).toMatchObject({ state: 'stopped', tasks: [], why: 'no process runs it' });
  expect(of(view, contacts)).toMatchObject({ state: 'stopped', fix: `ventia-cdc run ${contacts}` });
  expect(of(view, source).state).toBe('running');
});

it('with Kafka away it shows what is left, and who did not answer', async () => {
  const { code, stdout } = await pipeline.cliWith({ KAFKA_BROKERS: '127.0.0.1:1' }, 'status', '--json');
  const view = JSON.parse(stdout) as StatusView;
  expect(code).toBe(0);
  expect(view.unknown).toMatchObject([{ what: 'Kafka', fix: expect.stringContaining('KAFKA_BROKERS') }]);
  expect(view.slot).toMatchObject({ name: pipeline.name, holder: expect.stringContaining('ventia-cdc') });
});
