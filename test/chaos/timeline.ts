import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';

const EVERY_MS = 40;

/** When the ends of the topics' partitions were where: tells afterwards when a record could first be read. */
export class Timeline {
  /** Of each partition, `topic partition`: its growing ends and when each was first seen. */
  private readonly ends = new Map<string, { readonly end: bigint; readonly atMs: number }[]>();
  private readonly stopping = new AbortController();
  private readonly done: Promise<void>;

  constructor(
    private readonly brokers: string,
    private readonly topics: readonly string[],
  ) {
    this.done = this.watch();
  }

  /** When the record was there, milliseconds since 1970; exact to {@link EVERY_MS}. Null = not seen. */
  arrival(topic: string, partition: number, offset: bigint): number | null {
    const ends = this.ends.get(`${topic} ${partition}`) ?? [];
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]!.end > offset) high = middle;
      else low = middle + 1;
    }
    return ends[low]?.atMs ?? null;
  }

  /** All that the partitions hold now, markers included. */
  get total(): bigint {
    let sum = 0n;
    for (const ends of this.ends.values()) sum += ends.at(-1)?.end ?? 0n;
    return sum;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.done;
  }

  /** A broker that is away is asked again on a new connection. */
  private async watch(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const admin = new Kafka({
        brokers: [this.brokers],
        connectionTimeout: 1_000,
        requestTimeout: 3_000,
        logLevel: logLevel.NOTHING,
        retry: { retries: 0 },
      }).admin();
      try {
        await admin.connect();
        while (!this.stopping.signal.aborted) {
          await this.look(admin);
          await sleep(EVERY_MS);
        }
      } catch {
        await sleep(EVERY_MS);
      } finally {
        await admin.disconnect().catch(() => {});
      }
    }
  }

  private async look(admin: Admin): Promise<void> {
    for (const topic of this.topics) {
      const partitions = await admin.fetchTopicOffsets(topic);
      const atMs = Date.now();
      for (const { partition, high } of partitions) {
        const key = `${topic} ${partition}`;
        const ends = this.ends.get(key) ?? [];
        this.ends.set(key, ends);
        const end = BigInt(high);
        if (end > (ends.at(-1)?.end ?? 0n)) ends.push({ end, atMs });
      }
    }
  }
}
