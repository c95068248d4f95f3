import { withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
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
  capture = pipeline.start(source);
  sinks = pipeline.start(accounts, contacts);
  await Promise.all([capture.ready(), sinks.ready()]);
  await pipeline.caughtUp();
});
afterAll(() => pipeline?.drop());

/** Seconds, or null where the stage tells none. */
async function freshness(service: RunningService, stage: string, connector = ''): Promise<number | null> {
  const text = await (await fetch(`${await service.address()}/metrics`)).text();
  const values = text
    .split('\n')
    .filter((line) => line.startsWith('ventia_cdc_freshness_seconds{'))
    .filter((line) => line.includes(`stage="${stage}"`) && line.includes(connector))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  return values.length === 0 ? null : Math.max(...values);
}

const stays = (service: RunningService, stage: string, connector = '') =>
  eventually(
    async () => {
      const seconds = await freshness(service, stage, connector);
      return seconds !== null && seconds < 10;
    },
    { timeoutMs: 20_000, intervalMs: 200 },
  );

it('every stage is fresh while nothing is written, for longer than it could be by what was written last', async () => {
  const idleSince = Date.now();
  const { accounts, contacts } = pipeline.connectors;
  const all = async () => [
    await freshness(capture, 'receive'),
    await freshness(capture, 'publish'),
    await freshness(capture, 'confirm'),
    await freshness(sinks, 'apply', accounts),
    await freshness(sinks, 'apply', contacts),
  ];
  await eventually(async () => (await all()).every((seconds) => seconds !== null) && Date.now() - idleSince > 14_000, {
    timeoutMs: 30_000,
    intervalMs: 500,
  });
  for (const seconds of await all()) expect(seconds).toBeLessThan(12);
});

it('a sink that cannot write is stale, and capture is not; then both are fresh', async () => {
  await withClient(pipeline.databases.messagingUrl, async (client) => {
    await client.query('BEGIN; LOCK TABLE cdc.tenant_lock IN ACCESS EXCLUSIVE MODE');
    await pipeline.source(async (ventia) => {
      await (await VentiaRows.open(ventia, 'ventia')).tenant('Bodega Espera');
    });
    const { accounts, contacts } = pipeline.connectors;
    await eventually(async () => (await freshness(sinks, 'apply', accounts))! > 13, {
      timeoutMs: 30_000,
      intervalMs: 300,
    });
    expect(await sinks.metric('ventia_cdc_lag_records', accounts)).toBeGreaterThan(0);
    await stays(capture, 'publish');
    await stays(sinks, 'apply', contacts);
    await client.query('ROLLBACK');
    await stays(sinks, 'apply', accounts);
  });
});

it('a sink that starts where nothing is to be read knows at once how fresh it is', async () => {
  await pipeline.applied();
  await sinks.stop();
  const { accounts, contacts } = pipeline.connectors;
  sinks = await pipeline.start(accounts, contacts).ready();
  await stays(sinks, 'apply', accounts);
  await stays(sinks, 'apply', contacts);
});

it('without capture Messaging grows stale; a new capture makes it fresh; one that stands by tells nothing', async () => {
  await capture.stop('SIGKILL');
  await eventually(async () => (await freshness(sinks, 'apply'))! > 13, { timeoutMs: 30_000, intervalMs: 300 });
  const { source } = pipeline.connectors;
  capture = await pipeline.start(source).ready();
  const standBy = pipeline.start(source);
  await standBy.notReady('CDC-211', 15_000);
  await stays(sinks, 'apply');
  expect(await freshness(standBy, 'publish')).toBeNull();
  await standBy.stop();
});
