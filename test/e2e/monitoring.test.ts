import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { choosePorts } from '../../src/dev/stack/ports';
import { launch, type ServerProcess } from '../../src/dev/stack/process';
import { alerts, queries, RULES_FILE } from '../support/monitoring';
import { OwnSource } from '../support/own-source';
import { TestPipeline } from '../support/pipeline';
import { describeWithTool } from '../support/tools';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

/** A real Prometheus that scrapes a real run every half second. */
class Monitor {
  private constructor(
    private readonly url: string,
    private readonly server: ServerProcess,
    private readonly dir: string,
  ) {}

  static async start(command: string, targets: readonly string[]): Promise<Monitor> {
    const dir = mkdtempSync(join(tmpdir(), 'ventia-prometheus-'));
    const { port } = await choosePorts({ port: 0 });
    const config = {
      global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
      rule_files: [RULES_FILE],
      scrape_configs: [{ job_name: 'ventia-cdc', static_configs: [{ targets }] }],
    };
    writeFileSync(join(dir, 'prometheus.json'), JSON.stringify(config)); // JSON is YAML
    const args = [
      `--config.file=${join(dir, 'prometheus.json')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const signals = { stopSignal: 'SIGTERM', killSignal: 'SIGKILL' } as const;
    const server = await launch({ name: 'prometheus', command, args, dir, ...signals });
    return new Monitor(`http://127.0.0.1:${port}`, server, dir);
  }

  async get<T>(path: string): Promise<T> {
    const answer = (await (await fetch(`${this.url}${path}`)).json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  /** How many series the query gives now. */
  async count(expr: string): Promise<number> {
    const { result } = await this.get<{ result: unknown[] }>(`/api/v1/query?query=${encodeURIComponent(expr)}`);
    return result.length;
  }

  async stop(): Promise<void> {
    await this.server.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

describeWithTool('prometheus', 'a real Prometheus over a real run', (command) => {
  let source: OwnSource;
  let pipeline: TestPipeline;
  let monitor: Monitor;

  beforeAll(async () => {
    source = await OwnSource.start({ max_slot_wal_keep_size: '20GB' });
    await source.query(`SELECT pg_create_physical_replication_slot('replica', true)`);
    pipeline = TestPipeline.on(source.databases);
    await pipeline.setup();
    const { accounts, contacts } = pipeline.connectors;
    const services = [pipeline.start(pipeline.connectors.source), pipeline.start(accounts, contacts)];
    await Promise.all(services.map((service) => service.ready()));
    monitor = await Monitor.start(
      command,
      await Promise.all(services.map(async (service) => new URL(await service.address()).host)),
    );
    await pipeline.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      const tenant = await rows.tenant('bodega');
      // Two people of whom the third order says that they are one: a conflict.
      await rows.order(tenant, { customer_phone: '987654321' });
      await rows.order(tenant, { customer_email: 'ana@correo.pe' });
      await rows.order(tenant, { customer_phone: '987654321', customer_email: 'ana@correo.pe' });
    });
    await pipeline.caughtUp();
    await source.query(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL',
    );
    await Promise.all(services.map((service) => service.ready()));
    await pipeline.caughtUp();
  });
  afterAll(async () => {
    await monitor?.stop();
    await pipeline?.drop();
  });

  test.each(queries())('$dashboard, $panel: $expr', async ({ expr }) => {
    await eventually(() => monitor.count(expr), { timeoutMs: 20_000, intervalMs: 250 });
  });

  it('takes all rules, and in a run that is well tells nothing', async () => {
    type Group = { rules: { name: string; health: string; state: string }[] };
    await eventually(
      async () => {
        const { groups } = await monitor.get<{ groups: Group[] }>('/api/v1/rules');
        const rules = groups.flatMap((group) => group.rules);
        expect(rules.map(({ name }) => name)).toEqual(alerts().map(({ name }) => name));
        expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
        // What a test's own minute writes is no steady rate.
        const steady = rules.filter(({ name }) => name !== 'VentiaCdcSlotWalBudget');
        expect(steady.filter(({ state }) => state !== 'inactive').map(({ name }) => name)).toEqual([]);
        return true;
      },
      { timeoutMs: 30_000, intervalMs: 250 },
    );
  });
});
