import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { type Environment, loadSettings } from '../../../src/config/settings';
import { newCaptureStats, newSinkStats } from '../../../src/core/stats';
import { runDev } from '../../../src/dev/dev';
import { openDatabase } from '../../../src/postgres/database';
import { processesNaming } from '../../support/processes';
import { eventually } from '../../support/wait';

const home = mkdtempSync(join(tmpdir(), 'ventia-cdc-dev-'));
symlinkSync(resolve('.dev', 'cache'), join(home, 'cache'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

jest.setTimeout(60_000);

/** The pipeline itself is stood in for: here it is about what is around it. */
test('servers, databases and shop are there for the service, and all end in order when told to', async () => {
  const ending = new AbortController();
  const said: string[] = [];
  const out = new Writable({ write: (chunk, _encoding, done) => done(void said.push(String(chunk))) });
  const events: string[] = [];
  let env: Environment | undefined;

  const running = runDev(
    { profile: 'repo', demo: true, rate: 50, reset: false, home },
    {
      signal: ending.signal,
      out: out as unknown as NodeJS.WriteStream,
      startService: async (given, logFile) => {
        env = given;
        events.push(`logs to ${logFile}`);
        return {
          captures: new Map([['ventia-source', newCaptureStats()]]),
          sinks: new Map([['contacts-sink', newSinkStats()]]),
          readiness: () => ({ ready: true }),
          outcomes: () => [],
          stop: async () => {
            events.push(`stopped while PostgreSQL ran: ${(await orders(env!)) > 0}`);
          },
        };
      },
    },
  );
  try {
    await eventually(() => / s {2}ready\n/.test(said.join('')), { timeoutMs: 40_000 });
    expect(loadSettings(env!, ['capture', 'sinks']).source?.url).toContain('ventia_capture');
    await eventually(async () => (await orders(env!)) > 20);
  } finally {
    ending.abort();
    await running;
  }

  expect(events).toEqual([`logs to ${join(home, 'repo', 'service.log')}`, 'stopped while PostgreSQL ran: true']);
  expect(said.join('')).toMatch(/kcat -b 127\.0\.0\.1:\d+ -t ventia\.orders/);
  expect(processesNaming(home)).toEqual([]);
});

test('a service that does not start takes the servers with it', async () => {
  const running = runDev(
    { profile: 'repo', demo: false, rate: 1, reset: true, home },
    {
      signal: new AbortController().signal,
      out: new Writable({ write: (_chunk, _encoding, done) => done() }) as unknown as NodeJS.WriteStream,
      startService: async () => {
        throw new Error('no service today');
      },
    },
  );
  await expect(running).rejects.toThrow('no service today');
  expect(processesNaming(home)).toEqual([]);
});

async function orders(env: Environment): Promise<number> {
  const db = openDatabase(env.VENTIA_ADMIN_URL!, 'source', { applicationName: 'dev test', max: 1 });
  const [row] = await db.query<{ count: number }>('SELECT count(*)::int FROM orders').finally(() => db.close());
  return row!.count;
}
