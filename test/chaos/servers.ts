import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { kafkaLibs, registryHome, requireJava } from '../../src/dev/stack/download';
import { startKafka } from '../../src/dev/stack/kafka';
import { choosePorts } from '../../src/dev/stack/ports';
import { startPostgres } from '../../src/dev/stack/postgres';
import { startRegistry } from '../../src/dev/stack/registry';

const CACHE = resolve(__dirname, '../../.dev/cache');

interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

/** A server of our own that is ended without warning, and comes back with the same data on the same port. */
export class MortalServer {
  private constructor(
    private server: Server,
    private readonly start: () => Promise<Server>,
    private readonly killSignal: NodeJS.Signals,
  ) {}

  static async start(start: () => Promise<Server>, killSignal: NodeJS.Signals): Promise<MortalServer> {
    return new MortalServer(await start(), start, killSignal);
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    process.kill(this.server.pid, this.killSignal);
    await this.server.stop();
  }

  /** Resolves when it answers. */
  async revive(): Promise<void> {
    this.server = await this.start();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

export interface Servers {
  readonly postgres: MortalServer;
  readonly kafka: MortalServer;
  /** Superuser's. */
  readonly postgresUrl: string;
  readonly brokers: string;
  readonly registryUrl: string;
  stop(): Promise<void>;
}

/** A connection for the length of `work`. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  // What ends it in the middle is told to the statement that waits.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** PostgreSQL, Kafka and registry on free ports with their data in `dir`, PostgreSQL with fsync. */
export async function startServers(dir: string, progress: (line: string) => void): Promise<Servers> {
  await requireJava();
  const libs = await kafkaLibs(CACHE, progress);
  const home = await registryHome(CACHE, progress);
  const ports = await choosePorts({ postgres: 0, kafka: 0, kafkaController: 0, registry: 0 });
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => void (await Promise.allSettled(started.map((server) => server.stop())));
  const keep = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    started.push(server);
    return server;
  };
  const settings = {
    // For the audit: when each transaction was committed.
    track_commit_timestamp: 'on',
    max_prepared_transactions: 20,
    // So that a capture that sleeps loses the slot while the stand-by is watched.
    wal_sender_timeout: '5s',
    checkpoint_timeout: '30s',
  };
  const starting = Promise.allSettled([
    keep(
      MortalServer.start(
        () => startPostgres({ dir: join(dir, 'postgres'), port: ports.postgres, settings }),
        // Immediate shutdown: no checkpoint, as if the machine had crashed.
        'SIGQUIT',
      ),
    ),
    keep(
      MortalServer.start(
        () => startKafka({ dir: join(dir, 'kafka'), port: ports.kafka, controllerPort: ports.kafkaController, libs }),
        'SIGKILL',
      ),
    ),
    keep(startRegistry({ dir: join(dir, 'registry'), port: ports.registry, home })),
  ]);
  const [postgres, kafka, registry] = await starting;
  if (postgres.status === 'fulfilled' && kafka.status === 'fulfilled' && registry.status === 'fulfilled') {
    return {
      postgres: postgres.value,
      kafka: kafka.value,
      postgresUrl: `postgresql://postgres:postgres@127.0.0.1:${ports.postgres}/postgres`,
      brokers: `127.0.0.1:${ports.kafka}`,
      registryUrl: registry.value.url,
      stop,
    };
  }
  await stop();
  throw [postgres, kafka, registry].find((result) => result.status === 'rejected')?.reason;
}
