import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { eventually } from '../support/wait';
import { CpuMeter } from './cpu-meter';
import { TopicGrowth } from './topic-growth';

/** One drain of one contender. */
export interface Drained {
  /** From the moment on which the slot streams until all is there: PostgreSQL's own decoding is in it. */
  readonly seconds: number;
  /** From the first record in Kafka to the last; null = it writes to no Kafka. */
  readonly appending: number | null;
  /** CPU seconds by process, from the same moment on. */
  readonly cpu: ReadonlyMap<string, number>;
}

export const WAL_SENDER = 'WAL sender';
const POLL_MS = 10;
const STARTS_WITHIN_MS = 60_000;

/** Waits until the slot is read, and watches the WAL sender from there on. */
export async function streaming(client: Client, slot: string, meter: CpuMeter): Promise<number> {
  const pid = await eventually(
    async () => {
      const { rows } = await client.query('SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1', [slot]);
      return rows[0]?.active_pid as number | null;
    },
    { timeoutMs: STARTS_WITHIN_MS, intervalMs: 5 },
  );
  meter.watch(WAL_SENDER, pid, true);
  return performance.now();
}

/** The drain of `slot` into `topic` until it has `records` (transaction markers counted). `processes`: by name, whose CPU counts. */
export async function drainIntoTopic(
  client: Client,
  slot: string,
  topic: string,
  records: number,
  processes: Readonly<Record<string, number>>,
  withinMs: number,
): Promise<Drained> {
  const growth = await TopicGrowth.open(topic);
  try {
    const meter = new CpuMeter();
    const began = await streaming(client, slot, meter);
    for (const [name, pid] of Object.entries(processes)) meter.watch(name, pid);
    const before = await growth.records();
    let first: number | null = null;
    for (;;) {
      const grown = await growth.records();
      const now = performance.now();
      if (grown > before) first ??= now;
      meter.sample();
      if (grown >= records)
        return { seconds: (now - began) / 1000, appending: (now - (first ?? now)) / 1000, cpu: meter.spent };
      if (now - began > withinMs) throw new Error(`${topic}: ${grown} of ${records} records after ${withinMs} ms`);
      await sleep(POLL_MS);
    }
  } finally {
    await growth.close();
  }
}
