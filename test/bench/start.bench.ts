import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { withKafkaAdmin } from '../support/topics';
import { eventually } from '../support/wait';

/** Kills capture and starts it again, with a change waiting: how long until the change is in the topic. RECORDS and TIMES scale it. */
const RECORDS = Number(process.env.RECORDS ?? 200_000);
const TIMES = Number(process.env.TIMES ?? 20);

jest.setTimeout(10 * 60_000);

interface Phases {
  /** Milliseconds since the process was started. */
  readonly listening: number;
  readonly streaming: number;
  readonly firstRecord: number;
}

describe('start', () => {
  let pipeline: TestPipeline;
  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed');
    await pipeline.setup();
    await inSource(
      `INSERT INTO ventia.tenants (name, slug) SELECT 'Tienda ' || i, 'tienda-' || i FROM generate_series(1, 100) i`,
    );
    await inSource(`
      INSERT INTO ventia.orders (tenant_id, customer_name, status)
      SELECT t.ids[1 + i % 100], 'Ana Perez', 'Pagado'
      FROM generate_series(1, ${RECORDS}) i, (SELECT array_agg(id) ids FROM ventia.tenants) t`);
    const first = await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured(120_000);
    await first.stop('SIGKILL');
  });
  afterAll(() => pipeline?.drop());

  const inSource = (text: string) => pipeline.source((client) => client.query(text));

  it(`from exec to the first new record, ${RECORDS} records in the topics`, async () => {
    const all: Phases[] = [];
    await withKafkaAdmin(async (admin) => {
      const end = async () =>
        (await admin.fetchTopicOffsets(pipeline.topics.tenants)).reduce((sum, { high }) => sum + Number(high), 0);
      for (let i = 0; i < TIMES; i++) {
        await inSource(`INSERT INTO ventia.tenants (name, slug) VALUES ('Tienda', 'start-${i}')`);
        const before = await end();
        const started = Date.now();
        const service = pipeline.start(pipeline.connectors.source);
        // A fence puts a marker into each of the six partitions; the record comes on top.
        await eventually(async () => (await end()) > before + 6, { timeoutMs: 30_000, intervalMs: 2 });
        const firstRecord = Date.now() - started;
        all.push({ ...phasesOf(service, started), firstRecord });
        await service.stop('SIGKILL');
      }
    });
    report(all);
  });
});

function phasesOf(service: RunningService, started: number): Omit<Phases, 'firstRecord'> {
  const at = (message: string) => Date.parse(String(service.log.find(({ msg }) => msg === message)?.time)) - started;
  return { listening: at('listening'), streaming: at('capture: streaming') };
}

function report(all: readonly Phases[]): void {
  for (const phase of ['listening', 'streaming', 'firstRecord'] as const) {
    const sorted = all.map((phases) => phases[phase]).sort((a, b) => a - b);
    const p50 = sorted[Math.floor(sorted.length / 2)];
    process.stdout.write(
      `${phase.padEnd(12)} p50 ${String(p50).padStart(5)} ms   max ${String(sorted.at(-1)).padStart(5)} ms\n`,
    );
  }
}
