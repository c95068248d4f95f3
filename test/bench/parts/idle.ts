import { setTimeout as sleep } from 'node:timers/promises';
import { processUsage } from '../../support/process-usage';
import type { RunningService } from '../../support/service';
import { Source } from '../backlog';
import { CAPTURE } from '../contenders';
import { avroRecords, CONNECT, DEBEZIUM_AVRO, FOR_RATE, newTask, removeTask, taskConfig } from '../debezium';
import type { PartContext } from '../part';

const SETTLE_MS = 10_000;
const SECONDS = 30;
export const IDLE = 'idle';
export const SERVICE = 'whole service, one process';
export const SINKS = 'sinks';

/** Nothing happens in the source: what everybody takes meanwhile, all measured at once. */
export async function idle({ options, results, connect: startedConnect, say }: PartContext): Promise<void> {
  const source = await Source.create();
  const connect = startedConnect && (await startedConnect());
  const task = connect && (await newTask());
  try {
    const whole = await source.capturedBy({ 'snapshot.mode': 'never' });
    const apart = await source.capturedBy({ 'snapshot.mode': 'never' });
    try {
      await whole.setup();
      await apart.setup();
      const { source: capture, accounts, contacts } = apart.connectors;
      const services: Record<string, RunningService> = {
        [SERVICE]: whole.start(),
        [CAPTURE]: apart.start(capture),
        [SINKS]: apart.start(accounts, contacts),
      };
      for (const service of Object.values(services)) await service.ready();
      if (connect && task)
        await connect.start(
          task.name,
          taskConfig(task, source, FOR_RATE, avroRecords(), { 'snapshot.mode': 'no_data' }),
        );
      const pids = Object.entries(services).map(([name, { pid }]) => [name, pid] as const);
      const processes = [...pids, ...(connect ? [[`${DEBEZIUM_AVRO}: ${CONNECT}`, connect.pid] as const] : [])];
      await sleep(SETTLE_MS);
      for (let round = 0; round < (options.runs ?? 2); round++) {
        const before = processes.map(([, pid]) => processUsage(pid).cpuSeconds);
        await sleep(SECONDS * 1000);
        processes.forEach(([name, pid], i) => {
          const { cpuSeconds, rssMb } = processUsage(pid);
          const share = ((cpuSeconds - before[i]!) / SECONDS) * 100;
          results.add(IDLE, name, '% of a core', share);
          results.add(IDLE, name, 'MB', rssMb);
          say(`${IDLE}, ${name}: ${share.toFixed(2)} % of a core, ${rssMb.toFixed(0)} MB`);
        });
      }
    } finally {
      await whole.drop();
      await apart.drop();
      for (const { name } of [whole, apart]) await source.dropSlot(name);
    }
  } finally {
    if (connect && task) {
      await removeTask(connect, task);
      await source.dropSlot(task.slot);
    }
    await source.drop();
  }
}
