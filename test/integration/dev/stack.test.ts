import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Kafka, logLevel } from 'kafkajs';
import type { Sql } from '../../../src/core/ports/sql';
import { ANY_PORTS, type StackOptions, startStack } from '../../../src/dev/stack/stack';
import { openDatabase } from '../../../src/postgres/database';
import { processesNaming } from '../../support/processes';
import { eventually } from '../../support/wait';

/** One folder of data through its life: each test goes on where the one before it ended. */
const dir = mkdtempSync(join(tmpdir(), 'ventia-cdc-stack-'));
const cache = resolve('.dev', 'cache');

const start = (more: Partial<StackOptions> = {}) =>
  startStack({ dir, cache, ports: ANY_PORTS, progress: () => {}, ...more });

jest.setTimeout(90_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('kill -9 of the parent leaves no process behind', async () => {
  const parent = spawn(process.execPath, ['test/support/run-ts.js', 'test/fixtures/hold-stack.ts', dir, cache], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface({ input: parent.stdout }), 'line');
  const held = JSON.parse(line) as { pids: number[] } & Addresses;
  await writeEverywhere(held);
  expect(processesNaming(dir)).toEqual(expect.arrayContaining(held.pids));

  parent.kill('SIGKILL');
  await once(parent, 'exit');

  await eventually(() => processesNaming(dir).length === 0, { timeoutMs: 15_000 });
});

test('starts again within 12 seconds, on other ports, with everything there, also after kill -9 of every server', async () => {
  const startedMs = performance.now();
  const first = await start();
  const tookMs = performance.now() - startedMs;
  for (const server of [first.postgres, first.kafka, first.registry]) process.kill(server.pid, 'SIGKILL');
  await first.stop();

  const second = await start();
  const found = await readEverywhere({
    postgres: second.postgres.url,
    kafka: second.kafka.brokers,
    registry: second.registry.url,
  }).finally(() => second.stop());

  expect(found).toEqual(WRITTEN);
  expect(processesNaming(dir)).toEqual([]);
  expect(tookMs).toBeLessThan(12_000);
});

test('is refused while another process runs it on the same data', async () => {
  const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)', dir], { stdio: 'ignore' });
  await eventually(() => processesNaming(dir).includes(other.pid!));
  writeFileSync(join(dir, 'owner'), `${other.pid}\n${readFileSync(`/proc/${other.pid}/cmdline`, 'latin1')}`);

  await expect(start()).rejects.toMatchObject({
    kind: 'stack_failed',
    fix: expect.stringContaining(`kill ${other.pid}`),
  });

  other.kill('SIGKILL');
  await once(other, 'exit');
});

test('one server that does not start is reported with its log, and the others are ended', async () => {
  await expect(start({ postgresSettings: { wal_level: 'nonsense' } })).rejects.toMatchObject({
    kind: 'stack_failed',
    message: expect.stringMatching(/postgres ended while starting\n.*wal_level/s),
    fix: expect.stringContaining(join(dir, 'postgres', 'postgres.log')),
  });
  expect(processesNaming(dir)).toEqual([]);
});

test('reset forgets the data', async () => {
  const stack = await start({ reset: true });
  const reading = readEverywhere({
    postgres: stack.postgres.url,
    kafka: stack.kafka.brokers,
    registry: stack.registry.url,
  });
  await expect(reading.finally(() => stack.stop())).rejects.toThrow('"kept" does not exist');
});

describe('with other programs on the PATH', () => {
  const bin = join(dir, 'bin');
  const path = process.env.PATH;
  beforeEach(() => {
    mkdirSync(bin, { recursive: true });
    process.env.PATH = bin;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(bin, { recursive: true });
  });
  const program = (name: string, script: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

  test('no Java: one sentence that names the package', async () => {
    await expect(start()).rejects.toMatchObject({
      kind: 'tool_missing',
      message: expect.stringContaining('no Java is on the PATH'),
      fix: expect.stringMatching(/openjdk-17-jre-headless.*docker compose/),
    });
  });

  test('a Java that is too old', async () => {
    program('java', 'echo \'openjdk version "1.8.0_392"\' >&2');
    await expect(start()).rejects.toThrow('the Java on the PATH is version 8');
  });

  test('no Maven: one sentence that names the package', async () => {
    program('java', 'echo \'openjdk version "17.0.15" 2025-04-15\' >&2');
    await expect(start({ cache: join(dir, 'empty') })).rejects.toMatchObject({
      kind: 'tool_missing',
      fix: expect.stringMatching(/apt-get install maven.*docker compose/),
    });
  });

  test('a Maven that fails leaves nothing half fetched', async () => {
    program('java', 'echo \'openjdk version "21.0.1" 2025-04-15\' >&2');
    program('mvn', 'echo "[ERROR] no such artifact"; exit 1');
    await expect(start({ cache: join(dir, 'empty') })).rejects.toMatchObject({
      kind: 'stack_failed',
      message: expect.stringContaining('no such artifact'),
    });
    expect(readdirSync(join(dir, 'empty'))).toEqual([]);
  });
});

interface Addresses {
  readonly postgres: string;
  readonly kafka: string;
  readonly registry: string;
}

const WRITTEN = { row: 'kept', record: 'kept', schema: '"string"' };

async function writeEverywhere({ postgres, kafka, registry }: Addresses): Promise<void> {
  await inDatabase(postgres, (db) => db.query(`CREATE TABLE kept AS SELECT 'kept' AS word`));
  const client = kafkaClient(kafka);
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }] });
  await admin.disconnect();
  const producer = client.producer();
  await producer.connect();
  await producer.send({ topic: 'kept', acks: -1, messages: [{ value: 'kept' }] });
  await producer.disconnect();
  const registered = await fetch(`${registry}/subjects/kept/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: '"string"' }),
  });
  expect(registered.status).toBe(200);
}

async function readEverywhere({ postgres, kafka, registry }: Addresses): Promise<typeof WRITTEN> {
  const [row] = await inDatabase(postgres, (db) => db.query<{ word: string }>('SELECT word FROM kept'));
  const consumer = kafkaClient(kafka).consumer({ groupId: 'reader' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'kept', fromBeginning: true });
  const record = await new Promise<string>((resolve, reject) => {
    consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) }).catch(reject);
  });
  await consumer.disconnect();
  const { schema } = (await (await fetch(`${registry}/subjects/kept/versions/latest`)).json()) as { schema: string };
  return { row: row!.word, record, schema };
}

async function inDatabase<T>(url: string, work: (db: Sql) => Promise<T>): Promise<T> {
  const db = openDatabase(url, 'source', { applicationName: 'stack test', max: 1 });
  return work(db).finally(() => db.close());
}

const kafkaClient = (broker: string) => new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
