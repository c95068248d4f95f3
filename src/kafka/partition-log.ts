import { CdcError } from '../core/errors';
import type { TopicPartitions } from '../core/ports/topics';
import type { FetchedRecord, FetchResponse } from './fetch-response';
import { type Broker, type Cluster, READ_UNCOMMITTED } from './internals';

const EARLIEST = -2;
const LATEST = -1;
const FETCH_BYTES = 1024 * 1024;

/** Where a partition begins and ends: the offset of the first record held and the offset of the next one. */
export interface LogSpan {
  readonly topic: string;
  readonly partition: number;
  readonly start: bigint;
  readonly end: bigint;
}

/** One request per leader and end. */
export async function listSpans(cluster: Cluster, topics: readonly TopicPartitions[]): Promise<LogSpan[]> {
  const [starts, ends] = await Promise.all([
    listOffsets(cluster, topics, EARLIEST),
    listOffsets(cluster, topics, LATEST),
  ]);
  return topics.flatMap(({ name: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => {
      const key = `${topic}/${partition}`;
      const start = starts.get(key);
      const end = ends.get(key);
      if (start === undefined || end === undefined)
        throw new CdcError('kafka_unreachable', `partition ${key} has no leader`);
      return { topic, partition, start, end };
    }),
  );
}

async function listOffsets(
  cluster: Cluster,
  topics: readonly TopicPartitions[],
  timestamp: number,
): Promise<Map<string, bigint>> {
  const found = new Map<string, bigint>();
  const byLeader = new Map<number, Map<string, { partition: number; timestamp: number }[]>>();
  for (const { name } of topics)
    for (const { partitionId, leader } of cluster.findTopicPartitionMetadata(name)) {
      const ofLeader = byLeader.get(leader) ?? new Map<string, { partition: number; timestamp: number }[]>();
      byLeader.set(leader, ofLeader.set(name, [...(ofLeader.get(name) ?? []), { partition: partitionId, timestamp }]));
    }
  byLeader.delete(-1);
  await Promise.all(
    [...byLeader].map(async ([nodeId, ofLeader]) => {
      const broker = await cluster.findBroker({ nodeId });
      const { responses } = await broker.listOffsets({
        isolationLevel: READ_UNCOMMITTED,
        topics: [...ofLeader].map(([topic, partitions]) => ({ topic, partitions })),
      });
      for (const { topic, partitions } of responses)
        for (const { partition, offset } of partitions) found.set(`${topic}/${partition}`, BigInt(offset));
    }),
  );
  return found;
}

/** Reads one partition from its leader, transaction markers included. */
export class PartitionLog {
  constructor(
    private readonly cluster: Cluster,
    readonly topic: string,
    readonly partition: number,
  ) {}

  /**
   * The records from `offset` on, as many as one response holds; waits up to `maxWaitMs` for the first. `next` is where to
   * go on: past batches whose records were compacted away, too.
   */
  async read(offset: bigint, maxWaitMs: number): Promise<{ records: FetchedRecord[]; next: bigint }> {
    const { topic, partition } = this;
    const broker = await this.leader();
    const { responses } = (await broker.fetch({
      isolationLevel: READ_UNCOMMITTED,
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: FETCH_BYTES }] }],
    })) as FetchResponse;
    const messages = responses[0]?.partitions[0]?.messages ?? [];
    const last = messages.at(-1);
    // A batch comes whole, so it may begin before the offset asked for.
    const records = messages.filter((record) => record.offset >= offset);
    return { records, next: last && last.offset >= offset ? last.offset + 1n : offset };
  }

  private leader(): Promise<Broker> {
    const metadata = this.cluster.findTopicPartitionMetadata(this.topic);
    const found = metadata.find(({ partitionId }) => partitionId === this.partition);
    if (!found || found.leader < 0)
      throw new CdcError('kafka_unreachable', `partition ${this.topic}/${this.partition} has no leader`);
    return this.cluster.findBroker({ nodeId: found.leader });
  }
}
