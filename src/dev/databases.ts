import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, Sql } from '../core/ports/sql';
import { openDatabase } from '../postgres/database';
import { applyDemoSchema, DEMO_SCHEMAS, type Profile, type RunSql } from './demo-schema';

export interface DevDatabases {
  /** URLs of the two roles the service runs as, with no more rights than it needs. */
  readonly sourceUrl: string;
  readonly messagingUrl: string;
  /** URLs of the owner. */
  readonly sourceAdminUrl: string;
  readonly messagingAdminUrl: string;
}

const NAMES = {
  seed: { ventia: 'ventia_db', messaging: 'ventia_db' },
  repo: { ventia: 'ventia_db', messaging: 'messaging_db' },
} as const satisfies Record<Profile, object>;

const ROLES = join(__dirname, '../../schemas/sql/roles');

/** Makes the databases, tables and roles that are missing. `url` is a superuser's. */
export async function prepareDatabases(url: string, profile: Profile): Promise<DevDatabases> {
  const names = NAMES[profile];
  await using(url, async (db) => {
    for (const name of new Set(Object.values(names))) await createDatabase(db, name);
  });
  const sourceAdminUrl = withPath(url, names.ventia);
  const messagingAdminUrl = withPath(url, names.messaging);
  return using(sourceAdminUrl, (ventia) =>
    using(messagingAdminUrl, async (messaging) => {
      await createTables(ventia, messaging, profile);
      await grant(ventia, 'ventia_capture', profile);
      await grant(messaging, 'ventia_sink', profile);
      return {
        sourceUrl: withUser(sourceAdminUrl, 'ventia_capture'),
        messagingUrl: withUser(messagingAdminUrl, 'ventia_sink'),
        sourceAdminUrl,
        messagingAdminUrl,
      };
    }),
  );
}

async function createDatabase(db: Sql, name: string): Promise<void> {
  const found = await db.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  if (found.length === 0) await db.query(`CREATE DATABASE ${name}`);
}

/** Each system's tables in one transaction, so that a start that was killed leaves all of them or none. */
async function createTables(ventia: Database, messaging: Database, profile: Profile): Promise<void> {
  const { ventia: source, messaging: target } = DEMO_SCHEMAS[profile];
  await ventia.transaction(async (tx) => {
    const ventiaSql = await unlessThere(tx, `${source}.orders`);
    if (profile === 'seed') await applyDemoSchema(profile, ventiaSql, await unlessThere(tx, `${target}.contacts`));
    else {
      await messaging.transaction(async (other) =>
        applyDemoSchema(profile, ventiaSql, await unlessThere(other, `${target}.contacts`)),
      );
    }
  });
}

async function unlessThere(tx: Sql, table: string): Promise<RunSql> {
  const [row] = await tx.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [table]);
  return row!.found === null ? (text) => tx.query(text) : async () => {};
}

async function grant(db: Sql, role: 'ventia_capture' | 'ventia_sink', profile: Profile): Promise<void> {
  await db.query(readFileSync(join(ROLES, profile, `${role}.sql`), 'utf8'));
  await db.query(`ALTER ROLE ${role} PASSWORD '${role}'`);
}

async function using<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = openDatabase(url, 'source', { applicationName: 'ventia-cdc dev', max: 1 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

function withPath(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

function withUser(url: string, role: string): string {
  const other = new URL(url);
  other.username = role;
  other.password = role;
  return other.href;
}
