import { withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import { processUsage } from '../support/process-usage';
import type { RunningService } from '../support/service';
import { eventually } from '../support/wait';

/**
 * Drains of a backlog through the built program as it is, default settings, one process at a time, everything (PostgreSQL,
 * Kafka, registry, this) on the same machine. ORDERS and PEOPLE scale it.
 */
const ORDERS = Number(process.env.ORDERS ?? 200_000);
const PEOPLE = Number(process.env.PEOPLE ?? 40_000);
const TENANTS = 100;
const MINUTES = 60_000;

jest.setTimeout(20 * MINUTES);

function report(what: string, rows: number, seconds: number, service: RunningService, cpuBefore = 0): void {
  const { peakMb, cpuSeconds } = processUsage(service.pid);
  const perMillion = ((cpuSeconds - cpuBefore) / rows) * 1e6;
  process.stdout.write(
    `${what.padEnd(44)} ${String(Math.round(rows / seconds)).padStart(8)} /s   ${seconds.toFixed(1).padStart(6)} s   peak ${peakMb.toFixed(0).padStart(4)} MB   ${perMillion.toFixed(1).padStart(6)} CPU s a million\n`,
  );
}

describe('plain path', () => {
  let pipeline: TestPipeline;

  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed');
    await pipeline.setup();
    await withClient(pipeline.databases.sourceUrl, async (client) => {
      await client.query(
        `INSERT INTO ventia.tenants (name, slug) SELECT 'Tienda ' || i, 'tienda-' || i FROM generate_series(1, ${TENANTS}) i`,
      );
    });
  });
  afterAll(() => pipeline.drop());

  const insertOrders = (from: number) =>
    withClient(pipeline.databases.sourceUrl, (client) =>
      client.query(
        `INSERT INTO ventia.orders (tenant_id, order_number, customer_name, customer_email, customer_phone, status, total_amount)
         SELECT t.ids[1 + i % ${TENANTS}], 'N' || i, 'Ana Perez ' || (i % ${PEOPLE}), 'ana' || (i % ${PEOPLE}) || '@tienda.pe',
                '9' || lpad((10000000 + i % ${PEOPLE})::text, 8, '0'), 'Pagado', 10.5
         FROM generate_series($1::int, $2::int) i, (SELECT array_agg(id ORDER BY id) ids FROM ventia.tenants) t`,
        [from, from + ORDERS - 1],
      ),
    );

  const drain = async (what: string, service: RunningService, name: string, labels: string, rows: number) => {
    await service.ready();
    const started = Date.now();
    const before = await service.metric(name, labels);
    await eventually(async () => (await service.metric(name, labels)) >= rows, {
      timeoutMs: 15 * MINUTES,
      intervalMs: 100,
    });
    report(what, rows - before, (Date.now() - started) / 1000, service);
  };

  it('capture: one transaction, then the sinks: new contacts, known contacts', async () => {
    const idle = pipeline.start(pipeline.connectors.source);
    await idle.ready();
    await eventually(async () => (await idle.metric('ventia_cdc_snapshot_done')) === 2, { timeoutMs: MINUTES });
    await idle.stop();

    await insertOrders(1);
    let capture = pipeline.start(pipeline.connectors.source);
    const published = 'ventia_cdc_changes_total';
    await drain(`capture, ${ORDERS} orders in one transaction`, capture, published, 'outcome="published"', ORDERS);
    await capture.stop();

    const accounts = pipeline.start(pipeline.connectors.accounts);
    await drain(`accounts, ${TENANTS} tenants`, accounts, 'ventia_cdc_events_applied_total', '', TENANTS);
    await accounts.stop();
    let contacts = pipeline.start(pipeline.connectors.contacts);
    await drain(
      `contacts, ${ORDERS} orders of ${PEOPLE} new people`,
      contacts,
      'ventia_cdc_events_applied_total',
      '',
      ORDERS,
    );
    await contacts.stop();

    await insertOrders(ORDERS + 1);
    capture = pipeline.start(pipeline.connectors.source);
    await drain('capture, the same again', capture, published, 'outcome="published"', ORDERS);
    await capture.stop();
    contacts = pipeline.start(pipeline.connectors.contacts);
    await drain(`contacts, ${ORDERS} orders of known people`, contacts, 'ventia_cdc_events_applied_total', '', ORDERS);
    await contacts.stop();
  });
});
