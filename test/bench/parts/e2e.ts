import { processUsage } from '../../support/process-usage';
import type { RunningService } from '../../support/service';
import { eventually } from '../../support/wait';
import { insertOrders, Source } from '../backlog';
import { inTurns, type PartContext } from '../part';
import { percentile } from '../results';
import { writeSteadily } from '../writers';

const ROWS = 500_000;
const PEOPLE = 100_000;
const ROUNDS = 3;
const WITHIN_MS = 5 * 60_000;
const PER_SECOND = 500;
const WARM_SECONDS = 5;
const SECONDS = 15;

export const WHOLE_PATH = 'whole path, orders to contacts';
export const VISIBLE = 'commit to contact at 500 transactions/s';
export const WHO = 'capture and sinks, one process';

/** Everything in one process, default settings: a drain of orders of new people, then a steady rate of orders of other people. */
export async function e2e(context: PartContext): Promise<void> {
  const { options, results } = context;
  const rows = options.rows ?? ROWS;
  await inTurns(context, options.runs ?? ROUNDS, [
    {
      name: WHOLE_PATH,
      round: async () => {
        const source = await Source.create();
        const { pipeline } = source;
        try {
          await pipeline.setup();
          const service = await pipeline.start().ready();
          await eventually(() => contactsServed(service), { timeoutMs: 60_000 });
          const { rate, cpu } = await drainAll(source, service, rows);
          results.add(WHOLE_PATH, WHO, 'rows/s', rate);
          results.add(WHOLE_PATH, WHO, 'CPU s/M', cpu);
          results.add(WHOLE_PATH, WHO, 'peak MB', processUsage(service.pid).peakMb);
          const delays = await visible(source, service, rows);
          for (const p of [50, 95, 99]) results.add(VISIBLE, WHO, `ms p${p}`, percentile(delays, p));
          return `${Math.round(rate)} rows/s, p50 ${percentile(delays, 50).toFixed(1)} ms`;
        } finally {
          await source.drop();
        }
      },
    },
  ]);
}

const applied = (service: RunningService) => service.metric('ventia_cdc_events_applied_total');
/** The tenants are there: from here on an order finds its account. */
const contactsServed = async (service: RunningService) => (await applied(service)) >= 100;

/** From the commit of one transaction until the sinks have applied the last of its orders. */
async function drainAll(source: Source, service: RunningService, rows: number) {
  const before = await applied(service);
  const cpuBefore = processUsage(service.pid).cpuSeconds;
  await source.query(insertOrders(1, rows, PEOPLE));
  const began = performance.now();
  await eventually(async () => (await applied(service)) >= before + rows, { timeoutMs: WITHIN_MS, intervalMs: 50 });
  const seconds = (performance.now() - began) / 1000;
  const cpu = ((processUsage(service.pid).cpuSeconds - cpuBefore) / rows) * 1e6;
  return { rate: rows / seconds, cpu };
}

/** Milliseconds from an order's commit to that of the contact that comes of it, ascending; both times are PostgreSQL's. */
async function visible(source: Source, service: RunningService, rows: number): Promise<number[]> {
  const from = 10 * rows;
  const before = await applied(service);
  await writeSteadily(source, PER_SECOND, WARM_SECONDS + SECONDS, from);
  const written = PER_SECOND * (WARM_SECONDS + SECONDS);
  await eventually(async () => (await applied(service)) >= before + written, { timeoutMs: 60_000 });
  const { rows: found } = await source.use((client) =>
    client.query(
      `SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(c.xmin) - o.committed)::float8 AS delay
       FROM (SELECT *, committed - min(committed) OVER () AS since
             FROM (SELECT customer_email, pg_xact_commit_timestamp(xmin) AS committed FROM ventia.orders
                   WHERE substr(order_number, 2)::bigint >= $1) AS written) AS o
       LEFT JOIN messaging.contacts c ON c.email = o.customer_email
       WHERE o.since >= $2 * interval '1 second'`,
      [from, WARM_SECONDS],
    ),
  );
  if (found.some(({ delay }) => delay === null)) throw new Error('an order has no contact');
  return found.map(({ delay }) => delay as number).sort((a, b) => a - b);
}
