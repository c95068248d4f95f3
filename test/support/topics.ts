import { Type, types } from 'avsc';
import { Kafka, logLevel } from 'kafkajs';
import { silentLogger } from '../../src/core/ports/log';
import { formatPosition, parsePosition } from '../../src/core/position';
import { openLink } from '../../src/kafka/client';
import type { FetchedRecord, FetchResponse } from '../../src/kafka/fetch-response';
import { stack } from './stack';

/** One record as it lies in a topic. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}

export type Row = Readonly<Record<string, unknown>>;

/** A record of one of the pipeline's topics, decoded by avsc and the registry alone. */
export interface TopicChange {
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: number;
  /** The row's primary key, as text. */
  readonly key: string;
  /** `tombstone`: a null value. */
  readonly op: 'c' | 'u' | 'd' | 'r' | 't' | 'tombstone';
  /** Fixed width, so that text order is position order; a tombstone's is in its header. */
  readonly position: string;
  /** `source.snapshot`; null = streamed, or a tombstone. */
  readonly snapshot: string | null;
  readonly before: Row | null;
  readonly after: Row | null;
}

/** Every record that the topic holds now, transaction markers left out, partition after partition in offset order. */
export async function readTopic(topic: string, brokers?: string): Promise<TopicRecord[]> {
  const records: TopicRecord[] = [];
  await eachRecord(topic, (record) => void records.push(record), brokers);
  return records;
}

/** The same one by one, for topics that are too large to hold. */
async function eachRecord(
  topic: string,
  visit: (record: TopicRecord) => void | Promise<void>,
  brokers = stack().kafkaBrokers,
): Promise<void> {
  const { cluster } = openLink({ brokers: brokers.split(','), ssl: null, sasl: null }, silentLogger);
  await cluster.connect();
  try {
    await cluster.addMultipleTargetTopics([topic]);
    const metadata = cluster.findTopicPartitionMetadata(topic);
    const partitions = metadata.map(({ partitionId }) => ({ partition: partitionId }));
    const [begins] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: true }]);
    const [ends] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: false }]);
    for (const { partition, offset: end } of ends!.partitions.toSorted((a, b) => a.partition - b.partition)) {
      const broker = await cluster.findBroker({ nodeId: metadata.find((p) => p.partitionId === partition)!.leader });
      const begin = begins!.partitions.find((p) => p.partition === partition)!.offset;
      for (let next = BigInt(begin); next < BigInt(end); ) {
        const { responses } = (await broker.fetch({
          isolationLevel: 0,
          maxWaitTime: 100,
          minBytes: 1,
          maxBytes: 8 << 20,
          topics: [{ topic, partitions: [{ partition, fetchOffset: String(next), maxBytes: 8 << 20 }] }],
        })) as FetchResponse;
        const fetched: FetchedRecord[] = responses[0]!.partitions[0]!.messages.filter(({ offset }) => offset >= next);
        for (const record of fetched) if (!record.isControlRecord) await visit({ ...record, partition });
        next = (fetched.at(-1)?.offset ?? next) + 1n;
      }
    }
  } finally {
    await cluster.disconnect();
  }
}

/** Every record of a topic of changes, decoded. */
export async function readChanges(topic: string, brokers?: string): Promise<TopicChange[]> {
  const records = await readTopic(topic, brokers);
  return Promise.all(records.map(decodeChange));
}

/** {@link readChanges} one by one, for topics that are too large to hold. */
export function eachChange(topic: string, visit: (change: TopicChange) => void, brokers?: string): Promise<void> {
  return eachRecord(topic, async (record) => visit(await decodeChange(record)), brokers);
}

async function decodeChange({
  partition,
  offset,
  timestampMs,
  key,
  value,
  headers,
}: TopicRecord): Promise<TopicChange> {
  const { id } = (await decode(key!)) as { id: unknown };
  const place = { partition, offset, timestampMs, key: String(id) };
  if (value === null) {
    const position = formatPosition(parsePosition(Object.values(headers)[0]!.toString()));
    return { ...place, op: 'tombstone', position, snapshot: null, before: null, after: null };
  }
  const { op, before, after, source } = (await decode(value)) as {
    op: TopicChange['op'];
    before: Row | null;
    after: Row | null;
    source: { epoch: bigint; commit_lsn: bigint; seq: bigint; snapshot: string | null };
  };
  const position = formatPosition({ epoch: source.epoch, commitLsn: source.commit_lsn, seq: source.seq });
  return { ...place, op, position, snapshot: source.snapshot, before, after };
}

const schemas = new Map<number, Promise<Type>>();

/** Byte 0, schema id, Avro body. Longs are bigints. */
async function decode(bytes: Buffer): Promise<unknown> {
  if (bytes[0] !== 0) throw new Error(`not in wire format: ${bytes.subarray(0, 5).toString('hex')}`);
  const id = bytes.readInt32BE(1);
  const known = schemas.get(id) ?? fetchSchema(id);
  schemas.set(id, known);
  return (await known).fromBuffer(bytes.subarray(5));
}

async function fetchSchema(id: number): Promise<Type> {
  const response = await fetch(`${stack().registryUrl}/schemas/ids/${id}`);
  const { schema } = (await response.json()) as { schema: string };
  return Type.forSchema(JSON.parse(schema), { wrapUnions: 'auto', typeHook: exactLongs });
}

const exactLong = types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : Number(a > b)),
});

function exactLongs(schema: unknown): Type | undefined {
  const name = typeof schema === 'object' && schema !== null ? (schema as { type?: unknown }).type : schema;
  return name === 'long' ? exactLong : undefined;
}

/** kafkajs's admin client for the length of `work`. */
export async function withKafkaAdmin<T>(
  work: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
  brokers = stack().kafkaBrokers,
): Promise<T> {
  const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}
