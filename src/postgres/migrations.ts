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
 * Those that the database lacks. One that this release does not know is no obstacle when it says that this release works on
 * what it leaves. Else throws ledger_missing: the ledger is of a release too new.
 */
export async function planMigrations(sql: Sql, migrations: readonly Migration[]): Promise<Migration[]> {
  const applied = await appliedMigrations(sql);
  const known = migrations.at(-1)?.number ?? 0;
  const tooNew = applied.filter(({ needs }) => needs > known);
  if (tooNew.length > 0) {
    const [last, needed] = [
      Math.max(...applied.map(({ number }) => number)),
      Math.max(...tooNew.map(({ needs }) => needs)),
    ];
    throw new CdcError(
      'ledger_missing',
      `the ledger is at migration ${last} and asks for ${needed}; this release knows ${known}`,
      {
        fix: 'Run the newer release of ventia-cdc, or the one before it; or restore the ledger it had before.',
      },
    );
  }
  return migrations.filter(({ number }) => applied.every((one) => one.number !== number));
}

/** Throws ledger_missing unless this release can work on the ledger: what the sinks ask before they start. */
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
      if ((await appliedMigrations(tx)).some(({ number }) => number === migration.number)) return false;
      await tx.query(migration.sql);
      return true;
    });
    if (done) onApplied(migration);
  }
}

interface AppliedMigration {
  readonly number: number;
  /** Which migration a program must know at least. */
  readonly needs: number;
}

/** `needs` came with the fifth: read so that there may be no such column. */
async function appliedMigrations(sql: Sql): Promise<AppliedMigration[]> {
  const [found] = await sql.query<{ exists: boolean }>(`SELECT to_regclass('cdc.migration') IS NOT NULL AS exists`);
  if (!found?.exists) return [];
  return sql.query<AppliedMigration>(
    `SELECT number, coalesce((to_jsonb(m) ->> 'needs')::integer, number) AS needs FROM cdc.migration m`,
  );
}
