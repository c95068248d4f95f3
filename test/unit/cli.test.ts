import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeFailure, exitCodeOf } from '../../src/commands/report';
import { CdcError } from '../../src/core/errors';
import { VERSION } from '../../src/core/version';
import { compileSources } from '../support/compiled';

const cli = join(compileSources(), 'cli.js');

function ventiaCdc(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  return { status, stdout, stderr };
}

test('the version is that of package.json', () => {
  expect(JSON.parse(readFileSync('package.json', 'utf8')).version).toBe(VERSION);
  expect(ventiaCdc('--version')).toEqual({ status: 0, stdout: `${VERSION}\n`, stderr: '' });
});

test('--help lists the commands and exit codes', () => {
  const { status, stdout, stderr } = ventiaCdc('--help');
  expect([status, stderr]).toEqual([0, '']);
  for (const word of [
    'run',
    'setup',
    'status',
    'doctor',
    'slot',
    'repair',
    'snapshot',
    'shop',
    'dev',
    '0 done, 1 failed, 2 usage, 3 findings',
  ])
    expect(stdout).toContain(word);
});

const COMMANDS = ['run', 'setup', 'status', 'doctor', 'slot', 'repair', 'snapshot', 'shop', 'dev'];
test.each(COMMANDS)('%s --help has an example', (command) => {
  const { status, stdout } = ventiaCdc(command, '--help');
  expect(status).toBe(0);
  expect(stdout).toMatch(new RegExp(`Example:\\n {2}ventia-cdc ${command}`));
});

test('no command at all shows the help and is a usage error', () => {
  const { status, stderr } = ventiaCdc();
  expect(status).toBe(2);
  expect(stderr).toContain('Usage: ventia-cdc');
});

test.each([
  [['rnu'], "unknown command 'rnu' (Did you mean run?)", 'ventia-cdc --help'],
  [['setup', '--dry-rum'], "unknown option '--dry-rum' (Did you mean --dry-run?)", 'ventia-cdc setup --help'],
  [['dev', 'now'], "too many arguments for 'dev'. Expected 0 arguments but got 1.", 'ventia-cdc dev --help'],
  [
    ['slot', 'create'],
    "command-argument value 'create' is invalid for argument 'action'. Allowed choices are drop.",
    'ventia-cdc slot --help',
  ],
  [['repair'], "missing required argument 'what'", 'ventia-cdc repair --help'],
  [
    ['dev', '--rate', '0'],
    "option '--rate <n>' argument '0' is invalid. Expected an integer from 1 to 10000.",
    'ventia-cdc dev --help',
  ],
  [
    ['setup', '--identity', 'none'],
    "option '--identity <kind>' argument 'none' is invalid. Allowed choices are auto, full, index.",
    'ventia-cdc setup --help',
  ],
])('%j is refused in one sentence, without a stack', (args, what, fix) => {
  expect(ventiaCdc(...args)).toEqual({ status: 2, stdout: '', stderr: `error CDC-100  ${what}\nfix  ${fix}\n` });
});

test('--json makes errors JSON', () => {
  const { status, stdout, stderr } = ventiaCdc('run', '--json', '--frob');
  expect([status, stdout]).toEqual([2, '']);
  expect(JSON.parse(stderr)).toEqual({
    error: { code: 'CDC-100', kind: 'usage', what: "unknown option '--frob'", fix: 'ventia-cdc run --help' },
  });
});

describe('what a failure looks like', () => {
  const options = { json: false, colour: false, debug: false, logFile: null };
  const known = new CdcError('source_refused', 'role "x" may not log in');
  const unexpected = new TypeError('x is not a function');

  test('of the table: code, what, fix', () => {
    expect(describeFailure(known, options)).toBe(
      'error CDC-201  role "x" may not log in\nfix  Check user, password and pg_hba.conf for VENTIA_SOURCE_URL.\n',
    );
    expect(describeFailure(known, { ...options, debug: true })).not.toContain('    at ');
  });

  test('unexpected: one line and where to look, the stack only when asked for', () => {
    expect(describeFailure(unexpected, { ...options, logFile: '.dev/cdc.log' })).toBe(
      'error CDC-900  x is not a function\nfix  See .dev/cdc.log; LOG_LEVEL=debug shows where it came from.\n',
    );
    expect(describeFailure(unexpected, { ...options, debug: true })).toContain('cli.test.ts');
  });

  test('in colour for a terminal', () => {
    expect(describeFailure(known, { ...options, colour: true })).toContain('\u001b[31merror CDC-201\u001b[39m');
  });

  test('exit codes: 2 for what lies in the command line, settings, files or port, else 1', () => {
    const codes = (['usage', 'settings_invalid', 'connector_invalid', 'port_taken', 'source_refused'] as const).map(
      (kind) => exitCodeOf(new CdcError(kind, 'x')),
    );
    expect([...codes, exitCodeOf(unexpected)]).toEqual([2, 2, 2, 2, 1, 1]);
  });
});

describe('signals', () => {
  /** Replaces the command `run` in the compiled program. */
  function replaceRun(action: string): void {
    appendFileSync(join(cli, '../commands/run.js'), `\nexports.run.action = async (context) => { ${action} };\n`);
  }

  function start() {
    const child = spawn(process.execPath, [cli, 'run'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ready = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    return { child, ready, ended };
  }

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s asks for an orderly end', async (signal) => {
    replaceRun(`
      const hold = setInterval(() => {}, 1000);
      process.stdout.write('up');
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
      return 0;`);
    const { child, ready, ended } = start();
    await ready;
    child.kill(signal);
    expect(await ended).toBe(0);
  });

  test('a second one ends at once', async () => {
    replaceRun(`
      const hold = setInterval(() => {}, 1000);
      process.stdout.write('up');
      context.signal.addEventListener('abort', () => process.kill(process.pid, 'SIGTERM'));
      await new Promise(() => {});`);
    const { child, ready, ended } = start();
    await ready;
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
  });

  test('what nobody caught is one line and exit code 1', () => {
    replaceRun("setTimeout(() => { throw new Error('stray'); }, 1); await new Promise((r) => setTimeout(r, 5000));");
    const { status, stderr } = ventiaCdc('run');
    expect(status).toBe(1);
    expect(stderr).toBe(
      'error CDC-900  stray\nfix  See the log lines above; LOG_LEVEL=debug shows where it came from.\n',
    );
  });
});
