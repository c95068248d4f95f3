import { join } from 'node:path';
import { Client } from 'pg';
import { CdcError } from '../../src/core/errors';
import type { Sink } from '../../src/core/ports/sink';
import type { Database } from '../../src/core/ports/sql';
import type { Profile } from '../../src/dev/demo-schema';
import { createAccountsSink, createContactsSink } from '../../src/messaging/apply';
import { type MessagingCatalog, readCatalog } from '../../src/messaging/catalog';
import type { Rules } from '../../src/messaging/decide/rules';
import { privacyKey } from '../../src/messaging/privacy';
import { openDatabase } from '../../src/postgres/database';
import { readMigrations } from '../../src/postgres/migrations';
import { createDemoDatabases, createTestRole } from './databases';
import { RULES } from './events';
import { eventually } from './wait';

/** Erasures in tests are by this key. */
export const PRIVACY = privacyKey('a privacy key that only tests know');

const LEDGER = join(__dirname, '../../schemas/sql/ledger');

/**
 * Messaging's database with the ledger, both sinks with the rights of their role and no others, and a connection to play the
 * application with.
 */
export interface SinkWorld {
  readonly profile: Profile;
  /** Schema of messaging's tables. */
  readonly schema: string;
  readonly database: Database;
  readonly catalog: MessagingCatalog;
  readonly accounts: Sink;
  readonly contacts: Sink;
  readonly client: Client;
  /** The database as the sinks' role, and as its owner. */
  readonly url: string;
  readonly ownerUrl: string;
  /** Sinks that follow other rules, or reach the same tables in another way. */
  sinksWith(rules: Partial<Rules>, over?: Database): Promise<{ accounts: Sink; contacts: Sink }>;
  rows<R = Record<string, unknown>>(text: string, values?: unknown[]): Promise<R[]>;
  close(): Promise<void>;
}

/** `manyOrders`: beyond so many a contact's orders are not loaded one by one. */
export async function openSinks(profile: Profile, prepare = '', manyOrders?: number): Promise<SinkWorld> {
  const databases = await createDemoDatabases(profile);
  const schema = databases.schemas.messaging;
  const client = new Client({ connectionString: databases.messagingUrl });
  await client.connect();
  for (const { sql } of await readMigrations(LEDGER)) await client.query(sql);
  const role = await createTestRole(databases, 'ventia_sink');
  await client.query(`SET search_path = ${schema}, cdc; SET TimeZone = 'UTC'; ${prepare}`);
  const database = openDatabase(role.url, 'messaging', { applicationName: 'sink-test' });
  const sinksWith = async (rules: Partial<Rules>, over = database) => {
    const catalog = await readCatalog(database, schema);
    const given = { database: over, catalog, rules: { ...RULES, ...rules }, privacy: PRIVACY };
    const dependencies = { ...given, ...(manyOrders !== undefined && { manyOrders }) };
    return { accounts: createAccountsSink(dependencies), contacts: createContactsSink(dependencies) };
  };
  return {
    profile,
    schema,
    url: role.url,
    ownerUrl: databases.messagingUrl,
    database,
    catalog: await readCatalog(database, schema),
    ...(await sinksWith({})),
    client,
    sinksWith,
    rows: async (text, values) => (await client.query(text, values)).rows,
    close: async () => {
      await client.end();
      await database.close();
      await role.drop();
      await databases.drop();
    },
  };
}

/** The process is killed after its last statement: nothing of the transaction stays. */
export const dyingBeforeCommit = (database: Database): Database => ({
  ...database,
  transaction: (work) =>
    database.transaction(async (sql) => {
      await work(sql);
      throw new CdcError('messaging_unreachable', 'killed before the commit');
    }),
});

/** Sessions of the sinks' role wait for the lock of another transaction. */
export async function untilSinkWaits(world: SinkWorld, sessions = 1): Promise<void> {
  await eventually(async () => {
    // In a transaction the first look would else be the last.
    await world.rows('SELECT pg_stat_clear_snapshot()');
    const waiting = await world.rows(
      `SELECT FROM pg_stat_activity
       WHERE application_name = 'sink-test' AND wait_event_type = 'Lock' AND datname = current_database()`,
    );
    return waiting.length >= sessions;
  });
}

/** Every row of both schemas with its xmin and ctid, checkpoints excepted: equal when nothing was written. */
export async function fingerprint(world: SinkWorld): Promise<string[]> {
  const tables = await world.rows<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND c.relkind = 'r' AND c.relname <> 'checkpoint' ORDER BY 1`,
    [[world.schema, 'cdc']],
  );
  const lines: string[] = [];
  for (const { name } of tables) {
    const rows = await world.rows<{ line: string }>(
      `SELECT format('${name} %s %s %s', t.xmin, t.ctid, t.*) AS line FROM ${name} t ORDER BY t.ctid`,
    );
    lines.push(...rows.map(({ line }) => line));
  }
  return lines;
}
