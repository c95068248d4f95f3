import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyDemoSchema } from '../../src/dev/demo-schema';
import { choosePorts } from '../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../src/dev/stack/postgres';
import { expectClearError, expectClearLog } from '../support/clear-error';
import { runner, withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import { type Env, runCli } from '../support/service';
import { withKafkaAdmin } from '../support/topics';

jest.setTimeout(60_000);

let pipeline: TestPipeline;
beforeAll(async () => {
  pipeline = await TestPipeline.create('seed');
});
afterAll(() => pipeline?.drop());

const withUser = (url: string, user: string, password: string): string => {
  const changed = new URL(url);
  changed.username = user;
  changed.password = password;
  return changed.href;
};

describe('what lies in the command line, settings, files or port ends the command with exit code 2', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ventia-bad-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A folder of connector files with this text in one of them. */
  const connectors = (name: string, text: string | null): Env => {
    const directory = mkdtempSync(join(folder, 'connectors-'));
    if (text !== null) writeFileSync(join(directory, name), text);
    return { CONNECTORS_DIR: directory };
  };

  it.each<[what: string, args: string[], env: Env, code: string, says: RegExp]>([
    ['an unknown command', ['rum'], {}, 'CDC-100', /rum.*--help/s],
    ['an unknown flag', ['run', '--speed'], {}, 'CDC-100', /--speed.*run --help/s],
    ['a connector that no file has', ['run', 'ventia-sauce'], {}, 'CDC-100', /ventia-sauce/],
    ['a setting that is missing', ['run'], { VENTIA_SOURCE_URL: '' }, 'CDC-101', /VENTIA_SOURCE_URL.*not set/],
    [
      'several malformed settings, all at once',
      ['run'],
      { HTTP_PORT: '80a', KAFKA_BROKERS: 'kafka', LOG_LEVEL: 'loud' },
      'CDC-101',
      /KAFKA_BROKERS.*HTTP_PORT.*LOG_LEVEL/s,
    ],
    ['a change that nobody confirmed', ['setup'], {}, 'CDC-105', /--yes/],
    ['a folder without connector files', ['run'], connectors('', null), 'CDC-102', /no connector file/],
    [
      'a connector file that is no JSON',
      ['run'],
      connectors('source.json', '{"name": '),
      'CDC-102',
      /source\.json.*JSON/,
    ],
    [
      'a connector file with wrong keys and values, all at once',
      ['setup', '--yes'],
      connectors(
        'source.json',
        JSON.stringify({
          name: 's',
          config: { 'connector.class': 'ventia.PostgresSource', 'slot.nam': 'a', partitions: 0 },
        }),
      ),
      'CDC-102',
      /partitions.*slot\.nam.*slot\.name/s,
    ],
  ])('%s', async (_, args, env, code, says) => {
    const finished = await runCli(args, { ...pipeline.env, ...env });
    expectClearError(finished, code);
    expect(finished.stderr).toMatch(says);
    expect(finished.code).toBe(2);
  });

  it('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const finished = await runCli(['run'], { ...pipeline.env, HTTP_PORT: String(port) });
    other.close();
    expectClearError(finished, 'CDC-103');
    expect(finished.stderr).toContain(String(port));
    expect(finished.code).toBe(2);
  });
});

describe('what a server refuses ends a one-shot command with exit code 1', () => {
  let closed: number;
  beforeAll(async () => {
    ({ closed } = await choosePorts({ closed: 0 }));
  });
  const atClosedPort = (url: string) => {
    const changed = new URL(url);
    changed.port = String(closed);
    return changed.href;
  };

  it.each<[what: string, env: () => Env, code: string]>([
    ['source unreachable', () => ({ VENTIA_SOURCE_URL: atClosedPort(pipeline.databases.sourceUrl) }), 'CDC-200'],
    [
      'source: wrong password',
      () => ({ VENTIA_SOURCE_URL: withUser(pipeline.databases.sourceUrl, 'postgres', 'no') }),
      'CDC-201',
    ],
    ['messaging unreachable', () => ({ MESSAGING_URL: atClosedPort(pipeline.databases.messagingUrl) }), 'CDC-500'],
    [
      'messaging: wrong password',
      () => ({ MESSAGING_URL: withUser(pipeline.databases.messagingUrl, 'postgres', 'no') }),
      'CDC-501',
    ],
    ['Kafka unreachable', () => ({ KAFKA_BROKERS: `127.0.0.1:${closed}` }), 'CDC-300'],
    ['registry unreachable', () => ({ SCHEMA_REGISTRY_URL: `http://127.0.0.1:${closed}` }), 'CDC-400'],
  ])('setup: %s', async (_, env, code) => {
    const finished = await runCli(['setup', '--yes'], { ...pipeline.env, ...env() });
    expectClearError(finished, code);
    expect(finished.code).toBe(1);
  });

  it('setup: a table that is missing', async () => {
    const rename = (from: string, to: string) =>
      pipeline.source((client) => client.query(`ALTER TABLE ventia.${from} RENAME TO ${to}`));
    await rename('orders', 'ordenes');
    const finished = await pipeline.cli('setup', '--yes');
    await rename('ordenes', 'orders');
    expectClearError(finished, 'CDC-207');
    expect(finished.code).toBe(1);
  });

  it('setup: a topic with another number of partitions', async () => {
    await withKafkaAdmin((admin) =>
      admin.createTopics({ topics: [{ topic: pipeline.topics.orders, numPartitions: 4, replicationFactor: 1 }] }),
    );
    const finished = await pipeline.cli('setup', '--yes');
    expectClearError(finished, 'CDC-303');
    expect(finished.code).toBe(1);
  });
});

describe('a source server without logical WAL', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ventia-replica-'));
  let server: Postgres;
  beforeAll(async () => {
    const { port } = await choosePorts({ port: 0 });
    server = await startPostgres({ dir, port, settings: { wal_level: 'replica', fsync: 'off' } });
    await withClient(server.url, (client) => applyDemoSchema('seed', runner(client), runner(client)));
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('setup ends with exit code 1, run lives and is not ready: CDC-203', async () => {
    const env = { ...pipeline.env, VENTIA_SOURCE_URL: server.url, MESSAGING_URL: server.url };
    const finished = await runCli(['setup', '--yes'], env);
    expectClearError(finished, 'CDC-203');
    expect(finished.stderr).toContain('wal_level');
    expect(finished.code).toBe(1);

    const service = pipeline.startWith(env, pipeline.connectors.source);
    await service.notReady('CDC-203', 5_000);
    expectClearLog(service, 'CDC-203');
    await service.stop();
    expect(service.exitCode).toBe(0);
  });
});
