import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { ANY_PORTS, type Stack, startStack } from '../../src/dev/stack/stack';
import { withClient } from '../support/databases';
import { STACK_VARIABLE } from '../support/stack';

/** What differs from PostgreSQL's defaults; fsync stays on. */
const POSTGRES_SETTINGS = {
  max_replication_slots: 100,
  max_wal_senders: 100,
  max_connections: 200,
  track_commit_timestamp: 'on',
  // No checkpoint in the middle of a run.
  max_wal_size: '16GB',
  checkpoint_timeout: '1h',
};

export const CACHE = resolve(__dirname, '../../.dev/cache');

export interface World {
  readonly servers: Stack;
  /** For what contenders need beside the servers; removed at the end. */
  readonly dir: string;
  readonly settings: Readonly<Record<string, string | number>>;
  stop(): Promise<void>;
}

/** Servers of this run alone, on free ports, with data in a temporary folder; from here on `stack()` names them. */
export async function openWorld(): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'ventia-bench-'));
  const progress = (line: string) => void process.stderr.write(`bench: ${line}\n`);
  const servers = await startStack({
    dir,
    cache: CACHE,
    ports: ANY_PORTS,
    postgresSettings: POSTGRES_SETTINGS,
    progress,
  });
  process.env[STACK_VARIABLE] = JSON.stringify({
    postgresUrl: servers.postgres.url,
    kafkaBrokers: servers.kafka.brokers,
    registryUrl: servers.registry.url,
    kafkaLibs: servers.kafkaLibs,
  });
  const stop = async () => {
    await servers.stop();
    await rm(dir, { recursive: true, force: true });
  };
  return { servers, dir, settings: POSTGRES_SETTINGS, stop };
}

export function machine(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    cores: cpus().length,
    cpu: cpu?.model ?? 'unknown',
    'memory, GB': Math.round(totalmem() / 2 ** 30),
    kernel: release(),
  };
}

export async function versions(): Promise<Record<string, string>> {
  const { postgresUrl } = JSON.parse(process.env[STACK_VARIABLE]!) as { postgresUrl: string };
  const postgres = await withClient(postgresUrl, async (client) => {
    return String((await client.query('SHOW server_version')).rows[0].server_version);
  });
  const firstLine = (command: string, ...args: string[]) => {
    try {
      return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
        .split('\n')[0]!
        .trim();
    } catch {
      return 'none';
    }
  };
  return {
    Node: process.version,
    PostgreSQL: postgres,
    pg_recvlogical: firstLine('pg_recvlogical', '--version'),
    commit: firstLine('git', 'rev-parse', '--short', 'HEAD'),
  };
}

export const loadNow = (): number => Number(loadavg()[0]!.toFixed(2));
