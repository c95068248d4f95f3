import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import { processUsage } from '../support/process-usage';
import { uniqueName } from '../support/stack';
import { eventually } from '../support/wait';

/**
 * The same WAL drained by pg_recvlogical into /dev/null and by capture into Kafka, in turns, everything on one machine. Slots
 * are made before the backlog, one a run. Time counts from the start of streaming to the last change, so that PostgreSQL's
 * own decoding is in both.
 *
 *   ROWS=500000 SMALL=200000 ROUNDS=5 npm run bench -- drain
 *
 * PROFILE=folder leaves a CPU profile of each run there.
 */
const ROWS = Number(process.env.ROWS ?? 200_000);
const SMALL = Number(process.env.SMALL ?? 50_000);
const ROUNDS = Number(process.env.ROUNDS ?? 3);
const TENANTS = 100;
const MINUTES = 60_000;

jest.setTimeout(30 * MINUTES);

interface Run {
  readonly perSecond: number;
  readonly cpuPerMillion: number;
  readonly peakMb: number;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function report(what: string, runs: readonly Run[]): void {
  const rates = runs.map(({ perSecond }) => perSecond);
  const k = (n: number) => `${(n / 1000).toFixed(1)}k`;
  const cpu = median(runs.map(({ cpuPerMillion }) => cpuPerMillion)).toFixed(1);
  const peak = Math.max(...runs.map(({ peakMb }) => peakMb)).toFixed(0);
  process.stdout.write(
    `${what.padEnd(48)} ${k(median(rates)).padStart(7)}/s (${k(Math.min(...rates))}-${k(Math.max(...rates))})   ${cpu.padStart(5)} CPU s a million   peak ${peak} MB\n`,
  );
}

describe('drain', () => {
  let first: TestPipeline;
  const pipelines: TestPipeline[] = [];

  beforeAll(async () => {
    first = await TestPipeline.create('seed');
  });
  afterAll(async () => {
    for (const pipeline of pipelines) await pipeline.drop();
    await first.drop();
  });

  const orders = (from: string, to: string) =>
    `INSERT INTO ventia.orders (tenant_id, order_number, customer_name, customer_email, customer_phone, status, total_amount)
     SELECT t.ids[1 + i % ${TENANTS}], 'N' || i, 'Ana Perez ' || i, 'ana' || i || '@tienda.pe', '987654321', 'Pagado', 10.5
     FROM generate_series(${from}, ${to}) i, (SELECT array_agg(id ORDER BY id) ids FROM ventia.tenants) t`;

  async function recvlogical(slot: string, endpos: string, rows: number): Promise<Run> {
    const started = Date.now();
    const args = ['-d', first.databases.sourceUrl, '-S', slot, '--start', '--no-loop', '-f', '/dev/null', '-E', endpos];
    const options = ['-o', 'proto_version=1', '-o', `publication_names=${pipelines[0]!.name}`];
    const child = spawn('pg_recvlogical', [...args, ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    await once(child, 'close');
    return { perSecond: rows / ((Date.now() - started) / 1000), cpuPerMillion: 0, peakMb: 0 };
  }

  async function capture(pipeline: TestPipeline, rows: number): Promise<Run> {
    const service = pipeline.startWith(
      process.env.PROFILE ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${process.env.PROFILE}` } : {},
      pipeline.connectors.source,
    );
    await service.ready();
    const started = Date.now();
    const cpuBefore = processUsage(service.pid).cpuSeconds;
    const address = await service.address();
    const published = async () => {
      const text = await (await fetch(`${address}/metrics`)).text();
      const lines = text
        .split('\n')
        .filter((l) => l.startsWith('ventia_cdc_changes_total') && l.includes('"published"'));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    };
    await eventually(async () => (await published()) >= rows, { timeoutMs: 10 * MINUTES, intervalMs: 25 });
    const seconds = (Date.now() - started) / 1000;
    const { cpuSeconds, peakMb } = processUsage(service.pid);
    await service.stop();
    return { perSecond: rows / seconds, cpuPerMillion: ((cpuSeconds - cpuBefore) / rows) * 1e6, peakMb };
  }

  it.each([
    ['one transaction', ROWS, (rows: number) => [orders('1', String(rows))]],
    [
      'transactions of one row',
      SMALL,
      (rows: number) => [
        'SET synchronous_commit = off',
        `DO $$ BEGIN FOR n IN 1..${rows} LOOP ${orders('n', 'n')}; COMMIT; END LOOP; END $$`,
      ],
    ],
  ] as const)('%s', async (what, rows, backlog) => {
    const slots = Array.from({ length: ROUNDS }, () => uniqueName('bench_recv'));
    const ours: TestPipeline[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const pipeline = await TestPipeline.beside(first, { source: { 'snapshot.mode': 'never' } });
      await pipeline.setup();
      ours.push(pipeline);
    }
    pipelines.unshift(...ours);
    const endpos = await withClient(first.databases.sourceUrl, async (client) => {
      await client.query(
        `INSERT INTO ventia.tenants (name, slug) SELECT 'Tienda ' || i, 'tienda-${what[0]}' || i FROM generate_series(1, ${TENANTS}) i ON CONFLICT DO NOTHING`,
      );
      for (const slot of slots) await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
      for (const statement of backlog(rows)) await client.query(statement);
      const {
        rows: [{ lsn }],
      } = await client.query('SELECT pg_current_wal_lsn() AS lsn');
      return lsn as string;
    });
    const runs: { ours: Run[]; recv: Run[] } = { ours: [], recv: [] };
    for (let i = 0; i < ROUNDS; i++) {
      runs.recv.push(await recvlogical(slots[i]!, endpos, rows));
      runs.ours.push(await capture(ours[i]!, rows));
    }
    report(`pg_recvlogical, ${rows} rows, ${what}`, runs.recv);
    report(`capture, ${rows} rows, ${what}`, runs.ours);
    await withClient(first.databases.sourceUrl, async (client) => {
      for (const slot of slots) await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
    });
  });
});
