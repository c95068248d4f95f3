import { join } from 'node:path';
import { kafkaLibs, type Progress, registryHome, requireJava } from './download';
import { type Kafka, startKafka } from './kafka';
import { choosePorts } from './ports';
import { type Postgres, startPostgres } from './postgres';
import { type Registry, startRegistry } from './registry';

export interface StackOptions {
  /** Holds the data, the logs and the pid files of all three servers. */
  readonly dir: string;
  /** Holds what was fetched; may be shared. */
  readonly cache: string;
  /** Taken where they are free; 0 = any. */
  readonly ports: StackPorts;
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
  const { dir, cache, progress } = options;
  await requireJava();
  const libs = await kafkaLibs(cache, progress);
  const home = await registryHome(cache, progress);
  const ports = await choosePorts({ ...options.ports });

  progress('starting PostgreSQL, Kafka and the schema registry');
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
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
