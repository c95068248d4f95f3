import { type Schema, Type, types } from 'avsc';
import { type Consumer, Kafka, type KafkaMessage, logLevel } from 'kafkajs';
import type { TextRow } from './truth';

/** One data record as it lies in a topic, decoded by avsc with the schema that the registry has for it. */
export interface TopicRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: string;
  /** Null: a tombstone. */
  readonly value: Envelope | null;
}

export interface Envelope {
  readonly op: string;
  readonly before: TextRow | null;
  readonly after: TextRow | null;
  readonly unchanged: readonly string[] | null;
  /** Where the change stands in the order of all changes. */
  readonly position: { readonly epoch: bigint; readonly commitLsn: bigint; readonly seq: bigint };
  readonly xid: number | null;
  readonly table: string;
  readonly commitTime: bigint;
}

export interface TopicContents {
  readonly partitions: number;
  /** Partition after partition, each in the order of its offsets. */
  readonly records: readonly TopicRecord[];
  /** Of the row in the value's schema, in its order. */
  readonly columns: readonly string[];
}

const END = 'end of the check';

/**
 * Reads topics from their beginnings. To be called when nobody writes any more: where a partition ends is told by a last
 * record of our own, as the markers of transactions are not shown to consumers.
 */
export async function readTopics(
  brokers: string,
  registryUrl: string,
  topics: readonly string[],
): Promise<Map<string, TopicContents>> {
  const kafka = new Kafka({ brokers: [brokers], clientId: 'chaos-check', logLevel: logLevel.NOTHING });
  const partitions = await markEnds(kafka, topics);
  const schemas = new Schemas(registryUrl);
  const found = new Map<string, TopicRecord[]>();
  const consumer = kafka.consumer({ groupId: `chaos-check-${Date.now()}`, maxBytesPerPartition: 8 << 20 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consume(
      consumer,
      [...partitions.values()].reduce((a, b) => a + b),
      async (topic, partition, message) => {
        const place = `${topic} ${String(partition).padStart(5)}`;
        const records = found.get(place) ?? [];
        found.set(place, records);
        records.push(await schemas.decode(topic, partition, message));
      },
    );
  } finally {
    await consumer.disconnect();
  }
  const inOrder = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, records]) => records);
  return new Map(
    topics.map((topic) => [
      topic,
      {
        partitions: partitions.get(topic)!,
        records: inOrder.filter((record) => record.topic === topic),
        columns: schemas.columns(topic),
      },
    ]),
  );
}

/** Gives the number of partitions of each topic. */
async function markEnds(kafka: Kafka, topics: readonly string[]): Promise<Map<string, number>> {
  const admin = kafka.admin();
  const producer = kafka.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    const metadata = await admin.fetchTopicMetadata({ topics: [...topics] });
    for (const { name, partitions } of metadata.topics) {
      const messages = partitions.map(({ partitionId: partition }) => ({ partition, key: END, value: END }));
      await producer.send({ topic: name, messages, acks: -1 });
    }
    return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  }
}

/** Until the ends of all partitions were seen. */
function consume(
  consumer: Consumer,
  ends: number,
  take: (topic: string, partition: number, message: KafkaMessage) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = new Set<string>();
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch, heartbeat }) => {
          try {
            for (const message of batch.messages) {
              if (message.key?.toString() === END) ended.add(`${batch.topic} ${batch.partition}`);
              else await take(batch.topic, batch.partition, message);
            }
          } catch (error) {
            reject(error);
          }
          if (ended.size === ends) resolve();
          await heartbeat();
        },
      })
      .catch(reject);
  });
}

/** Byte 0, schema id, Avro body. */
class Schemas {
  private readonly known = new Map<number, Promise<Type>>();
  /** By topic. */
  private readonly rows = new Map<string, readonly string[]>();

  constructor(private readonly registryUrl: string) {}

  columns(topic: string): readonly string[] {
    return this.rows.get(topic) ?? [];
  }

  async decode(topic: string, partition: number, message: KafkaMessage): Promise<TopicRecord> {
    const { id } = (await this.type(message.key!)).fromBuffer(message.key!.subarray(5));
    const value = message.value && (await this.envelope(topic, message.value));
    const offset = BigInt(message.offset);
    return { topic, partition, offset, timestampMs: Number(message.timestamp), key: String(id), value };
  }

  private async envelope(topic: string, bytes: Buffer): Promise<Envelope> {
    const type = await this.type(bytes);
    if (!this.rows.has(topic)) this.rows.set(topic, columnsOf(type));
    const { op, before, after, unchanged, source } = type.fromBuffer(bytes.subarray(5));
    return {
      op,
      before: this.row(topic, before),
      after: this.row(topic, after),
      unchanged,
      position: { epoch: source.epoch, commitLsn: source.commit_lsn, seq: source.seq },
      xid: source.txId === null ? null : Number(source.txId),
      table: source.table,
      commitTime: source.ts_us,
    };
  }

  private row(topic: string, row: Readonly<Record<string, unknown>> | null): TextRow | null {
    if (row === null) return null;
    const texts: Record<string, string | null> = {};
    for (const column of this.rows.get(topic)!) {
      const value = row[column];
      texts[column] = value === null || value === undefined ? null : String(value);
    }
    return texts;
  }

  private type(bytes: Buffer): Promise<Type> {
    if (bytes[0] !== 0) throw new Error(`not in wire format: ${bytes.subarray(0, 5).toString('hex')}`);
    const id = bytes.readInt32BE(1);
    const known = this.known.get(id) ?? this.fetch(id);
    this.known.set(id, known);
    return known;
  }

  private async fetch(id: number): Promise<Type> {
    const response = await fetch(`${this.registryUrl}/schemas/ids/${id}`);
    const { schema } = (await response.json()) as { schema: string };
    return Type.forSchema(JSON.parse(schema) as Schema, {
      wrapUnions: 'never',
      logicalTypes: { decimal: DecimalText },
      typeHook: exactLongs,
    });
  }
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

/** As PostgreSQL writes it, from the unscaled two's complement, the highest byte first. */
class DecimalText extends types.LogicalType {
  private readonly scale: number;

  constructor(schema: Schema, options?: object) {
    super(schema, options as never);
    this.scale = (schema as { scale?: number }).scale ?? 0;
  }

  override _fromValue(bytes: Buffer): string {
    const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
    const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    const part = this.scale > 0 ? `.${digits.slice(-this.scale)}` : '';
    return `${unscaled < 0n ? '-' : ''}${whole}${part}`;
  }

  override _toValue(): never {
    throw new Error('nothing is written here');
  }
}

/** The row's columns in the envelope's schema. */
function columnsOf(envelope: Type): string[] {
  const after = (envelope as types.RecordType).field('after')!.type as unknown as { types: Type[] };
  const row = after.types.find((type) => type instanceof types.RecordType) as types.RecordType;
  return row.fields.map(({ name }) => name);
}
