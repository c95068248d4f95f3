import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CdcError } from '../../../src/core/errors';
import type { Logger } from '../../../src/core/ports/log';
import { createLogger, type LogOptions, withoutUrlPasswords } from '../../../src/telemetry/log';
import { compileSources } from '../../support/compiled';
import { temporaryFolder } from '../../support/temporary-folder';

const SECRET = 'planted-secret';

/** What the logger wrote, read back at once: nothing waits for an event loop. */
function written(use: (log: Logger) => void, options: Partial<LogOptions> = {}): string {
  const file = join(temporaryFolder('log'), 'deep', 'cdc.log');
  use(createLogger({ level: 'info', pretty: false, file, ...options }));
  return readFileSync(file, 'utf8');
}

test('a line is one JSON object with time, level and message, written synchronously', () => {
  const [line] = written((log) => log.child({ connector: 'x' }).info({ rows: 3 }, 'done')).split('\n');
  expect(JSON.parse(line!)).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    connector: 'x',
    rows: 3,
    msg: 'done',
  });
});

test('a person gets one readable line', () => {
  const fields = { code: 'CDC-211', connectors: ['said in the message'] };
  const text = written((log) => log.warn(fields, 'stands by'), { pretty: true });
  expect(text).toMatch(/^\[\d\d:\d\d:\d\d\] WARN: stands by \{"code":"CDC-211"\}\n$/);
});

test('an error stays on one line too', () => {
  const err = new CdcError('slot_lost', 'wal_status is lost');
  expect(written((log) => log.error({ err }, 'halted'), { pretty: true })).toMatch(
    /^\S+ ERROR: halted \{"err":\{"code":"CDC-212".*"message":"wal_status is lost"\}\}\n$/,
  );
});

test('the level is kept', () => {
  const use = (log: Logger) => {
    log.debug({}, 'one');
    log.info({}, 'two');
    log.error({}, 'three');
  };
  expect(written(use, { level: 'error' }).match(/one|two|three/g)).toEqual(['three']);
  expect(written(use, { level: 'debug' }).match(/one|two|three/g)).toEqual(['one', 'two', 'three']);
  expect(written(use, { level: 'silent' })).toBe('');
});

test.each([false, true])('no credential is written (pretty: %s)', (pretty) => {
  const url = `postgresql://capture:${SECRET}@db:5432/ventia`;
  const text = written(
    (log) => {
      log.info({ password: SECRET, token: SECRET, sasl: { password: SECRET } }, 'by name');
      log.info({ url, settings: { source: { url, connectionString: SECRET } } }, `connecting to ${url}`);
      log.error({ err: new CdcError('source_refused', `refused by ${url}`, { cause: new Error(SECRET) }) }, 'failed');
      log.error({ err: new Error('x', { cause: SECRET }), headers: { authorization: `Bearer ${SECRET}` } }, 'failed');
    },
    { pretty, level: 'debug' },
  );
  expect(text).not.toContain(SECRET);
  expect(text).toContain('postgresql://capture:[redacted]@db:5432/ventia');
});

test.each([
  ['postgresql://u:p@h/d', 'postgresql://u:[redacted]@h/d'],
  ['a postgres://u:p@ss/w@h:1/d b', 'a postgres://u:[redacted]@h:1/d b'],
  ['https://:p@h', 'https://:[redacted]@h'],
  ['http://h:8081/x and mail@x.pe', 'http://h:8081/x and mail@x.pe'],
  ['postgresql://u@h/d', 'postgresql://u@h/d'],
])('%s -> %s', (text, expected) => expect(withoutUrlPasswords(text)).toBe(expected));

test('an error shows code, kind and fix; its stack only at level debug', () => {
  const use = (log: Logger) => log.error({ err: new CdcError('wal_level', 'wal_level is replica') }, 'halted');
  expect(JSON.parse(written(use)).err).toEqual({
    code: 'CDC-203',
    kind: 'wal_level',
    fix: expect.stringContaining('ALTER SYSTEM'),
    message: 'wal_level is replica',
  });
  expect(JSON.parse(written(use, { level: 'debug' })).err.stack).toContain('log.test.ts');
});

const compiled = compileSources();

test('the last line before a sudden end is there', () => {
  const script = `
    const { createLogger } = require(${JSON.stringify(join(compiled, 'telemetry/log.js'))});
    createLogger({ level: 'info', pretty: true, file: null }).error({}, 'last words');
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout, signal } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect(stdout).toContain('last words');
  expect(signal).toBe('SIGKILL');
});
