import { OwnSource } from '../support/own-source';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { expectTopicIsTable } from '../support/topic-is-table';
import { readChanges } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(240_000);

const TABLES = ['tenants', 'orders'] as const;

/** Printed, so that a slow machine is told from a slow program. */
async function timed<T>(what: string, work: () => Promise<T>): Promise<number> {
  const begun = Date.now();
  await work();
  const took = Date.now() - begun;
  process.stderr.write(`${what}: ${took} ms\n`);
  return took;
}

async function orders(pipeline: TestPipeline, name: string, count: number): Promise<void> {
  await pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, pipeline.databases.schemas.ventia);
    for (let i = 0; i < count; i++) {
      const tenant = await rows.tenant(`${name}-${i}`);
      await rows.order(tenant, { customer_name: `${name} ${i}`, customer_email: `${name}${i}@correo.pe` });
    }
  });
}

async function repaired(pipeline: TestPipeline, service: RunningService): Promise<void> {
  const { code, stderr } = await pipeline.cli('repair', 'slot', '--yes');
  expect([code, stderr]).toEqual([0, '']);
  await service.ready(60_000);
  await pipeline.captured();
  for (const table of TABLES) await expectTopicIsTable(pipeline, table);
}

const forkedWithin5s = (service: RunningService) => async () => {
  await service.notReady('CDC-214', 15_000);
  expect((await service.readiness()).fix).toBe('ventia-cdc repair slot');
};

describe('a source restored from a backup, slot and all', () => {
  let source: OwnSource;
  let pipeline: TestPipeline;

  beforeAll(async () => {
    source = await OwnSource.start();
    pipeline = TestPipeline.on(source.databases);
    await pipeline.setup();
    await orders(pipeline, 'antes', 20);
    await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    await pipeline.stop();
  });
  afterAll(async () => {
    await pipeline?.drop();
    await source?.end();
  });
  afterEach(() => pipeline.stop());

  test.each([
    ['has less WAL than the topics have seen', 0, /its WAL ends at/],
    ['has grown beyond it, with other changes under the same LSNs', 120, /its (WAL has no )?transaction at/],
  ])('it %s: refused, and repaired', async (_, after, reason) => {
    await source.backUp();
    await pipeline.start(pipeline.connectors.source).ready();
    await orders(pipeline, 'perdido', 40);
    await pipeline.captured();
    await pipeline.stop();
    const written = (await readChanges(pipeline.topics.orders)).length;
    await source.restore();
    await orders(pipeline, 'despues', after);

    const service = pipeline.start(pipeline.connectors.source);
    await service.address();
    const took = await timed('a restored source is told', forkedWithin5s(service));
    expect(took).toBeLessThan(5_000);
    expect((await service.readiness()).reason).toMatch(reason);
    expect(await readChanges(pipeline.topics.orders)).toHaveLength(written);
    await repaired(pipeline, service);
  });
});
