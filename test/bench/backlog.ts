import type { Client } from 'pg';
import { withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import { uniqueName } from '../support/stack';
import { eventually } from '../support/wait';

/** The publication that all contenders read. */
export const PUBLICATION = 'bench';

/** Twelve columns, about 200 bytes; `n` is an expression for the number, the tenant follows it. */
export function insertOrders(from: string | number, to: string | number, people = 1_000_000_000): string {
  return `
    INSERT INTO ventia.orders (tenant_id, order_number, shopify_order_id, customer_name, customer_email, customer_phone,
                               total_amount, currency, payment_method, status, channel)
    SELECT t.ids[1 + i % cardinality(t.ids)], 'N' || i, 'gid://shopify/Order/' || (7000000000 + i),
           'Ana Pérez ' || (i % ${people}), 'ana' || (i % ${people}) || '@tienda.pe',
           '9' || lpad((10000000 + i::bigint % ${people} * 7919 % 90000000)::text, 8, '0'),
           10.5 + i % 100, 'PEN', 'tarjeta', 'Pagado', 'shopify'
    FROM generate_series(${from}, ${to}) i, bench.tenants t`;
}

/** A table of orders, with its tenants, whose WAL is read by everybody. */
export class Source {
  private constructor(readonly pipeline: TestPipeline) {}

  /** Kept apart: `bench.tenants` is one row with the ids of all tenants, so that inserting an order looks nothing up. */
  static async create(tenants = 100): Promise<Source> {
    const source = new Source(await TestPipeline.create('seed'));
    await source.query(
      `INSERT INTO ventia.tenants (name, slug) SELECT 'Tienda ' || i, 'tienda-' || i FROM generate_series(1, ${tenants}) i`,
      'ALTER TABLE ventia.orders REPLICA IDENTITY FULL',
      `CREATE PUBLICATION ${PUBLICATION} FOR TABLE ventia.tenants, ventia.orders`,
      'CREATE SCHEMA bench',
      'CREATE TABLE bench.tenants AS SELECT array_agg(id ORDER BY id) AS ids FROM ventia.tenants',
    );
    return source;
  }

  get url(): string {
    return this.pipeline.databases.sourceUrl;
  }

  async query(...statements: string[]): Promise<void> {
    await this.use(async (client) => {
      for (const statement of statements) await client.query(statement);
    });
  }

  use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return withClient(this.url, work);
  }

  /** Another pipeline that captures this table; what it writes is its own. */
  capturedBy(source: Record<string, unknown> = {}): Promise<TestPipeline> {
    return TestPipeline.beside(this.pipeline, { source: { 'publication.name': PUBLICATION, ...source } });
  }

  /** Whoever reads it is ended. */
  async dropSlot(name: string): Promise<void> {
    await this.use((client) =>
      eventually(async () => {
        await client.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
          name,
        ]);
        await client.query('SELECT pg_drop_replication_slot($1)', [name]);
        return true;
      }),
    );
  }

  drop(): Promise<void> {
    return this.pipeline.drop();
  }
}

/** Changes that lie in the WAL behind a slot; each run of each contender reads a copy of that slot. */
export class Backlog {
  private constructor(
    readonly source: Source,
    /** Changes of orders. */
    readonly rows: number,
    /** Reading may stop when it has come here. */
    readonly endLsn: string,
    private readonly slot: string,
  ) {}

  static async make(source: Source, rows: number, statements: readonly string[]): Promise<Backlog> {
    const slot = uniqueName('bench_base');
    return source.use(async (client) => {
      await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
      await client.query('SET synchronous_commit = off');
      for (const statement of statements) await client.query(statement);
      const { rows: found } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn');
      // Something behind the end, so that nobody waits for a keepalive to learn of it.
      await client.query(`UPDATE ventia.tenants SET name = name WHERE slug = 'tienda-1'`);
      await client.query('CHECKPOINT');
      return new Backlog(source, rows, found[0].lsn as string, slot);
    });
  }

  /** Of as many orders in one transaction. */
  static oneTransaction(source: Source, rows: number): Promise<Backlog> {
    return Backlog.make(source, rows, [insertOrders(1, rows)]);
  }

  /** Of orders in transactions of `size` each. */
  static transactionsOf(source: Source, rows: number, size: number): Promise<Backlog> {
    const insert = insertOrders('n', `n + ${size - 1}`);
    const loop = `FOR n IN 1..${rows} BY ${size} LOOP ${insert}; COMMIT; END LOOP`;
    return Backlog.make(source, rows, [`DO $$ BEGIN ${loop}; END $$`]);
  }

  /** A slot of this name that stands where the backlog begins. */
  async copySlot(name: string): Promise<void> {
    await this.source.use((client) =>
      client.query('SELECT pg_copy_logical_replication_slot($1, $2)', [this.slot, name]),
    );
  }

  /** Gives the WAL free. */
  drop(): Promise<void> {
    return this.source.dropSlot(this.slot);
  }
}
