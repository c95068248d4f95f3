import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** `seed`: one database, schemas ventia and messaging, uuid keys. `repo`: two databases, each in public, integer keys. */
export type Profile = 'seed' | 'repo';

/** Runs one text of SQL, several statements, in one database. */
export type RunSql = (text: string) => Promise<unknown>;

/** What the demo's schemas are called in each profile. */
export const DEMO_SCHEMAS = {
  seed: { ventia: 'ventia', messaging: 'messaging' },
  repo: { ventia: 'public', messaging: 'public' },
} as const satisfies Record<Profile, { ventia: string; messaging: string }>;

const SQL_FOLDER = join(__dirname, '../../schemas/sql');

/**
 * Makes Ventia's and Messaging's tables in empty databases (in profile seed both functions lead to the same one). Each file
 * is sent as one text, so PostgreSQL applies it whole or not at all.
 */
export async function applyDemoSchema(profile: Profile, ventia: RunSql, messaging: RunSql): Promise<void> {
  for (const text of await migrations('ventia', profile)) await ventia(text);
  for (const text of await migrations('messaging', profile)) await messaging(text);
}

/** Takes {@link applyDemoSchema} back, with all rows. */
export async function dropDemoSchema(profile: Profile, ventia: RunSql, messaging: RunSql): Promise<void> {
  for (const text of await rollBacks('messaging', profile)) await messaging(text);
  for (const text of await rollBacks('ventia', profile)) await ventia(text);
}

/** The numbered files of schemas/sql/<system>/<profile> in their order, without the roll-backs. */
async function migrations(system: string, profile: Profile): Promise<string[]> {
  const { folder, up } = await numberedFiles(system, profile);
  return Promise.all(up.map((file) => readFile(join(folder, file), 'utf8')));
}

async function rollBacks(system: string, profile: Profile): Promise<string[]> {
  const { folder, up } = await numberedFiles(system, profile);
  return Promise.all(up.reverse().map((file) => readFile(join(folder, file.replace(/\.sql$/, '.down.sql')), 'utf8')));
}

async function numberedFiles(system: string, profile: Profile): Promise<{ folder: string; up: string[] }> {
  const folder = join(SQL_FOLDER, system, profile);
  const files = await readdir(folder);
  return { folder, up: files.filter((file) => /^\d+_.*(?<!\.down)\.sql$/.test(file)).sort() };
}
