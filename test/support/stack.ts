import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** The servers of this test run, started by global-setup.ts or found running. */
export interface TestStack {
  /** Superuser URL of database `postgres`; wal_level=logical, 100 slots. */
  readonly postgresUrl: string;
  readonly kafkaBrokers: string;
  /** Of Confluent's API, with its path. */
  readonly registryUrl: string;
  /** Folder of Kafka's jars. */
  readonly kafkaLibs: string;
}

/** How the global setup tells the workers. */
export const STACK_VARIABLE = 'VENTIA_TEST_STACK';

export function stack(): TestStack {
  const described = process.env[STACK_VARIABLE];
  if (described === undefined) throw new Error('No test servers: this test belongs to the integration or e2e project.');
  return JSON.parse(described) as TestStack;
}

export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** Ends its sessions, drops its slots and then the database itself. */
  drop(): Promise<void>;
}

/** A fresh empty database of a name of its own. */
export async function createDatabase(prefix: string): Promise<TestDatabase> {
  const name = uniqueName(prefix);
  const url = new URL(stack().postgresUrl);
  url.pathname = `/${name}`;
  await asSuperuser((client) => client.query(`CREATE DATABASE ${name}`));
  return { name, url: url.href, drop: () => asSuperuser((client) => dropDatabase(client, name)) };
}

/** Lower case, `[a-z0-9_]`, fit for databases, slots, topics, groups and subjects. */
export function uniqueName(prefix: string): string {
  return `${prefix.toLowerCase().replace(/[^a-z0-9]+/g, '_')}_${randomBytes(5).toString('hex')}`;
}

async function dropDatabase(client: Client, name: string): Promise<void> {
  await client.query(
    'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active_pid IS NOT NULL',
    [name],
  );
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(async () => {
    await dropSlots(client, name);
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
}

/** A walsender ends a moment after it was told to; until then its slot is busy. */
async function dropSlots(client: Client, database: string): Promise<void> {
  for (let tries = 100; tries > 0; tries--) {
    const { rows } = await client.query(
      'SELECT slot_name, active FROM pg_replication_slots WHERE database = $1 ORDER BY active',
      [database],
    );
    if (rows.length === 0) return;
    if (!rows[0].active) await client.query('SELECT pg_drop_replication_slot($1)', [rows[0].slot_name]);
    else await client.query('SELECT pg_sleep(0.05)');
  }
}

async function asSuperuser<T>(work: (client: Client) => Promise<T>): Promise<void> {
  const client = new Client({ connectionString: stack().postgresUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
