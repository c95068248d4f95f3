import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEDGER_FOLDER } from '../../../src/commands/paths';
import type { Database } from '../../../src/core/ports/sql';
import { openDatabase } from '../../../src/postgres/database';
import {
  applyMigrations,
  type Migration,
  planMigrations,
  readMigrations,
  requireMigrated,
} from '../../../src/postgres/migrations';
import { createDatabase, type TestDatabase } from '../../support/stack';

let database: TestDatabase;
let db: Database;
let ledger: Migration[];

beforeEach(async () => {
  database = await createDatabase('migrations');
  db = openDatabase(database.url, 'messaging', { applicationName: 'migrations-test' });
  ledger = await readMigrations(LEDGER_FOLDER);
});

afterEach(async () => {
  await db.close();
  await database.drop();
});

const apply = async (migrations: readonly Migration[]) => {
  const applied: string[] = [];
  await applyMigrations(db, migrations, ({ file }) => applied.push(file));
  return applied;
};
/** As a later release would bring it. */
const next = (sql: string, needs: number | null = null): Migration => {
  const number = ledger.length + 1;
  const record = `INSERT INTO cdc.migration (number, needs) VALUES (${number}, ${needs})`;
  return { number, file: `${number}_next.sql`, sql: `${sql}; ${record}` };
};

it('applies the ledger of this release once, and each file records itself', async () => {
  await expect(requireMigrated(db, ledger)).rejects.toMatchObject({ kind: 'ledger_missing' });
  expect(await apply(await planMigrations(db, ledger))).toEqual(ledger.map(({ file }) => file));
  await requireMigrated(db, ledger);
  expect(await planMigrations(db, ledger)).toEqual([]);
  expect(await apply(ledger)).toEqual([]);
});

it('applies each once when several set-ups meet', async () => {
  const applied = await Promise.all([apply(ledger), apply(ledger), apply(ledger)]);
  expect(applied.flat().sort()).toEqual(ledger.map(({ file }) => file));
});

it('leaves nothing of one that fails, and goes on with it later', async () => {
  await apply(ledger);
  await expect(apply([...ledger, next('CREATE TABLE cdc.half (); SELECT 1 / 0')])).rejects.toMatchObject({
    sqlState: '22012',
  });
  const mended = [...ledger, next('CREATE TABLE cdc.half ()')];
  expect(await planMigrations(db, mended)).toEqual(mended.slice(-1));
  expect(await apply(mended)).toEqual([mended.at(-1)!.file]);
});

it('works on the ledger of the next release where its migrations say so, and brings nothing of its own', async () => {
  await apply([...ledger, next('SELECT 1', ledger.length)]);
  await requireMigrated(db, ledger);
  expect(await planMigrations(db, ledger)).toEqual([]);
});

it.each([
  ['it says that it needs a newer program', () => ledger.length + 1],
  ['it says nothing', () => null],
])('refuses the ledger of a newer release: %s', async (_, needs) => {
  await apply([...ledger, next('SELECT 1', needs())]);
  await expect(requireMigrated(db, ledger)).rejects.toMatchObject({
    kind: 'ledger_missing',
    message: `the ledger is at migration ${ledger.length + 1} and asks for ${ledger.length + 1}; this release knows ${ledger.length}`,
    fix: expect.stringContaining('newer release'),
  });
});

it('refuses the ledger of an older release until set-up has migrated it, and set-up does', async () => {
  await apply(ledger.slice(0, 2));
  await expect(requireMigrated(db, ledger)).rejects.toMatchObject({ kind: 'ledger_missing', fix: 'ventia-cdc setup' });
  expect(await apply(await planMigrations(db, ledger))).toEqual(ledger.slice(2).map(({ file }) => file));
  await requireMigrated(db, ledger);
});

it('the migrations are numbered without gap, and from the fifth on each says what it needs, which is no later one', () => {
  expect(ledger.map(({ number }) => number)).toEqual(ledger.map((_, i) => i + 1));
  for (const { number, file, sql } of ledger.slice(4)) {
    const said = /INSERT INTO cdc\.migration \(number, needs\) VALUES \((\d+), (\d+)\);/
      .exec(sql)
      ?.slice(1)
      .map(Number);
    expect([file, said?.[0]]).toEqual([file, number]);
    expect(said![1]).toBeLessThanOrEqual(number);
  }
});

it('reads numbered files only, in their order, and no roll-backs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  for (const file of ['010_b.sql', '002_a.sql', '002_a.down.sql', 'notes.sql', '003_c.txt'])
    await writeFile(join(folder, file), file);
  expect(await readMigrations(folder)).toEqual([
    { number: 2, file: '002_a.sql', sql: '002_a.sql' },
    { number: 10, file: '010_b.sql', sql: '010_b.sql' },
  ]);
  await rm(folder, { recursive: true });
});
