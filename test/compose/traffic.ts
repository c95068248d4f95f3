import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/wait';
import type { Installation } from './project';

/** A tenant and an order as an application writes them, as soon as there is a database; resolves when the contact is there. */
export async function firstEvent(at: Installation): Promise<void> {
  const soon = { timeoutMs: 240_000, intervalMs: 200 };
  const insert = `
    INSERT INTO ventia.tenants (name, slug) VALUES ('Bodega Sol', 'bodega-sol');
    INSERT INTO ventia.orders (tenant_id, customer_name, customer_email, customer_phone, status)
      SELECT id, 'Rosa Quispe', 'Rosa@Correo.pe', '987 654 321', 'Pagado' FROM ventia.tenants WHERE slug = 'bodega-sol'`;
  await eventually(() => at.sql(insert), soon);
  const contact = [['Rosa Quispe', 'rosa@correo.pe', '+51987654321']];
  const contacts = 'SELECT name, email, phone_number FROM messaging.contacts';
  await eventually(async () => {
    expect(await at.sql(contacts)).toEqual(contact);
    return true;
  }, soon);
}

/** Seconds until an order that is written now, as soon as the database takes it, is known to the sinks. */
export async function orderArrives(at: Installation): Promise<number> {
  const started = performance.now();
  const soon = { timeoutMs: 180_000, intervalMs: 300 };
  const insert = `INSERT INTO ventia.orders (tenant_id, customer_name, customer_phone)
    SELECT id, 'Luis Rojas', '912345678' FROM ventia.tenants WHERE slug = 'bodega-sol' RETURNING id`;
  const [[id] = []] = await eventually(() => at.sql(insert), soon);
  await eventually(
    async () => (await at.sql(`SELECT 1 FROM cdc.order_fact WHERE order_id = '${id}'`)).length > 0,
    soon,
  );
  return (performance.now() - started) / 1000;
}

/** Orders that come and get paid, many short transactions, until stopped; a database that is away is waited for. */
export class Traffic {
  private stopping = false;
  private readonly ended: Promise<void>;

  constructor(
    private readonly at: Installation,
    /** Changes a second, about. */
    private readonly rate: number,
  ) {
    this.ended = this.play();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.ended;
  }

  private async play(): Promise<void> {
    while (!this.stopping) await this.at.sql(this.seconds(4)).catch(() => sleep(500));
  }

  /** Every 20 ms a transaction with the orders that are due, and one that pays those of before. */
  private seconds(seconds: number): string {
    return `
      DO $$
      DECLARE tenant uuid := (SELECT id FROM ventia.tenants WHERE slug = 'bodega-sol');
              elapsed float8 := 0; since timestamptz := clock_timestamp(); total int := 0; new uuid[]; old uuid[];
      BEGIN
        WHILE elapsed < ${seconds} LOOP
          WITH made AS (
            INSERT INTO ventia.orders (tenant_id, customer_name, customer_phone, status)
              SELECT tenant, 'Cliente', '9' || lpad((random() * 99999999)::int::text, 8, '0'), 'Pendiente'
              FROM generate_series(1, ceil(elapsed * ${this.rate} / 2)::int - total) RETURNING id)
          SELECT array_agg(id) INTO new FROM made;
          COMMIT;
          UPDATE ventia.orders SET status = 'Pagado' WHERE id = ANY(old);
          COMMIT;
          total := total + coalesce(cardinality(new), 0);
          old := new;
          PERFORM pg_sleep(0.02);
          elapsed := extract(epoch FROM clock_timestamp() - since);
        END LOOP;
      END $$`;
  }
}

/** Resolves when the sinks' ledger says of every order what the source says; gives the number of orders. */
export async function nothingLost(at: Installation, timeoutMs = 120_000): Promise<number> {
  await eventually(
    async () => {
      const [row] = await at.sql(`
        SELECT count(*) FILTER (WHERE f.order_id IS NULL), count(*) FILTER (WHERE o.id IS NULL), count(*)
        FROM ventia.orders o FULL JOIN (SELECT * FROM cdc.order_fact WHERE NOT deleted) f ON f.order_id = o.id::text
        WHERE o.id IS NULL OR f.order_id IS NULL OR o.status IS DISTINCT FROM f.status`);
      expect({ missing: row![0], toomuch: row![1], different: row![2] }).toEqual({
        missing: '0',
        toomuch: '0',
        different: '0',
      });
      return true;
    },
    { timeoutMs, intervalMs: 1_000 },
  );
  return Number((await at.sql('SELECT count(*) FROM ventia.orders'))[0]![0]);
}
