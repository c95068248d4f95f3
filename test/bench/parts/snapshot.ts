import { setTimeout as sleep } from 'node:timers/promises';
import { processUsage } from '../../support/process-usage';
import { insertOrders, Source } from '../backlog';
import type { Connect } from '../connect';
import { BROKER, CAPTURE } from '../contenders';
import { CpuMeter } from '../cpu-meter';
import { avroRecords, CONNECT, DEBEZIUM_AVRO, FOR_RATE, newTask, removeTask, taskConfig } from '../debezium';
import { type DrainOf, inTurns, type PartContext, recordDrain } from '../part';
import { TopicGrowth } from '../topic-growth';

const ROWS = 500_000;
const ROUNDS = 5;
const WITHIN_MS = 5 * 60_000;
const POLL_MS = 10;
export const SNAPSHOT = 'snapshot';

/** The first load of a table that was full before the slot was made. Time counts from the first record to the last. */
export async function snapshot(context: PartContext): Promise<void> {
  const { options, results, brokerPid } = context;
  const rows = options.rows ?? ROWS;
  const connect = context.connect && (await context.connect());
  const source = await Source.create();
  try {
    context.say(`${SNAPSHOT}: filling the table`);
    await source.query(insertOrders(1, rows), 'VACUUM ANALYZE ventia.orders', 'CHECKPOINT');
    const contender = (who: string, what: string, load: () => Promise<DrainOf>) => ({
      name: `${what}, ${who}`,
      round: async () => recordDrain(results, what, who, await load()),
    });
    const debezium = (what: string, running: Connect) =>
      contender(DEBEZIUM_AVRO, what, () => loadedByDebezium(running, source, rows, brokerPid));
    if (connect) await inTurns(context, 1, [debezium(`${SNAPSHOT}, cold`, connect)]);
    await inTurns(context, options.runs ?? ROUNDS, [
      contender(CAPTURE, SNAPSHOT, () => loaded(source, rows, brokerPid)),
      ...(connect ? [debezium(SNAPSHOT, connect)] : []),
    ]);
  } finally {
    await source.drop();
  }
}

async function loaded(source: Source, rows: number, brokerPid: number): Promise<DrainOf> {
  const pipeline = await source.capturedBy();
  try {
    await pipeline.setup();
    const service = pipeline.start(pipeline.connectors.source);
    const partitions = 6;
    // The fence leaves a marker in each partition, before the first row.
    const watched = await fill(pipeline.topics.orders, partitions, rows, {
      [CAPTURE]: service.pid,
      [BROKER]: brokerPid,
    });
    const { peakMb } = processUsage(service.pid);
    await service.stop();
    return { ...watched, peakMb };
  } finally {
    await pipeline.drop();
    await source.dropSlot(pipeline.name);
  }
}

async function loadedByDebezium(connect: Connect, source: Source, rows: number, brokerPid: number): Promise<DrainOf> {
  const task = await newTask();
  try {
    const config = taskConfig(task, source, FOR_RATE, avroRecords(), { 'snapshot.mode': 'initial' });
    const [watched] = await Promise.all([
      fill(task.topic, 0, rows, { [CONNECT]: connect.pid, [BROKER]: brokerPid }),
      connect.start(task.name, config),
    ]);
    return { ...watched, peakMb: processUsage(connect.pid).peakMb };
  } finally {
    await removeTask(connect, task);
    await source.dropSlot(task.slot);
  }
}

/** From the first of `rows` records behind the first `before` until all are there. */
async function fill(topic: string, before: number, rows: number, processes: Readonly<Record<string, number>>) {
  const growth = await TopicGrowth.open(topic);
  const meter = new CpuMeter();
  try {
    const asked = performance.now();
    let began: number | null = null;
    for (;;) {
      const records = await growth.records();
      const now = performance.now();
      if (began === null) {
        // CPU counts from the last look at which there was nothing.
        for (const [name, pid] of Object.entries(processes)) meter.watch(name, pid);
        if (records > before) began = now;
      } else meter.sample();
      if (began !== null && records >= before + rows)
        return { rows, seconds: (now - began) / 1000, appending: null, cpu: meter.spent, warm: null };
      if (now - asked > WITHIN_MS) throw new Error(`${topic}: ${records} records after ${WITHIN_MS} ms`);
      await sleep(POLL_MS);
    }
  } finally {
    await growth.close();
  }
}
