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
  /** The same for the records behind the first third: by then hot code is compiled. */
  readonly warm: { readonly records: number; readonly cpu: ReadonlyMap<string, number> } | null;
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
    let third: { readonly grown: number; readonly cpu: ReadonlyMap<string, number> } | null = null;
    for (;;) {
      const grown = await growth.records();
      const now = performance.now();
      if (grown > before) first ??= now;
      meter.sample();
      if (grown >= records / 3) third ??= { grown, cpu: meter.spent };
      if (grown >= records) {
        const cpu = meter.spent;
        const since = new Map([...cpu].map(([name, spent]) => [name, spent - (third!.cpu.get(name) ?? 0)]));
        const warm = { records: grown - third!.grown, cpu: since };
        return { seconds: (now - began) / 1000, appending: (now - (first ?? now)) / 1000, cpu, warm };
      }
      if (now - began > withinMs) throw new Error(`${topic}: ${grown} of ${records} records after ${withinMs} ms`);
      await sleep(POLL_MS);
    }
  } finally {
    await growth.close();
  }
}
