import type { Client } from 'pg';
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

  static async open(overrides: Overrides = {}): Promise<AlteredShop> {
    const source = { 'snapshot.chunk.rows': 100, ...overrides.source };
    const pipeline = await TestPipeline.create('seed', { ...overrides, source });
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
