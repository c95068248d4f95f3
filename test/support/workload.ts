import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Random } from '../../src/dev/shop/random';
import { VentiaRows } from './ventia-rows';

export interface WorkloadOptions {
  readonly url: string;
  readonly schema: string;
  readonly seed: number;
  readonly clients: number;
  /** Tenants that are there already. */
  readonly tenants: readonly string[];
  /** Orders that everybody has seen already: only these move to another tenant, each once. */
  readonly movable: readonly string[];
}

/** Several clients of Ventia's database that write until told to stop, as the seed says for each. */
export class Workload {
  private readonly stopping = new AbortController();
  private readonly done: Promise<unknown>;
  private written = 0;

  constructor(private readonly options: WorkloadOptions) {
    this.done = Promise.all(Array.from({ length: options.clients }, (_, client) => this.run(client)));
  }

  get transactions(): number {
    return this.written;
  }

  /** Resolves when every client has committed its last transaction; rejects when one failed. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.done;
  }

  private async run(number: number): Promise<void> {
    const { url, schema, seed, clients, movable } = this.options;
    const random = new Random(seed * 31 + number);
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const rows = await VentiaRows.open(client, schema);
      const own = movable.filter((_, i) => i % clients === number);
      const work = new ClientWork(random, rows, this.options.tenants, own, number);
      while (!this.stopping.signal.aborted) {
        await work.transaction();
        this.written++;
        await sleep(random.integer(1, 12));
      }
    } finally {
      await client.end();
    }
  }
}

class ClientWork {
  private readonly open: string[] = [];
  private serial = 0;

  constructor(
    private readonly random: Random,
    private readonly rows: VentiaRows,
    private readonly tenants: readonly string[],
    private readonly movable: string[],
    private readonly client: number,
  ) {}

  async transaction(): Promise<void> {
    const { random, rows } = this;
    const what = random.weighted({
      insert: 40,
      update: 30,
      delete: 6,
      move: 4,
      several: 10,
      undone: 4,
      tenant: 4,
      shop: 2,
    });
    switch (what) {
      case 'insert':
        return this.insert();
      case 'update':
        return this.update();
      case 'delete': {
        const order = this.open.splice(random.integer(0, this.open.length), 1)[0];
        return order === undefined ? undefined : rows.delete('orders', order);
      }
      case 'move': {
        const order = this.movable.pop();
        return order === undefined ? undefined : rows.update('orders', order, { tenant_id: random.pick(this.tenants) });
      }
      case 'several':
        return rows.transaction(async () => {
          for (let left = random.integer(2, 20); left > 0; left--)
            await (random.chance(0.6) ? this.insert() : this.update());
          // So that commits and changes interleave with those of the other clients.
          await sleep(random.integer(0, 150));
        });
      case 'undone':
        return this.undone();
      case 'tenant':
        return rows.update('tenants', random.pick(this.tenants), { name: `Tienda ${random.digits(6)}` });
      case 'shop':
        return this.openShop();
    }
  }

  /** People return, write their number in several ways, and share addresses now and then. */
  private async insert(tenant = this.random.pick(this.tenants)): Promise<void> {
    this.open.push(await this.rows.order(tenant, this.customer()));
  }

  private async update(): Promise<void> {
    const { random } = this;
    if (this.open.length === 0) return this.insert();
    const { customer_phone, customer_email } = this.customer();
    const values = random.pick([
      { status: random.pick(['Pagado', 'Enviado', 'Cancelado']) },
      { customer_email },
      { customer_phone },
      { notes: random.digits(4_000) },
    ]);
    await this.rows.update('orders', random.pick(this.open), values);
  }

  private async undone(): Promise<void> {
    const known = this.open.length;
    const undo = new Error('undone');
    const transaction = this.rows.transaction(async () => {
      for (let left = 5; left > 0; left--) await this.insert();
      throw undo;
    });
    await transaction.catch((error) => {
      if (error !== undo) throw error;
    });
    this.open.length = known;
  }

  /** A tenant and its first orders in one transaction: their topics do not wait for each other. */
  private openShop(): Promise<void> {
    return this.rows.transaction(async () => {
      const tenant = await this.rows.tenant(`nueva-${this.client}-${this.serial++}`);
      for (let i = 0; i < 3; i++) await this.rows.order(tenant, this.customer(i * 1_000));
    });
  }

  private customer(person = this.random.integer(0, 200)) {
    const { random } = this;
    const digits = `9${String(10_000_000 + person * 7_919).slice(0, 8)}`;
    return {
      customer_name: random.pick([`Persona ${numeral(person)}`, null, `#${person}`]),
      customer_email: random.pick([
        `persona${person}@correo.pe`,
        `PERSONA${person}@correo.pe`,
        `otra${person % 20}@correo.pe`,
      ]),
      customer_phone: random.pick([digits, `+51 ${digits}`, `${digits}.0`, null, 'n/a']),
      customer_id: random.chance(0.5) ? `7${person}` : null,
    };
  }
}

/** A name has letters only. */
const numeral = (n: number): string => [...String(n)].map((digit) => 'ABCDEFGHIJ'[Number(digit)]).join('');
