import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MENDINGS, type Mending } from './table';

const PROJECT = resolve(__dirname, '../..');
const COPIED = ['src', 'test', 'schemas', 'connectors', 'docs', 'package.json', 'jest.config.js', 'tsconfig.json'];
const LINKED = ['node_modules', '.dev'];

/** What a run of a test gave: an assertion that fails is red; a test that cannot run at all proves nothing. */
type Colour = 'green' | 'red' | 'broken' | 'no such test';

interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

/**
 * `npm run mendings [-- --only B1]`: takes each mending out of a copy of the project, one at a time, and shows that its test,
 * which is green with it, is red without it. Ends with 1 when one stays green.
 */
function main(args: readonly string[]): void {
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const chosen = MENDINGS.filter(({ fault }) => only === undefined || fault === only);
  const copy = copyProject();
  try {
    const greens = new Map<string, Colour>();
    const rows = chosen.map((mending) => {
      const test = JSON.stringify(mending.test);
      const intact = greens.get(test) ?? colourOf(copy, mending);
      greens.set(test, intact);
      const without = intact === 'green' ? withoutMending(copy, mending) : intact;
      say(mending, intact, without);
      return intact === 'green' && without === 'red';
    });
    const wrong = rows.filter((right) => !right).length;
    process.stdout.write(`\n${rows.length - wrong} of ${rows.length} mendings have a test that is red without them\n`);
    process.exitCode = wrong > 0 || rows.length === 0 ? 1 : 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), 'mendings-'));
  for (const path of COPIED) cpSync(join(PROJECT, path), join(copy, path), { recursive: true });
  for (const path of LINKED) symlinkSync(join(PROJECT, path), join(copy, path));
  return copy;
}

function withoutMending(copy: string, mending: Mending): Colour {
  const path = join(copy, mending.file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(mending.find, () => mending.replace),
  );
  try {
    return colourOf(copy, mending);
  } finally {
    writeFileSync(path, text);
  }
}

function colourOf(copy: string, { test }: Mending): Colour {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const name = test.name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const options = [
    `--selectProjects=${test.project}`,
    `--testPathPatterns=test/${test.path}.test.ts`,
    `--testNamePattern=${name}`,
  ];
  const jest = join(PROJECT, 'node_modules/jest/bin/jest.js');
  spawnSync(process.execPath, [jest, ...options, '--json', `--outputFile=${report}`], {
    cwd: copy,
    stdio: 'ignore',
  });
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(
    readFileSync(report, 'utf8'),
  ) as JestReport;
  if (numRuntimeErrorTestSuites > 0) return 'broken';
  if (numFailedTests > 0) return 'red';
  return numPassedTests > 0 ? 'green' : 'no such test';
}

function say({ fault, without, test }: Mending, intact: Colour, mutated: Colour): void {
  const right = intact === 'green' && mutated === 'red';
  const colour = process.stdout.isTTY && !process.env.NO_COLOR ? (right ? 32 : 31) : null;
  const verdict = right
    ? 'red'
    : intact === 'green'
      ? `STAYS ${mutated.toUpperCase()}`
      : `${intact.toUpperCase()} WITH IT`;
  const shown = colour === null ? verdict : `\x1b[${colour}m${verdict}\x1b[0m`;
  process.stdout.write(
    `${fault.padEnd(4)} ${shown.padEnd(colour === null ? 12 : 21)} ${without}\n${' '.repeat(18)}${test.path}\n`,
  );
}

main(process.argv.slice(2));
