import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import { silentLogger } from '../../../src/core/ports/log';
import type { TopicWriter } from '../../../src/core/ports/topics';
import { formatPosition, type Position, parsePosition } from '../../../src/core/position';
import { Slab } from '../../../src/core/slab';
import { type Kafka, startKafka } from '../../../src/dev/stack/kafka';
import { choosePorts } from '../../../src/dev/stack/ports';
import { type KafkaAccess, newAdmin, openLink } from '../../../src/kafka/client';
import type { FetchedRecord } from '../../../src/kafka/fetch-response';
import { type PartitionScan, runScans, type Scan } from '../../../src/kafka/scan';
import { openTopicWriter, type TopicWriterOptions } from '../../../src/kafka/writer';
import { stack, uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';

export const access = (brokers = stack().kafkaBrokers): KafkaAccess => ({
  brokers: brokers.split(','),
  ssl: null,
  sasl: null,
  clientId: 'test',
});

export interface TestTopics {
  readonly data: string;
  readonly other: string;
  readonly state: string;
  readonly deadLetters: string;
}

/** A topic of `partitions`, one of `others`, and the two of one partition, all of names of their own. */
export async function createTopics(admin: Admin, partitions = 3, others = 2): Promise<TestTopics> {
  const name = uniqueName('kafka');
  const topics = { data: `${name}.a`, other: `${name}.b`, state: `${name}_state`, deadLetters: `${name}_dlq` };
  const compact = [{ name: 'cleanup.policy', value: 'compact' }];
  await admin.createTopics({
    // kafkajs's own wait fails at a broker that has not heard of the topics yet.
    waitForLeaders: false,
    topics: [
      { topic: topics.data, numPartitions: partitions, configEntries: compact },
      { topic: topics.other, numPartitions: others, configEntries: compact },
      { topic: topics.state, numPartitions: 1, configEntries: compact },
      { topic: topics.deadLetters, numPartitions: 1 },
    ],
  });
  await eventually(() => admin.fetchTopicMetadata({ topics: Object.values(topics) }));
  return topics;
}

export async function withAdmin<T>(work: (admin: Admin) => Promise<T>, brokers?: string): Promise<T> {
  const { admin } = newAdmin(access(brokers), silentLogger);
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

export const writerOptions = (topics: TestTopics, more: Partial<TopicWriterOptions> = {}): TopicWriterOptions => ({
  access: access(),
  log: silentLogger,
  transactionalId: topics.data,
  topics: [topics.data, topics.other],
  stateTopic: topics.state,
  deadLetterTopic: topics.deadLetters,
  positionOf: (value) => parsePosition(value.toString().slice(0, 34)),
  ...more,
});

const openWriters: TopicWriter[] = [];

export async function openWriter(topics: TestTopics, more: Partial<TopicWriterOptions> = {}): Promise<TopicWriter> {
  const writer = await openTopicWriter(writerOptions(topics, more));
  openWriters.push(writer);
  return writer;
}

export async function closeWriters(): Promise<void> {
  await Promise.all(openWriters.splice(0).map((writer) => writer.close()));
}

export const position = (n: number): Position => ({ epoch: 1n, commitLsn: 0x1000n + BigInt(n), seq: 0n });

const slab = new Slab();

/** Adds a record of `position(n)`; a null value is a tombstone. */
export function append(
  batch: ReturnType<TopicWriter['newBatch']>,
  topic: string,
  partition: number,
  n: number,
  value: string | null,
  timestampMs = 1_700_000_000_000 + n,
): void {
  slab.reset();
  slab.ensure(4096 + (value?.length ?? 0));
  const keyEnd = slab.bytes.write(`key-${n}`);
  const valueStart = value === null ? -1 : keyEnd;
  const valueEnd = value === null ? -1 : keyEnd + slab.bytes.write(value, keyEnd);
  const stated = value === null ? position(n) : null;
  batch.append(topic, partition, slab, 0, keyEnd, valueStart, valueEnd, BigInt(timestampMs), stated);
}

/** All records of a partition, markers included, as any reader would fetch them. */
export async function readAll(topic: string, partition: number, brokers?: string): Promise<FetchedRecord[]> {
  const link = openLink(access(brokers), silentLogger);
  const records: FetchedRecord[] = [];
  function* everything(): Scan<void> {
    for (let at = 0n; ; ) {
      const { records: more, next } = yield at;
      if (next === at) return;
      records.push(...more);
      at = next;
    }
  }
  try {
    await link.cluster.connect();
    await link.cluster.addMultipleTargetTopics([topic]);
    const scan: PartitionScan = { topic, partition, maxBytes: 4_000_000, scan: everything() };
    await runScans(link.cluster, [scan], 10_000);
    return records;
  } finally {
    link.cut(new Error('read'));
  }
}

/** The keys of the data records, in order. */
export async function keysOf(topic: string, partition: number, brokers?: string): Promise<string[]> {
  const records = await readAll(topic, partition, brokers);
  return records.filter((record) => !record.isControlRecord).map((record) => record.key?.toString() ?? '');
}

/** A broker that a test file has for itself, to be misconfigured and restarted. */
export interface OwnBroker {
  start(): Promise<Kafka>;
  remove(running: Kafka): Promise<void>;
}

export async function ownBroker(settings: Readonly<Record<string, string | number>>): Promise<OwnBroker> {
  const dir = mkdtempSync(join(tmpdir(), 'kafka-'));
  const { port, controllerPort } = await choosePorts({ port: 0, controllerPort: 0 });
  return {
    start: () => startKafka({ dir, port, controllerPort, libs: stack().kafkaLibs, settings }),
    remove: async (running) => {
      await running.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** One record into partition 0, acknowledged: its position, or `text`. */
export async function writeOne(
  writer: TopicWriter,
  topic: string,
  n: number,
  text: string | null = formatPosition(position(n)),
): Promise<void> {
  const batch = writer.newBatch();
  append(batch, topic, 0, n, text);
  await writer.flush(batch);
}
