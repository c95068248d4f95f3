import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Random } from '../../../src/dev/shop/random';
import { type OrderInput, Shop } from '../../support/shop';
import { openSinks, type SinkWorld } from '../../support/sinks';

/**
 * The sinks beside the Rails application at work on the same contacts: it inserts, edits, merges and deletes them and makes
 * accounts, each in a transaction of its own, some of them slow.
 */
const SEED = Number(process.env.APPLICATION_SEED ?? Date.now() % 1_000_000);
const MS = Number(process.env.APPLICATION_SECONDS ?? 10) * 1000;
const TENANTS = 3;
const PEOPLE = 25;
jest.setTimeout(60_000 + MS);

const phoneOf = (person: number) => `9${String(10_000_000 + person * 7919).slice(0, 8)}`;
const emailOf = (person: number) => `p${person}@g.pe`;

/** What agents wrote last, by contact: nobody else may change it. */
type Written = Map<string, { name?: string; email?: string; phone?: string }>;

class Rails {
  readonly written: Written = new Map();
  /** Removed by hand or by a merge: they must not come back. */
  readonly removed = new Set<string>();
  done = 0;
  private serial = 0;

  constructor(
    private readonly client: Client,
    private readonly random: Random,
    private readonly shop: Shop,
    private readonly schema: string,
  ) {}

  async act(): Promise<void> {
    const { client, random } = this;
    const tenant = random.integer(1, TENANTS);
    await client.query('BEGIN');
    try {
      const settle = await this.one(tenant);
      // What it has touched is locked meanwhile.
      await sleep(random.integer(0, 30));
      await client.query('COMMIT');
      settle();
      this.done++;
    } catch (error) {
      await client.query('ROLLBACK');
      // As Rails does: a duplicate is told to the user.
      if (!/^(23505|40P01)$/.test((error as { code?: string }).code ?? '')) throw error;
    }
  }

  private async one(tenant: number): Promise<() => void> {
    const { random } = this;
    const what = random.weighted({ insert: 3, name: 4, email: 3, phone: 2, merge: 1, delete: 1 });
    const [one, other] = await this.pick(tenant);
    if (what === 'insert') return this.insert(tenant);
    if (!one || (what === 'merge' && !other)) return () => {};
    if (what === 'delete' || what === 'merge') return this.remove(one, what === 'merge' ? other! : null);
    const column = { name: 'name', email: 'email', phone: 'phone_number' }[what];
    const n = ++this.serial;
    const value = { name: `Agente ${n}`, email: `agente${n}@g.pe`, phone: `+5198${String(1_000_000 + n)}` }[what];
    await this.run(`UPDATE contacts SET ${column} = $2, updated_at = now() WHERE id = $1`, [one, value]);
    return () => this.written.set(one, { ...this.written.get(one), [what]: value });
  }

  private async insert(tenant: number): Promise<() => void> {
    const { random } = this;
    const person = random.integer(0, PEOPLE - 1);
    const [email, phone] = random.pick([
      [emailOf(person), null],
      [null, `+51${phoneOf(person)}`],
      [emailOf(person), `+51${phoneOf(person)}`],
    ] as const);
    const name = `Chat ${++this.serial}`;
    const taken = await this.run(
      `SELECT FROM contacts WHERE account_id = (SELECT id FROM accounts WHERE ventia_tenant_id = $1)
         AND (lower(email) = $2 OR phone_number = $3)`,
      [this.shop.ids.id(tenant), email, phone],
    );
    if (taken.length > 0) return () => {};
    const [row] = await this.run<{ id: string }>(
      `INSERT INTO contacts (account_id, name, email, phone_number, created_at, updated_at)
       SELECT id, $2, $3, $4, now(), now() FROM accounts WHERE ventia_tenant_id = $1 RETURNING id::text`,
      [this.shop.ids.id(tenant), name, email, phone],
    );
    return () => row && this.written.set(row.id, { name, ...(email && { email }), ...(phone && { phone }) });
  }

  /** A merge fills the blanks of the one that stays. */
  private async remove(id: string, heir: string | null): Promise<() => void> {
    await this.run('DELETE FROM contacts WHERE id = $1', [id]);
    if (heir !== null) await this.run(`UPDATE contacts SET updated_at = now() WHERE id = $1`, [heir]);
    return () => {
      this.removed.add(id);
      this.written.delete(id);
    };
  }

  private async pick(tenant: number): Promise<string[]> {
    const rows = await this.run<{ id: string }>(
      `SELECT id::text FROM contacts WHERE account_id = (SELECT id FROM accounts WHERE ventia_tenant_id = $1) ORDER BY id`,
      [this.shop.ids.id(tenant)],
    );
    if (rows.length === 0) return [];
    return [this.random.pick(rows).id, this.random.pick(rows).id].filter((id, i, all) => all.indexOf(id) === i);
  }

  private async run<R>(text: string, values: unknown[]): Promise<R[]> {
    return (await this.client.query(text.replace(/\b(contacts|accounts)\b/g, `${this.schema}.$1`), values)).rows as R[];
  }
}

let world: SinkWorld;
beforeAll(async () => {
  world = await openSinks('repo');
});
afterAll(() => world.close());

test(`orders of people whom the application is working on (APPLICATION_SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const t = new Shop(world);
  const client = new Client({ connectionString: world.ownerUrl });
  await client.connect();
  const rails = new Rails(client, new Random(SEED + 1), t, world.schema);
  const deadline = Date.now() + MS;
  const orderOf = (tenant: number): OrderInput => {
    const person = random.integer(0, PEOPLE - 1);
    return {
      tenant,
      phone: random.pick([phoneOf(person), `+51 ${phoneOf(person)}`, null]),
      email: random.pick([emailOf(person), emailOf(person).toUpperCase(), null]),
      cid: random.chance(0.3) ? BigInt(person) : null,
      name: random.pick(['Ana Pérez', 'Luis', null]),
      status: random.pick(['Pagado', 'Pendiente', 'Cancelado']),
    };
  };
  await t.tenants(...Array.from({ length: TENANTS }, (_, n) => t.tenantEvent(n + 1)));

  const agents = (async () => {
    while (Date.now() < deadline) await rails.act();
  })();
  const totals = { applied: 0, deadLetters: 0 };
  let opened = TENANTS;
  while (Date.now() < deadline) {
    const tenant = random.integer(1, TENANTS);
    // Each order keeps its tenant.
    const orders = Array.from({ length: random.integer(1, 12) }, () => random.integer(0, 99) * TENANTS + tenant);
    const result = await t.orders(...orders.map((n) => t.orderEvent(n, random.chance(0.1) ? null : orderOf(tenant))));
    totals.applied += result.applied;
    totals.deadLetters += result.deadLetters;
    if (random.chance(0.2)) await raceForAccount(t, ++opened);
  }
  await agents;
  await client.end();

  expect(totals).toMatchObject({ deadLetters: 0 });
  expect(rails.done).toBeGreaterThan(20);
  expect(totals.applied).toBeGreaterThan(20);
  const contacts = new Map(
    (
      await world.rows<{ id: string; name: string; email: string; phone: string }>(
        'SELECT id::text, name, email, phone_number AS phone FROM contacts',
      )
    ).map((contact) => [contact.id, contact]),
  );
  // Invariant 10: what they wrote is there, who was removed is gone.
  for (const [id, values] of rails.written) expect(contacts.get(id)).toMatchObject(values);
  for (const id of rails.removed) expect(contacts.has(id)).toBe(false);
  // K1, K3 and K6, by the database.
  expect(await world.rows(DOUBLES)).toEqual([]);
  expect(await world.rows(MISCOUNTED)).toEqual([]);
  // K4: nothing is left to be done.
  for (const result of await t.replay()) expect(result).toMatchObject({ applied: 0, writes: 0 });
});

/** The API makes the account at the moment in which the tenant comes. */
async function raceForAccount(t: Shop, tenant: number): Promise<void> {
  const made = world.rows(
    `INSERT INTO accounts (ventia_tenant_id, name, created_at, updated_at) VALUES ($1, 'Por la API', now(), now())
     ON CONFLICT DO NOTHING`,
    [t.ids.id(tenant)],
  );
  await Promise.all([made, t.tenants(t.tenantEvent(tenant))]);
  const labels = await world.rows(
    `SELECT FROM labels l JOIN accounts a ON a.id = l.account_id WHERE a.ventia_tenant_id = $1`,
    [t.ids.id(tenant)],
  );
  expect(labels).toHaveLength(2);
}

const DOUBLES = `
  SELECT account_id FROM contacts WHERE btrim(email) <> '' GROUP BY account_id, lower(email) HAVING count(*) > 1
  UNION ALL
  SELECT account_id FROM contacts WHERE btrim(phone_number) <> '' GROUP BY account_id, phone_number HAVING count(*) > 1`;
const MISCOUNTED = `
  SELECT c.id, c.custom_attributes, orders FROM contacts c
  JOIN (SELECT contact_id, count(DISTINCT okey) FILTER (WHERE NOT deleted AND status IS DISTINCT FROM 'Cancelado') AS orders
        FROM order_fact WHERE contact_id IS NOT NULL GROUP BY contact_id) f ON f.contact_id = c.id::text
  WHERE c.custom_attributes -> 'total_orders' IS DISTINCT FROM to_jsonb(orders)`;
