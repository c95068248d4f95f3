import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CdcError } from '../core/errors';
import type { Database, Sql } from '../core/ports/sql';

/** One numbered file of the ledger's folder; it records its own number in cdc.migration, in the same transaction. */
export interface Migration {
  readonly number: number;
  readonly file: string;
  readonly sql: string;
}

/** `NNN_name.sql`; roll-backs (`.down.sql`) are for people. */
const FILE = /^(\d{3})_.*(?<!\.down)\.sql$/;
/** Any number that nobody else uses: two set-ups at a time would both find a migration missing. */
const LOCK = 0x76656e74;

/** The numbered migrations of a folder, in order. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => FILE.test(file)).sort();
  return Promise.all(
    files.map(async (file) => ({
      number: Number(FILE.exec(file)![1]),
      file,
      sql: await readFile(join(folder, file), 'utf8'),
    })),
  );
}

/**
 * Those that the database lacks. Throws ledger_missing when it has one that this release does not know: then the ledger is
 * a newer release's.
 */
export async function planMigrations(sql: Sql, migrations: readonly Migration[]): Promise<Migration[]> {
  const applied = await appliedNumbers(sql);
  const newest = migrations.at(-1)?.number ?? 0;
  const unknown = applied.filter((number) => number > newest);
  if (unknown.length > 0)
    throw new CdcError(
      'ledger_missing',
      `the ledger is at migration ${Math.max(...unknown)}, this release knows ${newest}`,
      {
        fix: 'Run the newer release of ventia-cdc, or restore the ledger it had before.',
      },
    );
  return migrations.filter(({ number }) => !applied.includes(number));
}

/** Throws ledger_missing unless the ledger is exactly this release's: what the sinks ask before they start. */
export async function requireMigrated(sql: Sql, migrations: readonly Migration[]): Promise<void> {
  const missing = await planMigrations(sql, migrations);
  if (missing.length > 0)
    throw new CdcError('ledger_missing', `the ledger lacks ${missing.map(({ file }) => file).join(', ')}`);
}

/** Applies what is missing, each in a transaction of its own; `onApplied` hears of each. */
export async function applyMigrations(
  database: Database,
  migrations: readonly Migration[],
  onApplied: (migration: Migration) => void,
): Promise<void> {
  for (const migration of migrations) {
    const done = await database.transaction(async (tx) => {
      await tx.query(`SELECT pg_advisory_xact_lock(${LOCK})`);
      if ((await appliedNumbers(tx)).includes(migration.number)) return false;
      await tx.query(migration.sql);
      return true;
    });
    if (done) onApplied(migration);
  }
}

async function appliedNumbers(sql: Sql): Promise<number[]> {
  const [found] = await sql.query<{ exists: boolean }>(`SELECT to_regclass('cdc.migration') IS NOT NULL AS exists`);
  if (!found?.exists) return [];
  const rows = await sql.query<{ number: number }>('SELECT number FROM cdc.migration');
  return rows.map(({ number }) => number);
}
