import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kafka, startKafka } from '../../src/dev/stack/kafka';
import { choosePorts } from '../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../src/dev/stack/postgres';
import { STACK_VARIABLE, stack } from './stack';

type Settings = Readonly<Record<string, string | number>>;

/**
 * A PostgreSQL and a Kafka of this test file's own, for what would harm the shared ones; from here on `stack()` names them. The
 * registry stays the shared one.
 */
export async function useOwnServers(
  settings: { readonly kafka?: Settings; readonly postgres?: Settings } = {},
): Promise<{
  readonly postgres: Postgres;
  readonly kafka: Kafka;
  stop(): Promise<void>;
}> {
  const dir = await mkdtemp(join(tmpdir(), 'ventia-own-'));
  const ports = await choosePorts({ postgres: 0, kafka: 0, controller: 0 });
  const { kafkaLibs: libs } = stack();
  const starting = await Promise.allSettled([
    startPostgres({
      dir: join(dir, 'postgres'),
      port: ports.postgres,
      settings: { fsync: 'off', ...settings.postgres },
    }),
    startKafka({
      dir: join(dir, 'kafka'),
      port: ports.kafka,
      controllerPort: ports.controller,
      libs,
      ...(settings.kafka && { settings: settings.kafka }),
    }),
  ]);
  const stop = async () => {
    for (const server of starting) if (server.status === 'fulfilled') await server.value.stop();
    await rm(dir, { recursive: true, force: true });
  };
  const [postgres, kafka] = starting;
  if (postgres.status === 'rejected' || kafka.status === 'rejected') {
    await stop();
    throw starting.find((server) => server.status === 'rejected')?.reason;
  }
  process.env[STACK_VARIABLE] = JSON.stringify({
    ...stack(),
    postgresUrl: postgres.value.url,
    kafkaBrokers: kafka.value.brokers,
  });
  return { postgres: postgres.value, kafka: kafka.value, stop };
}
