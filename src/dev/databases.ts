import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openDatabase } from '../postgres/database';

/** seed: uuid keys, one database with two schemas. repo: integer keys, two databases, each in its schema public. */
export type Profile = 'seed' | 'repo';

export interface DevDatabases {
  /** URLs of the two roles the service runs as, with no more rights than it needs. */
  readonly sourceUrl: string;
  readonly messagingUrl: string;
  /** URLs of the owner. */
  readonly sourceAdminUrl: string;
  readonly messagingAdminUrl: string;
}

const SQL = resolve(__dirname, '..', '..', 'schemas', 'sql');
const SIDES = { ventia: 'ventia_capture', messaging: 'ventia_sink' } as const;
type Side = keyof typeof SIDES;

/** Makes the databases, schemas and roles that are missing. `url` is a superuser's. */
export async function prepareDatabases(url: string, profile: Profile): Promise<DevDatabases> {
  const names: Record<Side, string> =
    profile === 'seed'
      ? { ventia: 'ventia_db', messaging: 'ventia_db' }
      : { ventia: 'ventia_db', messaging: 'messaging_db' };
  for (const name of new Set(Object.values(names))) await createDatabase(url, name);
  const owner = { ventia: withPath(url, names.ventia), messaging: withPath(url, names.messaging) };
  for (const side of ['ventia', 'messaging'] as const) await migrate(owner[side], side, profile);
  return {
    sourceUrl: await grant(owner.ventia, 'ventia', profile),
    messagingUrl: await grant(owner.messaging, 'messaging', profile),
    sourceAdminUrl: owner.ventia,
    messagingAdminUrl: owner.messaging,
  };
}

async function createDatabase(url: string, name: string): Promise<void> {
  await using(url, async (db) => {
    const found = await db.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (found.length === 0) await db.query(`CREATE DATABASE ${name}`);
  });
}

/** All files of a side in one transaction, so that a killed start leaves all or nothing. */
async function migrate(url: string, side: Side, profile: Profile): Promise<void> {
  const mark = { ventia: 'tenants', messaging: 'accounts' }[side];
  const schema = profile === 'seed' ? side : 'public';
  const folder = join(SQL, side, profile);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql') && !file.endsWith('.down.sql'))
    .sort();
  await using(url, (db) =>
    db.transaction(async (tx) => {
      const [table] = await tx.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
        `${schema}.${mark}`,
      ]);
      if (table!.found !== null) return;
      for (const file of files) await tx.query(readFileSync(join(folder, file), 'utf8'));
    }),
  );
}

async function grant(url: string, side: Side, profile: Profile): Promise<string> {
  const role = SIDES[side];
  await using(url, async (db) => {
    await db.query(readFileSync(join(SQL, 'roles', profile, `${role}.sql`), 'utf8'));
    await db.query(`ALTER ROLE ${role} PASSWORD '${role}'`);
  });
  const own = new URL(url);
  own.username = role;
  own.password = role;
  return own.href;
}

async function using<T>(url: string, work: (db: ReturnType<typeof openDatabase>) => Promise<T>): Promise<T> {
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
