import type { Client } from 'pg';
import { withClient } from './databases';
import { type Overrides, TestPipeline } from './pipeline';
import type { RunningService } from './service';
import { expectTopicIsTable } from './topic-is-table';
import { VentiaRows } from './ventia-rows';
import { eventually } from './wait';

/** A small shop whose tables are altered under a capture that runs: every kind of change, and whether the topics followed. */
export class AlteredShop {
  private orders: string[] = [];
  private serial = 0;

  private constructor(
    readonly pipeline: TestPipeline,
    readonly tenants: readonly string[],
    public service: RunningService,
  ) {}

  /** In databases of its own. */
  static async open(overrides: Overrides = {}): Promise<AlteredShop> {
    const source = { 'snapshot.chunk.rows': 100, ...overrides.source };
    return AlteredShop.over(await TestPipeline.create('seed', { ...overrides, source }));
  }

  static async over(pipeline: TestPipeline): Promise<AlteredShop> {
    await pipeline.setup();
    const tenants: string[] = [];
    await pipeline.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      for (let i = 0; i < 4; i++) tenants.push(await rows.tenant(`tienda-${i}`));
    });
    const shop = new AlteredShop(pipeline, tenants, pipeline.start(pipeline.connectors.source));
    await shop.write(10);
    await shop.service.ready();
    await pipeline.captured();
    return shop;
  }

  /** As the owner of the tables. */
  sql(text: string): Promise<unknown> {
    return this.pipeline.source((client) => client.query(text));
  }

  /** New orders, and of older ones: some changed, one moved to another tenant, one deleted. */
  async write(count = 4): Promise<void> {
    await this.pipeline.source((client) => this.writeBy(client, count));
  }

  async writeBy(client: Client, count = 4): Promise<void> {
    const rows = await VentiaRows.open(client, 'ventia');
    for (let i = 0; i < count; i++) {
      const name = `cliente${this.serial++}`;
      const values = { customer_name: name, customer_email: `${name}@correo.pe`, customer_id: name };
      this.orders.push(await rows.order(this.tenants[i % 4]!, values));
    }
    const [changed, moved, deleted] = this.orders.slice(0, 3);
    await rows.update('orders', changed!, { customer_name: `otra${this.serial}` });
    await rows.update('orders', moved!, { tenant_id: this.tenants[this.serial % 4] });
    await rows.delete('orders', deleted!);
    this.orders = [...this.orders.slice(3), changed!, moved!];
  }

  /** Changes, the statement and changes again, in one transaction. */
  async within(sql: string): Promise<void> {
    await withClient(this.pipeline.databases.sourceUrl, async (client) => {
      await client.query('BEGIN');
      await this.writeBy(client);
      await client.query(sql);
      await this.writeBy(client);
      await client.query('COMMIT');
    });
  }

  /** Waits for the code, and gives what `/ready` says mends it. */
  async halted(code: string): Promise<string> {
    await this.service.notReady(code, 10_000);
    return (await this.service.readiness()).fix!;
  }

  /** Waits for the code, and runs the command that is said to mend it. */
  async obey(code: string, command: string): Promise<void> {
    await eventually(async () => (await this.halted(code)) === command, { timeoutMs: 15_000 });
    const [, ...args] = command.split(' ');
    const { code: exit, stdout, stderr } = await this.pipeline.cli(...args, '--yes');
    if (exit !== 0) throw new Error(`${command} ended with ${exit}:\n${stdout}${stderr}`);
  }

  /** Orders that are gone by other means. */
  forget(): void {
    this.orders = [];
  }

  async down(): Promise<void> {
    await this.service.stop();
  }

  async up(): Promise<void> {
    this.service = this.pipeline.start(this.pipeline.connectors.source);
    await this.service.ready();
  }

  /** How often a table had to be loaded again, in the words of the log. */
  get reasons(): unknown[] {
    const said = this.service.log.filter(({ msg }) => msg === 'changes may be missing: the table is loaded again');
    return said.map(({ table, why }) => `${table}: ${why}`);
  }

  /** Waits until both topics are the tables, and nothing is unaccounted for. */
  async converges(columns?: readonly string[]): Promise<void> {
    await this.service.ready();
    await this.pipeline.captured();
    await eventually(
      async () => {
        for (const table of ['tenants', 'orders'] as const) await expectTopicIsTable(this.pipeline, table, columns);
        return true;
      },
      { timeoutMs: 30_000, intervalMs: 500 },
    );
    const metrics = await (await fetch(`${await this.service.address()}/metrics`)).text();
    const differences = metrics.match(/^ventia_cdc_conservation_difference\{.*\} .*$/gm) ?? [];
    expect(differences.filter((line) => !line.endsWith(' 0'))).toEqual([]);
  }
}
