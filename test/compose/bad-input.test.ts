import { once } from 'node:events';
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { eventually } from '../support/wait';
import { describeWithEngine } from './engine';
import { buildImage, docker, Installation } from './project';
import { firstEvent, nothingLost, Traffic } from './traffic';

jest.setTimeout(600_000);

const STACK_TRACE = /^\s+at |\\n\s+at /m;

/** One story, told in its order. */
describeWithEngine('what may be wrong in an installation', () => {
  let at: Installation;
  beforeAll(async () => {
    await buildImage();
    at = await Installation.create();
  });
  afterAll(() => at?.remove());

  const up = (...services: readonly string[]) => at.try('up', '-d', '--no-build', '--wait', ...services);
  const expectClearLog = async (service: string, says: RegExp) => {
    const log = await eventually(
      async () => {
        const text = await at.logs(service);
        expect(text).toMatch(says);
        return text;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    expect(log).not.toMatch(STACK_TRACE);
    for (const secret of ['source_password', 'messaging_password', 'kafka_password', 'admin_token'])
      expect(log).not.toContain(readFileSync(at.secret(secret), 'utf8'));
  };
  /** As root the tests could read it all the same; the containers' users cannot. */
  const unreadable = async (secret: string, work: () => Promise<void>) => {
    chmodSync(at.secret(secret), 0o000);
    await work();
    chmodSync(at.secret(secret), 0o444);
  };

  it('a secret that is missing: nothing starts, and the file is named', async () => {
    renameSync(at.secret('messaging_password'), at.secret('kept'));
    const { code, output } = await up();
    expect(code).not.toBe(0);
    expect(output).toMatch(
      /secrets\/messaging_password.*(does not exist|no such file)|(not found|no such file).*messaging_password/s,
    );
    renameSync(at.secret('kept'), at.secret('messaging_password'));
  });

  it('a secret that the database may not read: it says which, and begins anew by itself', async () => {
    await unreadable('messaging_password', async () => {
      await at.compose('up', '-d', '--no-deps', 'postgres');
      await expectClearLog('postgres', /init\.sh: the secret messaging_password is empty or may not be read/);
    });
    await eventually(async () => (await at.sql('SELECT to_regclass($$messaging.contacts$$)'))[0], {
      timeoutMs: 60_000,
      intervalMs: 1_000,
    });
  });

  it('a port that is taken: it says which, and nothing of it is left to be mended by hand', async () => {
    const other = createServer().listen(at.port('HTTP'), '127.0.0.1');
    await once(other, 'listening');
    const { code, output } = await up();
    other.close();
    expect(code).not.toBe(0);
    expect(output).toMatch(
      new RegExp(`127\\.0\\.0\\.1:${at.port('HTTP')}.*(address already in use|already allocated)`, 's'),
    );
    await at.up();
    await firstEvent(at);
  });

  it('a secret that set-up may not read ends it: code, file, fix', async () => {
    await unreadable('source_password', async () => {
      const { code, output } = await up('capture');
      expect(code).not.toBe(0);
      expect(output).toContain('service "setup" didn\'t complete successfully: exit 2');
      await expectClearLog('setup', /error CDC-101.*VENTIA_SOURCE_PASSWORD_FILE.*which may not be read.*\nfix {2}/s);
    });
    await at.up();
  });

  it('a secret that a service may not read any more: it says so at each start, and goes on by itself afterwards', async () => {
    await unreadable('admin_token', async () => {
      await at.compose('restart', 'sink');
      await expectClearLog('sink', /error CDC-101.*ADMIN_TOKEN_FILE.*which may not be read.*\nfix {2}/s);
    });
    await at.untilReady('sink');
  });

  it('a password that the database does not take any more: not ready, with code and fix, and on by itself', async () => {
    const password = readFileSync(at.secret('messaging_password'), 'utf8');
    const change = (to: string) =>
      at.sql(`ALTER ROLE ventia_sink PASSWORD '${to}';
              SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ventia_sink'`);
    await change('another');
    await at.compose('restart', 'sink');
    await at.notReady('sink', 'CDC-501');
    await expectClearLog('sink', /"code":"CDC-501","fix":"Check user, password/);
    await change(password);
    await at.untilReady('sink');
  });

  it("Kafka's password is another one than ours: not ready, with code and fix, until the file is right and the service restarted", async () => {
    const password = readFileSync(at.secret('kafka_password'), 'utf8');
    rmSync(at.secret('kafka_password'));
    writeFileSync(at.secret('kafka_password'), 'another', { mode: 0o444 });
    await at.compose('restart', 'capture'); // the broker has read its own at its start
    await at.notReady('capture', 'CDC-301');
    rmSync(at.secret('kafka_password'));
    writeFileSync(at.secret('kafka_password'), password, { mode: 0o444 });
    await expectClearLog('capture', /"code":"CDC-301","fix":"Check KAFKA_SASL/);
    await at.compose('restart', 'capture');
    await at.untilReady('capture');
  });

  it('the registry gone: changes go out by known ids; sinks that start meanwhile wait for it, and go on by themselves', async () => {
    await at.compose('stop', 'registry');
    const traffic = new Traffic(at, 100);
    await at.compose('restart', 'sink', 'capture');
    await at.untilReady('capture');
    await at.notReady('sink', 'CDC-400');
    await expectClearLog('sink', /"code":"CDC-400","fix":"Check SCHEMA_REGISTRY_URL/);
    await at.compose('start', 'registry');
    await at.untilReady('sink');
    await traffic.stop();
    await nothingLost(at);
    const restarts = await docker('inspect', '-f', '{{.RestartCount}}', ...(await at.containers('capture')));
    expect(restarts.trim()).toBe('0');
  });
});
