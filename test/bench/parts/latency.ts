import { ConfigResourceTypes, ConfigSource } from 'kafkajs';
import { readTopic, withKafkaAdmin } from '../../support/topics';
import { eventually } from '../../support/wait';
import { Source } from '../backlog';
import type { Connect } from '../connect';
import { CAPTURE } from '../contenders';
import { DEBEZIUM_JSON, FOR_LATENCY, JSON_RECORDS, newTask, removeTask, taskConfig } from '../debezium';
import { inTurns, type PartContext } from '../part';
import { percentile, type Recorder } from '../results';
import { TopicGrowth } from '../topic-growth';
import { writeSteadily } from '../writers';

const RATES = [1000, 4000];
/** The first seconds of a round are not counted: connections, caches and compilers find their pace. */
const WARM_SECONDS = 5;
const SECONDS = 15;
const ROUNDS = 3;

export const latencyAt = (rate: number): string => `latency at ${rate.toLocaleString('en')} transactions/s`;

/** The broker stamps records when it appends them. */
const APPEND_TIME = { 'message.timestamp.type': 'LogAppendTime' };

/**
 * From a row's commit (PostgreSQL's `track_commit_timestamp`) to its record in Kafka (`LogAppendTime`, whole milliseconds, so
 * half of one is added): clocks of the same machine, and no contender is asked. One-row transactions at a steady rate.
 */
export async function latency(context: PartContext): Promise<void> {
  const { options, results } = context;
  const connect = context.connect && (await context.connect());
  for (const rate of RATES) {
    const contender = (who: string, topicOf: (source: Source, write: () => Promise<void>) => Promise<AppendTimes>) => ({
      name: `${latencyAt(rate)}, ${who}`,
      round: async () => {
        const source = await Source.create();
        try {
          const appended = await topicOf(source, () => writeSteadily(source, rate, WARM_SECONDS + SECONDS));
          return recordDelays(results, latencyAt(rate), who, await delays(source, appended));
        } finally {
          await source.drop();
        }
      },
    });
    const contenders = [contender(CAPTURE, captured)];
    if (connect)
      contenders.push(contender(DEBEZIUM_JSON, (source, write) => capturedByDebezium(connect, source, write)));
    await inTurns(context, options.runs ?? ROUNDS, contenders);
  }
}

/** By the row's id, milliseconds. */
type AppendTimes = ReadonlyMap<string, number>;

async function captured(source: Source, write: () => Promise<void>): Promise<AppendTimes> {
  const pipeline = await source.capturedBy({ 'snapshot.mode': 'never' });
  try {
    await pipeline.setup();
    await stampByAppending(pipeline.topics.orders);
    const service = await pipeline.start(pipeline.connectors.source).ready();
    await write();
    const times = await appendTimes(pipeline.topics.orders, source);
    await service.stop();
    return times;
  } finally {
    await pipeline.drop();
    await source.dropSlot(pipeline.name);
  }
}

async function capturedByDebezium(connect: Connect, source: Source, write: () => Promise<void>): Promise<AppendTimes> {
  const task = await newTask(APPEND_TIME);
  try {
    const config = taskConfig(task, source, FOR_LATENCY, JSON_RECORDS, { 'snapshot.mode': 'no_data' });
    await connect.start(task.name, config);
    await streams(source, task.slot);
    await write();
    return await appendTimes(task.topic, source);
  } finally {
    await removeTask(connect, task);
    await source.dropSlot(task.slot);
  }
}

/** What set-up gave the topic itself is kept. */
async function stampByAppending(topic: string): Promise<void> {
  await withKafkaAdmin(async (admin) => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
    const own = resources[0]!.configEntries.filter(({ configSource }) => configSource === ConfigSource.TOPIC_CONFIG);
    const entries = own.map(({ configName, configValue }) => [configName, configValue] as const);
    const settings = Object.entries({ ...Object.fromEntries(entries), ...APPEND_TIME });
    const configEntries = settings.map(([name, value]) => ({ name, value }));
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
  });
}

async function streams(source: Source, slot: string): Promise<void> {
  await source.use((client) =>
    eventually(async () => {
      const { rowCount } = await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active', [
        slot,
      ]);
      return rowCount === 1;
    }),
  );
}

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Of all orders of the table, once their records are there. Keys are Avro or JSON: the id stands in both as text. */
async function appendTimes(topic: string, source: Source): Promise<AppendTimes> {
  const { rows } = await source.use((client) => client.query('SELECT count(*)::int FROM ventia.orders'));
  const growth = await TopicGrowth.open(topic);
  try {
    await eventually(async () => (await growth.records()) >= rows[0].count, { timeoutMs: 60_000, intervalMs: 200 });
  } finally {
    await growth.close();
  }
  const records = await readTopic(topic);
  return new Map(
    records.flatMap(({ key, timestampMs }) => {
      const id = UUID.exec(key?.toString('latin1') ?? '')?.[0];
      return id === undefined ? [] : [[id, timestampMs] as const];
    }),
  );
}

interface Delays {
  /** Milliseconds, ascending. */
  readonly sorted: readonly number[];
  /** Transactions a second that the writers have reached. */
  readonly rate: number;
}

/** Of the orders that were committed after the warm-up. */
async function delays(source: Source, appended: AppendTimes): Promise<Delays> {
  const { rows } = await source.use((client) =>
    client.query(`
      SELECT id, committed - min(committed) OVER () AS since, committed
      FROM (SELECT id::text, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::float8 AS committed
            FROM ventia.orders) AS o`),
  );
  const counted = rows.filter(({ since }) => since >= WARM_SECONDS * 1000);
  const missing = counted.filter(({ id }) => !appended.has(id)).length;
  if (missing > 0) throw new Error(`${missing} of ${counted.length} orders have no record`);
  const longest = Math.max(...counted.map(({ since }) => since)) - WARM_SECONDS * 1000;
  return {
    sorted: counted.map(({ id, committed }) => appended.get(id)! + 0.5 - committed).sort((a, b) => a - b),
    rate: (counted.length / longest) * 1000,
  };
}

export function recordDelays(results: Recorder, what: string, who: string, { sorted, rate }: Delays): string {
  for (const p of [50, 95, 99]) results.add(what, who, `ms p${p}`, percentile(sorted, p));
  results.add(what, who, 'ms max', sorted.at(-1)!);
  results.add(what, who, 'transactions/s', rate);
  return `p50 ${percentile(sorted, 50).toFixed(1)} ms, p99 ${percentile(sorted, 99).toFixed(1)} ms at ${Math.round(rate)}/s`;
}
