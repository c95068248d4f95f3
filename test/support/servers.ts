import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ANY_PORTS, startStack } from '../../src/dev/stack/stack';
import type { TestStack } from './stack';

/** Another line than ours is asked for: `KAFKA_VERSION=3.9.1 npm run test:kafka`, `npm run test:matrix`. */
const { KAFKA_VERSION, POSTGRES_BINARIES } = process.env;

const PROJECT = resolve(__dirname, '..', '..');

/** Written by keep-stack.ts while the servers it started run. */
export const KEPT_FILE = join(PROJECT, '.dev', 'test-stack.json');

export interface KeptStack extends TestStack {
  /** Of the process that holds the servers. */
  readonly keeperPid: number;
}

/** Servers with room for many tests at once, on free ports, with data in a temporary folder that `stop` removes. */
export async function startTestServers(): Promise<TestStack & { stop(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'ventia-cdc-test-'));
  const servers = await startStack({
    dir,
    cache: join(PROJECT, '.dev', 'cache'),
    ports: ANY_PORTS,
    kafkaVersion: KAFKA_VERSION,
    postgresSettings: {
      max_replication_slots: 100,
      max_wal_senders: 100,
      max_connections: 400,
      fsync: 'off',
    },
    progress: (line) => process.stderr.write(`test servers: ${line}\n`),
  });
  return {
    postgresUrl: servers.postgres.url,
    kafkaBrokers: servers.kafka.brokers,
    registryUrl: servers.registry.url,
    kafkaLibs: servers.kafkaLibs,
    stop: async () => {
      await servers.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The servers that `npm run test:stack` left running, if they still answer. */
export async function keptStack(): Promise<KeptStack | undefined> {
  if ((KAFKA_VERSION ?? POSTGRES_BINARIES) !== undefined || !existsSync(KEPT_FILE)) return undefined;
  const kept = JSON.parse(readFileSync(KEPT_FILE, 'utf8')) as KeptStack;
  const ports = [new URL(kept.postgresUrl).port, kept.kafkaBrokers.split(':')[1], new URL(kept.registryUrl).port];
  const alive = await Promise.all(ports.map((port) => accepts(Number(port))));
  return alive.every(Boolean) ? kept : undefined;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}
