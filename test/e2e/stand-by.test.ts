import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { readChanges } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(120_000);

let pipeline: TestPipeline;
beforeAll(async () => {
  pipeline = await TestPipeline.create('seed');
  await pipeline.setup();
  // What the server allows a silent reader; a default of 60 s would only make the test longer.
  await pipeline.source((client) => client.query(`ALTER DATABASE ${client.database} SET wal_sender_timeout = '2s'`));
});
afterAll(() => pipeline?.drop());

/** Two captures, one of which works. */
async function two(): Promise<[RunningService, RunningService]> {
  const { source } = pipeline.connectors;
  const first = await pipeline.start(source).ready();
  const second = pipeline.start(source);
  await second.notReady('CDC-211', 10_000);
  return [first, second];
}

async function tenant(name: string): Promise<void> {
  await pipeline.source(async (client) => (await VentiaRows.open(client, 'ventia')).tenant(name));
}

it('says who holds the slot', async () => {
  const [first, second] = await two();
  const { reason } = await second.readiness();
  expect(reason).toContain(`"ventia-cdc ${pipeline.connectors.source}"`);
  expect(reason).toMatch(/process \d+/);
  expect(second.log.filter(({ code }) => code === 'CDC-211')).toHaveLength(1);
  await Promise.all([first.stop(), second.stop()]);
});

it.each<[string, NodeJS.Signals, number]>([
  // Machines that run many tests at once need longer than a quiet one, where it is below 2 s: hence the figures.
  ['killed', 'SIGKILL', 5_000],
  ['frozen: the server lets go after wal_sender_timeout (2 s)', 'SIGSTOP', 2_000 + 5_000],
])('takes over from one that is %s', async (_, signal, withinMs) => {
  const [first, second] = await two();
  await tenant(`antes de ${signal}`);
  await pipeline.captured();
  const begun = Date.now();
  first.signal(signal);
  await tenant(`durante ${signal}`);
  await second.ready(withinMs);
  process.stderr.write(`taken over after ${signal}: ${Date.now() - begun} ms\n`);
  await pipeline.captured();
  if (signal === 'SIGSTOP') {
    first.signal('SIGCONT');
    await first.notReady('CDC-211', 30_000);
  }
  const names = (await readChanges(pipeline.topics.tenants)).map(({ after }) => after?.name);
  for (const name of [`antes de ${signal}`, `durante ${signal}`])
    expect(names.filter((found) => found === name)).toHaveLength(1);
  await Promise.all([first.stop('SIGKILL'), second.stop()]);
});

it('starts while the registry is away, once its schemas are known', async () => {
  const service = pipeline.startWith({ SCHEMA_REGISTRY_URL: 'http://127.0.0.1:9' }, pipeline.connectors.source);
  await service.ready(10_000);
  await tenant('sin registro');
  await pipeline.captured();
  const names = (await readChanges(pipeline.topics.tenants)).map(({ after }) => after?.name);
  expect(names).toContain('sin registro');
  expect(service.log.some(({ code }) => code === 'CDC-400')).toBe(true);
  await service.stop();
});
