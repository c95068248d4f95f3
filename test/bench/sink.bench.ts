import type { TestPipeline } from '../support/pipeline';
import { processUsage } from '../support/process-usage';
import { Shop } from '../support/shop';
import { openSinks, type SinkWorld } from '../support/sinks';
import { withKafkaAdmin } from '../support/topics';
import { eventually } from '../support/wait';
import { insertOrders, Source } from './backlog';

/**
 * The contacts sink alone on PostgreSQL, without Kafka: two partitions at a time, batches of BATCH, ORDERS each phase. INDEX=no
 * leaves out the index on lower(email). Then both sinks as they run, each in a process of its own (SINK_NODE_OPTIONS are for it),
 * from topics that are full. On a busy machine the CPU of an order says more than the rate.
 *
 *   npm run build && npx jest --selectProjects bench --testPathPatterns bench/sink --verbose=false
 */
const ORDERS = Number(process.env.ORDERS ?? 40_000);
const BATCH = Number(process.env.BATCH ?? 1000);
const PARTITIONS = 2;

jest.setTimeout(600_000);

describe.each(['repo', 'seed'] as const)('contacts sink, profile %s', (profile) => {
  let world: SinkWorld;
  let shops: Shop[];
  beforeAll(async () => {
    const without = 'DROP INDEX index_contacts_on_lower_email_account_id';
    world = await openSinks(profile, process.env.INDEX === 'no' ? without : '');
    shops = Array.from({ length: PARTITIONS }, (_, n) => new Shop(world, world, (n + 1) * 10_000_000));
    for (const shop of shops) await shop.open();
  });
  afterAll(() => world.close());

  /** The order of a person, whose number is the order's where no other is given. */
  const order = (shop: Shop, n: number, person = n, status = 'Pagado') =>
    shop.orderEvent(n, {
      phone: `9${String(10_000_000 + ((person * 7919) % 90_000_000)).padStart(8, '0')}`,
      email: `c${person}@tienda.pe`,
      cid: BigInt(person),
      status,
    });

  /** CPU seconds of the sink's sessions. */
  const postgresCpu = async () => {
    const sessions = await world.rows<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'sink-test' AND datname = current_database()`,
    );
    return sessions.reduce((sum, { pid }) => sum + processUsage(pid).cpuSeconds, 0);
  };

  const each = ORDERS / PARTITIONS;
  test.each([
    ['new contacts', (shop: Shop, n: number) => order(shop, n)],
    ['new orders of known contacts', (shop: Shop, n: number) => order(shop, each + n, n)],
    ['changes that only the ledger keeps', (shop: Shop, n: number) => order(shop, n, n, 'Enviado')],
    ['changes that change a contact', (shop: Shop, n: number) => order(shop, n, n, 'Cancelado')],
    ['a replay', (shop: Shop, n: number) => ({ ...order(shop, n), position: { epoch: 0n, commitLsn: 1n, seq: 0n } })],
  ])('%s', async (what, event) => {
    const before = await postgresCpu();
    const cpu = process.cpuUsage();
    const start = performance.now();
    await Promise.all(
      shops.map(async (shop, partition) => {
        for (let from = 0; from < each; from += BATCH) {
          const events = Array.from({ length: BATCH }, (_, i) => event(shop, from + i));
          await world.contacts.apply({ topic: 'ventia.orders', partition, lastOffset: 0n, events });
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const rate = String(Math.round(ORDERS / seconds)).padStart(7);
    const own = ((user + system) / ORDERS).toFixed(0).padStart(4);
    const theirs = (((await postgresCpu()) - before) / ORDERS) * 1e6;
    process.stdout.write(
      `${profile} ${what.padEnd(36)} ${rate} orders/s   CPU of an order: own ${own} us, PostgreSQL ${theirs.toFixed(0).padStart(4)} us\n`,
    );
  });

  test('one order at a time', async () => {
    const times: number[] = [];
    for (let n = 0; n < 200; n++) {
      const start = performance.now();
      await shops[0]!.apply('orders', [order(shops[0]!, 9 * each + n)]);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    process.stdout.write(
      `${profile} one at a time: p50 ${times[100]!.toFixed(1)} ms, p99 ${times[197]!.toFixed(1)} ms\n`,
    );
  });
});

describe('sinks from the topics', () => {
  const TENANTS = ORDERS / 2;
  let source: Source;
  let pipeline: TestPipeline;
  beforeAll(async () => {
    source = await Source.create();
    pipeline = source.pipeline;
    await source.query(
      `INSERT INTO ventia.tenants (name, slug) SELECT 'Shop ' || i, 'shop-' || i FROM generate_series(1, ${TENANTS}) i`,
      insertOrders(1, ORDERS, ORDERS),
    );
    await pipeline.setup();
    await capture();
  });
  afterAll(() => source.drop());

  const capture = async () => {
    const service = pipeline.start(pipeline.connectors.source);
    await pipeline.captured(300_000);
    await service.stop();
  };
  const sessionsOf = async (connector: string) => {
    const { rows } = await source.use((client) =>
      client.query('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [`ventia-cdc ${connector}`]),
    );
    return rows.reduce((sum, { pid }) => sum + processUsage(pid).cpuSeconds, 0) as number;
  };

  /** From the first batch that is applied to the last: what starting costs is left out. */
  async function drain(what: string, unit: string, connector: string, changes: number) {
    const options = process.env.SINK_NODE_OPTIONS;
    const service = await pipeline.startWith(options ? { NODE_OPTIONS: options } : {}, connector).ready();
    const look = async () => ({
      done:
        (await service.metric('ventia_cdc_events_applied_total')) +
        (await service.metric('ventia_cdc_events_stale_total')),
      ms: performance.now(),
      own: processUsage(service.pid).cpuSeconds,
      postgres: await sessionsOf(connector),
    });
    const until = (count: number) =>
      eventually(
        async () => {
          const seen = await look();
          return seen.done >= count && seen;
        },
        { timeoutMs: 300_000, intervalMs: 100 },
      );
    const from = await until(1);
    const to = await until(changes);
    const { peakMb } = processUsage(service.pid);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const { rssMb } = processUsage(service.pid);
    await service.stop();
    const count = to.done - from.done;
    const rate = Math.round((count * 1000) / (to.ms - from.ms));
    const us = (seconds: number) => ((seconds / count) * 1e6).toFixed(0).padStart(4);
    process.stdout.write(
      `seed ${`${what} from the topic`.padEnd(36)} ${String(rate).padStart(7)} ${unit}/s   CPU of each: own ${us(to.own - from.own)} us, PostgreSQL ${us(to.postgres - from.postgres)} us   peak ${peakMb.toFixed(0)} MB, then ${rssMb.toFixed(0)} MB\n`,
    );
  }

  test('accounts', () => drain('accounts', 'tenants', pipeline.connectors.accounts, TENANTS + 100));
  test('new', () => drain('new contacts', 'orders', pipeline.connectors.contacts, ORDERS));
  test('known', async () => {
    await source.query(insertOrders(ORDERS + 1, 2 * ORDERS, ORDERS));
    await capture();
    await drain('new orders of known contacts', 'orders', pipeline.connectors.contacts, ORDERS);
  });
  test('replay', async () => {
    const topic = pipeline.topics.orders;
    await withKafkaAdmin((admin) => admin.resetOffsets({ groupId: pipeline.groups.contacts, topic, earliest: true }));
    await drain('a replay', 'events', pipeline.connectors.contacts, 2 * ORDERS);
  });
});
