import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { processUsage } from '../support/process-usage';
import { uniqueName } from '../support/stack';
import type { Backlog } from './backlog';
import { CpuMeter } from './cpu-meter';
import { type Drained, drainIntoTopic, streaming } from './drained';

export const CAPTURE = 'capture';
export const RECVLOGICAL = 'pg_recvlogical';
export const BROKER = 'broker';

/** Somebody who drains a backlog, each time from its beginning. */
export interface Contender {
  readonly name: string;
  drain(backlog: Backlog): Promise<Drained & { readonly peakMb: number | null }>;
}

const WITHIN_MS = 5 * 60_000;
const PARTITIONS = 6;

/** The built program, a new process with new topics each time. */
export function captureContender(options: {
  readonly brokerPid?: number | undefined;
  readonly partitions?: number;
  readonly profile?: string | null;
}): Contender {
  const { brokerPid, partitions = PARTITIONS, profile } = options;
  return {
    name: CAPTURE,
    async drain(backlog) {
      const pipeline = await backlog.source.capturedBy({ 'snapshot.mode': 'never', partitions });
      try {
        await backlog.copySlot(pipeline.name);
        await pipeline.setup();
        const env = profile ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` } : {};
        const service = pipeline.startWith(env, pipeline.connectors.source);
        const processes = { [CAPTURE]: service.pid, ...(brokerPid && { [BROKER]: brokerPid }) };
        // The fence leaves a marker in each partition.
        const records = backlog.rows + partitions;
        const drained = await backlog.source.use((client) =>
          drainIntoTopic(client, pipeline.name, pipeline.topics.orders, records, processes, WITHIN_MS),
        );
        const { peakMb } = processUsage(service.pid);
        await service.stop();
        return { ...drained, peakMb };
      } finally {
        await pipeline.drop();
        await backlog.source.dropSlot(pipeline.name);
      }
    },
  };
}

/** PostgreSQL's own reader, into /dev/null. */
export function recvlogicalContender(): Contender {
  return {
    name: RECVLOGICAL,
    async drain(backlog) {
      const slot = uniqueName('bench_recv');
      await backlog.copySlot(slot);
      try {
        return { ...(await receive(backlog, slot)), peakMb: null };
      } finally {
        await backlog.source.dropSlot(slot);
      }
    },
  };
}

function receive(backlog: Backlog, slot: string): Promise<Drained> {
  const args = ['-d', backlog.source.url, '-S', slot, '--start', '--no-loop', '-f', '/dev/null', '-E', backlog.endLsn];
  const options = ['-o', 'proto_version=1', '-o', 'publication_names=bench'];
  return backlog.source.use(async (client) => {
    const child = spawn('pg_recvlogical', [...args, ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    const closed = once(child, 'close');
    let ended: number | null = null;
    void closed.then(() => {
      ended = performance.now();
    });
    const meter = new CpuMeter();
    const began = await streaming(client, slot, meter);
    meter.watch(RECVLOGICAL, child.pid!, true);
    while (ended === null) {
      meter.sample();
      await sleep(5);
    }
    if (child.exitCode !== 0) throw new Error(`pg_recvlogical ended with ${child.exitCode ?? child.signalCode}`);
    return { seconds: (ended - began) / 1000, appending: null, cpu: meter.spent, warm: null };
  });
}
