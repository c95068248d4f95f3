import { OwnSource } from '../support/own-source';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { timed } from '../support/timed';
import { itSince } from '../support/tools';
import { expectTopicIsTable } from '../support/topic-is-table';
import { readChanges } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(240_000);

const TABLES = ['tenants', 'orders'] as const;

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
    const took = await timed('a restored source is told', () => service.notReady('CDC-214', 15_000));
    expect(took).toBeLessThan(5_000);
    expect(await service.readiness()).toMatchObject({
      reason: expect.stringMatching(reason),
      fix: 'ventia-cdc repair slot',
    });
    expect(await readChanges(pipeline.topics.orders)).toHaveLength(written);
    await repaired(pipeline, service);
  });
});

describe('a fail-over to a stand-by (PostgreSQL 17 and later take the slot along)', () => {
  itSince(17)('the slot is there, the timeline is another: refused, and repaired', async () => {
    const primary = await OwnSource.start();
    const pipeline = TestPipeline.on(primary.databases);
    let successor: OwnSource | null = null;
    try {
      await pipeline.setup();
      await orders(pipeline, 'antes', 10);
      const service = await pipeline.start(pipeline.connectors.source).ready();
      await pipeline.captured();
      const standBy = await primary.standBy();
      await orders(pipeline, 'despues', 10);
      await pipeline.captured();
      await standBy.synced(pipeline.name);
      successor = await standBy.takeOver(primary);
      const took = await timed('another timeline is told', () => service.notReady('CDC-214', 30_000));
      expect(took).toBeLessThan(10_000);
      const slots = await successor.query('SELECT slot_name, failover FROM pg_replication_slots WHERE slot_type = $1', [
        'logical',
      ]);
      expect(slots).toEqual([{ slot_name: pipeline.name, failover: true }]);
      await orders(pipeline, 'en el sucesor', 10);
      await repaired(pipeline, service);
    } finally {
      await pipeline.drop();
      await successor?.end();
    }
  });
});
