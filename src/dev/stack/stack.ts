import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CdcError } from '../../core/errors';
import { kafkaLibs, type Progress, registryHome, requireJava } from './download';
import { type Kafka, startKafka } from './kafka';
import { choosePorts } from './ports';
import { type Postgres, startPostgres } from './postgres';
import { commandLine, endLeftover } from './process';
import { type Registry, startRegistry } from './registry';

export interface StackOptions {
  /** Default: the line we develop with. */
  readonly kafkaVersion?: string | undefined;
  /** Holds the data, the logs and the pid files of all three servers. */
  readonly dir: string;
  /** Holds what was fetched; may be shared. */
  readonly cache: string;
  /** Taken where they are free; 0 = any. */
  readonly ports: StackPorts;
  /** Forget the data of earlier starts. */
  readonly reset?: boolean;
  readonly postgresSettings?: Readonly<Record<string, string | number>>;
  readonly progress: Progress;
}

export interface StackPorts {
  readonly postgres: number;
  readonly kafka: number;
  readonly kafkaController: number;
  readonly registry: number;
}

export const USUAL_PORTS: StackPorts = { postgres: 5432, kafka: 9092, kafkaController: 9093, registry: 8081 };
export const ANY_PORTS: StackPorts = { postgres: 0, kafka: 0, kafkaController: 0, registry: 0 };

export interface Stack {
  readonly postgres: Postgres;
  readonly kafka: Kafka;
  readonly registry: Registry;
  /** Folder of Kafka's jars, for its command-line tools. */
  readonly kafkaLibs: string;
  /** Ends all three in good order. */
  stop(): Promise<void>;
}

/**
 * PostgreSQL, Kafka and the schema registry on 127.0.0.1, started at once and returned when all answer. Where one fails,
 * those already started are stopped and its error is thrown.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dir } = options;
  await requireJava();
  const release = claim(dir);
  try {
    if (options.reset) await forget(dir);
    return await startServers(options, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function startServers(options: StackOptions, release: () => void): Promise<Stack> {
  const { dir, cache, progress } = options;
  const libs = await kafkaLibs(cache, progress, options.kafkaVersion);
  const home = await registryHome(cache, progress);
  const ports = await choosePorts({ ...options.ports });

  progress('starting PostgreSQL, Kafka and the schema registry');
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    release();
  };
  const start = async <T extends { stop(): Promise<void> }>(name: string, starting: Promise<T>): Promise<T> => {
    const server = await starting;
    started.push(server);
    progress(`${name} is ready`);
    return server;
  };
  const results = await Promise.allSettled([
    start(
      'PostgreSQL',
      startPostgres({
        dir: join(dir, 'postgres'),
        port: ports.postgres,
        ...(options.postgresSettings && { settings: options.postgresSettings }),
      }),
    ),
    start(
      'Kafka',
      startKafka({ dir: join(dir, 'kafka'), port: ports.kafka, controllerPort: ports.kafkaController, libs }),
    ),
    start('the schema registry', startRegistry({ dir: join(dir, 'registry'), port: ports.registry, home })),
  ]);
  const [postgres, kafka, registry] = results;
  if (postgres.status === 'fulfilled' && kafka.status === 'fulfilled' && registry.status === 'fulfilled') {
    return { postgres: postgres.value, kafka: kafka.value, registry: registry.value, kafkaLibs: libs, stop };
  }
  await stop();
  throw results.find((result) => result.status === 'rejected')?.reason;
}

/** Servers that outlived an earlier run still write there. */
async function forget(dir: string): Promise<void> {
  for (const name of ['postgres', 'kafka', 'registry']) {
    await endLeftover({ name, dir: join(dir, name), stopSignal: 'SIGINT', killSignal: 'SIGKILL' });
    rmSync(join(dir, name), { recursive: true, force: true });
  }
}

/** Two processes on the same data would end each other's servers. Returns what gives the folder free again. */
function claim(dir: string): () => void {
  const file = join(dir, 'owner');
  const [pid, command] = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  if (pid !== undefined && Number(pid) !== process.pid && commandLine(Number(pid)) === command) {
    throw new CdcError('stack_failed', `process ${pid} runs the development stack of ${dir} already`, {
      fix: `Use that one, or end it first: kill ${pid}`,
    });
  }
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, `${process.pid}\n${commandLine(process.pid)}`);
  return () => rmSync(file, { force: true });
}
