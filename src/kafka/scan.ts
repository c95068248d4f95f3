import { CdcError } from '../core/errors';
import type { TopicPartitions } from '../core/ports/topics';
import type { FetchedRecord, FetchResponse } from './fetch-response';
import { groupBy } from './group-by';
import { type Cluster, READ_UNCOMMITTED } from './internals';
import { patiently } from './patience';

const EARLIEST = -2;
const LATEST = -1;
/** One fetch waits this long for something to read. */
const FETCH_WAIT_MS = 500;
/** A leader that has just become one is waited for this long. */
const LEADER_PATIENCE_MS = 5000;
const MAX_INT32 = 0x7fffffff;

/** Where a partition begins and ends: the offset of the first record held and the offset of the next one. */
export interface LogSpan {
  readonly topic: string;
  readonly partition: number;
  readonly start: bigint;
  readonly end: bigint;
}

/** One request per leader and end. */
export async function listSpans(cluster: Cluster, topics: readonly TopicPartitions[]): Promise<LogSpan[]> {
  const partitions = partitionsOf(topics);
  const [starts, ends] = await Promise.all([
    listOffsets(cluster, partitions, EARLIEST),
    listOffsets(cluster, partitions, LATEST),
  ]);
  return partitions.map(({ topic, partition }) => {
    const key = partitionKey(topic, partition);
    return { topic, partition, start: starts.get(key)!, end: ends.get(key)! };
  });
}

/** The next offset of every partition, by {@link partitionKey}. */
export function endsOf(cluster: Cluster, topics: readonly TopicPartitions[]): Promise<Map<string, bigint>> {
  return listOffsets(cluster, partitionsOf(topics), LATEST);
}

function partitionsOf(topics: readonly TopicPartitions[]): TopicPartition[] {
  return topics.flatMap(({ name: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
}

export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** By {@link partitionKey}; of a time in milliseconds the first offset that is not older, -1 = none. */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<Map<string, bigint>> {
  const found = new Map<string, bigint>();
  const ask = async ([nodeId, ofLeader]: [number, TopicPartition[]]) => {
    const broker = await cluster.findBroker({ nodeId });
    const topics = [...groupBy(ofLeader, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition }) => ({ partition, timestamp })),
    }));
    const { responses } = await broker.listOffsets({ isolationLevel: READ_UNCOMMITTED, topics });
    for (const { topic, partitions } of responses)
      for (const { partition, offset } of partitions) found.set(partitionKey(topic, partition), BigInt(offset));
  };
  await patiently(
    LEADER_PATIENCE_MS,
    () => Promise.all([...groupBy(partitions, (partition) => leaderOf(cluster, partition))].map(ask)),
    () => cluster.refreshMetadata(),
  );
  return found;
}

/** What a fetch brought of one partition, and where to go on: past batches whose records were compacted away, too. */
export interface Fetched {
  readonly records: readonly FetchedRecord[];
  readonly next: bigint;
}

/** Yields the offset it wants to read from, is given what was found there, and returns its result in the end. */
export type Scan<T> = Generator<bigint, T, Fetched>;

export interface PartitionScan {
  readonly topic: string;
  readonly partition: number;
  /** Bytes that surely hold a whole record batch of the topic. */
  readonly maxBytes: number;
  readonly scan: Scan<void>;
}

interface Running extends PartitionScan {
  readonly at: bigint;
}

/**
 * Runs all scans to their end, in rounds: one fetch per leader for all its partitions, because a broker answers the requests
 * of a connection one after the other. Rejects with kafka_unreachable when they want to go on after `timeoutMs`.
 */
export async function runScans(cluster: Cluster, scans: readonly PartitionScan[], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let running: Running[] = scans.flatMap((scan) => resume(scan, scan.scan.next()));
  while (running.length > 0) {
    if (performance.now() > deadline) {
      const names = running.map(({ topic, partition }) => partitionKey(topic, partition)).join(', ');
      throw new CdcError('kafka_unreachable', `after ${timeoutMs} ms still no marker of the fence in ${names}`);
    }
    const waiting = running;
    const round = () => {
      const byLeader = groupBy(waiting, (scan) => leaderOf(cluster, scan));
      return Promise.all([...byLeader].map(([nodeId, ofLeader]) => fetchFrom(cluster, nodeId, ofLeader)));
    };
    const fetched = await patiently(LEADER_PATIENCE_MS, round, () => cluster.refreshMetadata());
    running = fetched.flat().flatMap(({ scan, found }) => resume(scan, scan.scan.next(found)));
  }
}

async function fetchFrom(
  cluster: Cluster,
  nodeId: number,
  scans: readonly Running[],
): Promise<{ scan: Running; found: Fetched }[]> {
  const broker = await cluster.findBroker({ nodeId });
  const topics = groupBy(scans, ({ topic }) => topic);
  const { responses } = (await broker.fetch({
    isolationLevel: READ_UNCOMMITTED,
    maxWaitTime: FETCH_WAIT_MS,
    minBytes: 1,
    maxBytes: Math.min(
      MAX_INT32,
      scans.reduce((sum, { maxBytes }) => sum + maxBytes, 0),
    ),
    topics: [...topics].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, at, maxBytes }) => ({ partition, fetchOffset: String(at), maxBytes })),
    })),
  })) as FetchResponse;
  return scans.map((scan) => {
    const ofTopic = responses
      .filter(({ topicName }) => topicName === scan.topic)
      .flatMap(({ partitions }) => partitions);
    const messages = ofTopic.find(({ partition }) => partition === scan.partition)?.messages ?? [];
    // A batch comes whole, so it may begin before the offset asked for.
    const records = messages.filter((record) => record.offset >= scan.at);
    return { scan, found: { records, next: (records.at(-1)?.offset ?? scan.at - 1n) + 1n } };
  });
}

function resume(scan: PartitionScan, { done, value }: IteratorResult<bigint, void>): Running[] {
  return done ? [] : [{ ...scan, at: value }];
}

function leaderOf(cluster: Cluster, { topic, partition }: TopicPartition): number {
  const metadata = cluster.findTopicPartitionMetadata(topic);
  const leader = metadata.find(({ partitionId }) => partitionId === partition)?.leader ?? -1;
  if (leader < 0) throw new CdcError('kafka_unreachable', `partition ${topic}/${partition} has no leader`);
  return leader;
}
