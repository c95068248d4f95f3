import { formatLsn, type Lsn } from './lsn';

/**
 * How far behind the source a reader of the topics is, also when nothing is written. Capture says again and again up to
 * which moment everything that was committed is in Kafka, and where the partitions ended then. Who has read up to those ends
 * has everything up to that moment.
 */
export interface HeartbeatState {
  /** Everything committed before it is in the topics: ISO 8601, by capture's clock. */
  readonly until: string;
  /** What is published lies before it in the WAL. */
  readonly lsn: string;
  /** Next offset by partition (`topic/partition`). */
  readonly ends: Readonly<Record<string, string>>;
}

export interface Heartbeat {
  /** Milliseconds since 1970. */
  readonly untilMs: number;
  readonly ends: ReadonlyMap<string, bigint>;
}

const SUFFIX = '/heartbeat';

/** Its key in the state topic. */
export const heartbeatKey = (connector: string): string => `${connector}${SUFFIX}`;

export function heartbeatOf(
  untilMs: number,
  lsn: Lsn,
  ends: ReadonlyMap<string, bigint>,
  topics: readonly string[],
): HeartbeatState {
  const ours = [...ends].filter(([partition]) => topics.includes(topicOf(partition)));
  return {
    until: new Date(untilMs).toISOString(),
    lsn: formatLsn(lsn),
    ends: Object.fromEntries(ours.map(([partition, end]) => [partition, String(end)])),
  };
}

/** Null: a record of something else, or not of this form. */
export function readHeartbeat(key: string, value: string | null): Heartbeat | null {
  if (!key.endsWith(SUFFIX) || value === null) return null;
  try {
    const { until, ends } = JSON.parse(value) as HeartbeatState;
    const untilMs = Date.parse(until);
    if (Number.isNaN(untilMs)) return null;
    return { untilMs, ends: new Map(Object.entries(ends).map(([partition, end]) => [partition, BigInt(end)])) };
  } catch {
    return null;
  }
}

const topicOf = (partition: string) => partition.slice(0, partition.lastIndexOf('/'));

/** How far one partition is applied. */
export interface AppliedPartition {
  readonly topic: string;
  readonly partition: number;
  /** All records before it are applied. */
  readonly offset: bigint;
  /** Commit time of the last one, microseconds since 1970; 0 = none is known. */
  readonly commitTime: bigint;
}

/** Heartbeats are kept until all partitions have passed them; what waits for long is thinned out, oldest and newest kept. */
const MOST = 256;

/** Up to which moment everything committed at the source is applied, in the partitions that are held. */
export class AppliedFreshness {
  private heartbeats: Heartbeat[] = [];
  /** By partition. What is applied stays applied, so a moment never goes back, whatever is read again. */
  private readonly moments = new Map<string, number>();

  constructor(private readonly topics: readonly string[]) {}

  hear(heartbeat: Heartbeat): void {
    if (![...heartbeat.ends.keys()].some((partition) => this.topics.includes(topicOf(partition)))) return;
    if (this.heartbeats.length >= MOST)
      this.heartbeats = this.heartbeats.filter((_, i) => i % 2 === 0 || i === MOST - 1);
    this.heartbeats.push(heartbeat);
  }

  /** Where the partition ended when capture last said so. */
  endOf(topic: string, partition: number): bigint {
    return this.heartbeats.at(-1)?.ends.get(`${topic}/${partition}`) ?? 0n;
  }

  /** Milliseconds since 1970; null = nothing is held, or no heartbeat was heard. */
  until(held: readonly AppliedPartition[]): number | null {
    const [oldest] = this.heartbeats;
    if (!oldest || held.length === 0) return null;
    const until = Math.min(...held.map((partition) => this.momentOf(partition, oldest)));
    const first = this.heartbeats.findIndex(({ untilMs }) => untilMs >= until);
    if (first > 0) this.heartbeats.splice(0, first);
    return until;
  }

  private momentOf({ topic, partition, offset, commitTime }: AppliedPartition, oldest: Heartbeat): number {
    const key = `${topic}/${partition}`;
    const passed = this.heartbeats.findLast(({ ends }) => (ends.get(key) ?? 0n) <= offset);
    // Records of a partition are in the order of their commits, so the last one tells too, where there is a way to go.
    const known = Math.max(passed?.untilMs ?? 0, Number(commitTime / 1000n), this.moments.get(key) ?? 0);
    // Before anything is known: at least what the oldest heartbeat asks for is missing.
    const moment = known > 0 ? known : oldest.untilMs;
    this.moments.set(key, moment);
    return moment;
  }
}
