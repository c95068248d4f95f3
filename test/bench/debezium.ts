import { processUsage } from '../support/process-usage';
import { stack, uniqueName } from '../support/stack';
import { withKafkaAdmin } from '../support/topics';
import { type Backlog, PUBLICATION, type Source } from './backlog';
import type { Connect } from './connect';
import { BROKER, type Contender } from './contenders';
import { drainIntoTopic } from './drained';

export const CONNECT = 'Connect';
export const DEBEZIUM_AVRO = 'Debezium, Avro';
export const DEBEZIUM_JSON = 'Debezium, JSON';

type Config = Readonly<Record<string, string | number | boolean>>;

/** The best of what was tried: large batches from a large queue for the rate, nothing that lingers for latency. */
const TUNED = { 'max.batch.size': 16384, 'max.queue.size': 65536, 'producer.override.batch.size': 524288 };
export const FOR_RATE: Config = {
  ...TUNED,
  'poll.interval.ms': 10,
  'producer.override.linger.ms': 10,
  'producer.override.compression.type': 'lz4',
};
export const FOR_LATENCY: Config = { ...TUNED, 'poll.interval.ms': 5, 'producer.override.linger.ms': 0 };

const WITHIN_MS = 5 * 60_000;
const PARTITIONS = 6;

export const JSON_RECORDS: Config = Object.fromEntries(
  ['key.converter', 'value.converter'].flatMap((converter) => [
    [converter, 'org.apache.kafka.connect.json.JsonConverter'],
    [`${converter}.schemas.enable`, false],
  ]),
);

/** In Confluent's framing, with the registry that we use. */
export function avroRecords(): Config {
  const registry = stack().registryUrl.replace(/\/apis\/.*$/, '/apis/registry/v2');
  return Object.fromEntries([
    ...['key.converter', 'value.converter'].flatMap((converter) => [
      [converter, 'io.apicurio.registry.utils.converter.AvroConverter'],
      [`${converter}.apicurio.registry.url`, registry],
      [`${converter}.apicurio.registry.auto-register`, true],
      [`${converter}.apicurio.registry.headers.enabled`, false],
      [`${converter}.apicurio.registry.as-confluent`, true],
      [`${converter}.apicurio.registry.use-id`, 'contentId'],
    ]),
    ['schema.name.adjustment.mode', 'avro'],
  ]);
}

export interface DebeziumTask {
  readonly name: string;
  readonly slot: string;
  readonly topic: string;
}

/** What is made for one connector: its topic, with as many partitions as ours. */
export async function newTask(settings: Readonly<Record<string, string>> = {}): Promise<DebeziumTask> {
  const name = uniqueName('dbz');
  const topic = `${name}.ventia.orders`;
  const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
  await withKafkaAdmin((admin) =>
    admin.createTopics({
      topics: [topic, `${name}.ventia.tenants`].map((one) => ({
        topic: one,
        numPartitions: PARTITIONS,
        configEntries,
      })),
    }),
  );
  return { name, slot: name, topic };
}

export function taskConfig({ name, slot }: DebeziumTask, source: Source, ...more: readonly Config[]): Config {
  const { hostname, port, username, password, pathname } = new URL(source.url);
  return Object.assign(
    {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'tasks.max': 1,
      'plugin.name': 'pgoutput',
      'database.hostname': hostname,
      'database.port': Number(port),
      'database.user': username,
      'database.password': password,
      'database.dbname': pathname.slice(1),
      'topic.prefix': name,
      'table.include.list': 'ventia.tenants,ventia.orders',
      'slot.name': slot,
      'publication.name': PUBLICATION,
      'publication.autocreate.mode': 'disabled',
      'topic.creation.default.replication.factor': 1,
      'topic.creation.default.partitions': PARTITIONS,
    },
    ...more,
  );
}

export async function removeTask(connect: Connect, { name, topic }: DebeziumTask): Promise<void> {
  await connect.remove(name);
  await withKafkaAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [topic, `${name}.ventia.tenants`] });
  });
}

/** Tuned for the rate. The worker stays, so that all but the first rounds find it warm. */
export function debeziumContender(connect: Connect, name: string, records: Config, brokerPid: number): Contender {
  return {
    name,
    async drain(backlog: Backlog) {
      const task = await newTask();
      await backlog.copySlot(task.slot);
      try {
        const config = taskConfig(task, backlog.source, FOR_RATE, records, { 'snapshot.mode': 'no_data' });
        const processes = { [CONNECT]: connect.pid, [BROKER]: brokerPid };
        const [drained] = await Promise.all([
          backlog.source.use((client) =>
            drainIntoTopic(client, task.slot, task.topic, backlog.rows, processes, WITHIN_MS),
          ),
          connect.start(task.name, config),
        ]);
        return { ...drained, peakMb: processUsage(connect.pid).peakMb };
      } finally {
        await removeTask(connect, task);
        await backlog.source.dropSlot(task.slot);
      }
    },
  };
}
