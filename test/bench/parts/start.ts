import { eventually } from '../../support/wait';
import { insertOrders, Source } from '../backlog';
import { CAPTURE } from '../contenders';
import { inTurns, type PartContext } from '../part';
import { TopicGrowth } from '../topic-growth';

const RECORDS = 200_000;
const TIMES = 15;
export const START = 'start to the first record';

/** Kills capture and starts it again while a change waits: from `exec` until its record is in the topic. */
export async function start(context: PartContext): Promise<void> {
  const { options, results } = context;
  const source = await Source.create();
  try {
    const pipeline = await source.capturedBy({ 'snapshot.mode': 'never' });
    try {
      await pipeline.setup();
      await source.query(insertOrders(1, options.rows ?? RECORDS));
      const orders = await TopicGrowth.open(pipeline.topics.orders);
      const partitions = 6;
      const first = pipeline.start(pipeline.connectors.source);
      const held = partitions + (options.rows ?? RECORDS);
      await eventually(async () => (await orders.records()) >= held, { timeoutMs: 120_000 });
      await first.stop('SIGKILL');
      let n = held;
      await inTurns(context, options.runs ?? TIMES, [
        {
          name: START,
          round: async () => {
            await source.query(insertOrders(++n, n));
            const before = await orders.records();
            const began = performance.now();
            const service = pipeline.start(pipeline.connectors.source);
            // A fence puts a marker into each partition; the record comes on top.
            const arrived = async () => (await orders.records()) > before + partitions;
            await eventually(arrived, { timeoutMs: 30_000, intervalMs: 2 });
            const ms = performance.now() - began;
            results.add(START, CAPTURE, 'ms', ms);
            await service.stop('SIGKILL');
            return `${Math.round(ms)} ms`;
          },
        },
      ]);
      await orders.close();
    } finally {
      await pipeline.drop();
      await source.dropSlot(pipeline.name);
    }
  } finally {
    await source.drop();
  }
}
