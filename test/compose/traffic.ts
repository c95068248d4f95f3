import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/wait';
import type { Installation } from './project';

export const TENANT = 'Bodega Sol';

/** A tenant and an order from outside, as an application writes them; resolves when its contact is there, in seconds. */
export async function firstEvent(at: Installation): Promise<number> {
  const started = performance.now();
  await at.sql(`
    INSERT INTO ventia.tenants (name, slug) VALUES ('${TENANT}', 'bodega-sol');
    INSERT INTO ventia.orders (tenant_id, customer_name, customer_email, customer_phone, status)
      SELECT id, 'Rosa Quispe', 'Rosa@Correo.pe', '987 654 321', 'Pagado' FROM ventia.tenants WHERE slug = 'bodega-sol'`);
  await eventually(
    async () => (await at.sql('SELECT phone_number FROM messaging.contacts'))[0]?.[0] === '+51987654321',
    {
      timeoutMs: 60_000,
      intervalMs: 100,
    },
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
    while (!this.stopping) await this.at.sql(this.seconds(2)).catch(() => sleep(500));
  }

  /** Every 20 ms a transaction with new orders and one that pays older ones. */
  private seconds(seconds: number): string {
    const orders = Math.max(1, Math.round(this.rate / 100));
    return `
      DO $$
      DECLARE tenant uuid := (SELECT id FROM ventia.tenants WHERE slug = 'bodega-sol');
              until timestamptz := clock_timestamp() + interval '${seconds} s';
              new uuid[]; old uuid[];
      BEGIN
        WHILE clock_timestamp() < until LOOP
          WITH made AS (
            INSERT INTO ventia.orders (tenant_id, customer_name, customer_phone, status)
              SELECT tenant, 'Cliente', '9' || lpad((random() * 99999999)::int::text, 8, '0'), 'Pendiente'
              FROM generate_series(1, ${orders}) RETURNING id)
          SELECT array_agg(id) INTO new FROM made;
          COMMIT;
          UPDATE ventia.orders SET status = 'Pagado' WHERE id = ANY(old);
          COMMIT;
          old := new;
          PERFORM pg_sleep(0.02);
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
