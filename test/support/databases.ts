import { Client } from 'pg';
import { applyDemoSchema, DEMO_SCHEMAS, type Profile, type RunSql } from '../../src/dev/demo-schema';
import { createDatabase, type TestDatabase } from './stack';

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
