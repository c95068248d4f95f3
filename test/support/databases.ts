import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { applyDemoSchema, DEMO_SCHEMAS, type Profile, type RunSql } from '../../src/dev/demo-schema';
import { createDatabase, type TestDatabase, uniqueName } from './stack';

const ROLES_FOLDER = join(__dirname, '../../schemas/sql/roles');

export interface DemoDatabases {
  readonly profile: Profile;
  /** Ventia's database, as superuser. */
  readonly sourceUrl: string;
  /** Messaging's; in profile seed the same. */
  readonly messagingUrl: string;
  readonly schemas: { readonly ventia: string; readonly messaging: string };
  drop(): Promise<void>;
}

/** One database with schemas ventia and messaging, uuid keys. */
export async function createSeedDatabase(): Promise<DemoDatabases & { readonly url: string }> {
  const database = await createDatabase('ventia_seed');
  const databases = await prepared('seed', database, database);
  return { ...databases, url: database.url };
}

/** Two databases, each in schema public, integer keys. */
export async function createRepoDatabases(): Promise<DemoDatabases> {
  const [source, messaging] = await Promise.all([createDatabase('ventia_repo'), createDatabase('messaging_repo')]);
  return prepared('repo', source, messaging);
}

export const createDemoDatabases = (profile: Profile): Promise<DemoDatabases> =>
  profile === 'seed' ? createSeedDatabase() : createRepoDatabases();

async function prepared(profile: Profile, source: TestDatabase, messaging: TestDatabase): Promise<DemoDatabases> {
  const databases = new Set([source, messaging]);
  const drop = async () => {
    for (const database of databases) await database.drop();
  };
  try {
    await withClient(source.url, (ventia) =>
      withClient(messaging.url, (client) => applyDemoSchema(profile, runner(ventia), runner(client))),
    );
  } catch (error) {
    await drop();
    throw error;
  }
  return { profile, sourceUrl: source.url, messagingUrl: messaging.url, schemas: DEMO_SCHEMAS[profile], drop };
}

export const runner =
  (client: Client): RunSql =>
  (text) =>
    client.query(text);

/** A connection for the length of `work`. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export interface TestRole {
  readonly name: string;
  /** The database as this role. */
  readonly url: string;
  drop(): Promise<void>;
}

/**
 * A role of its own name with exactly the grants of schemas/sql/roles, in the database of `databases` that is its; dropped by
 * the file's roll-back.
 */
export async function createTestRole(
  databases: DemoDatabases,
  file: 'ventia_capture' | 'ventia_sink',
): Promise<TestRole> {
  const name = uniqueName(file);
  const ownerUrl = file === 'ventia_sink' ? databases.messagingUrl : databases.sourceUrl;
  const run = async (suffix: string) => {
    const text = await readFile(join(ROLES_FOLDER, databases.profile, `${file}${suffix}.sql`), 'utf8');
    await withClient(ownerUrl, (client) => client.query(text.replaceAll(file, name)));
  };
  await run('');
  await withClient(ownerUrl, (client) => client.query(`ALTER ROLE ${name} PASSWORD '${name}'`));
  const url = new URL(ownerUrl);
  url.username = url.password = name;
  return { name, url: url.href, drop: () => run('.down') };
}
