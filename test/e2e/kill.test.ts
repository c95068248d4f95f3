import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/dev/shop/random';
import { startKafkaProxy } from '../support/kafka-proxy';
import { expectNewestIsTable, expectOnceAndInOrder } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';
import { Workload } from '../support/workload';

jest.setTimeout(120_000);

const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
/** Who answered nothing in the last moments before each kill. */
const SILENT: readonly ('messaging' | 'kafka' | null)[] = ['messaging', 'kafka', null, 'kafka', null];

/** Without what chance or the clock chose: ids and times of writing. */
const MESSAGING = {
  accounts: `SELECT a.ventia_tenant_id, a.name, a.status, a.created_at, array_agg(l.title ORDER BY l.title) AS labels
    FROM messaging.accounts a JOIN messaging.labels l ON l.account_id = a.id GROUP BY a.id ORDER BY 1`,
  contacts: `SELECT a.ventia_tenant_id, c.email, c.phone_number, c.name, c.contact_type, c.custom_attributes, c.created_at
    FROM messaging.contacts c JOIN messaging.accounts a ON a.id = c.account_id ORDER BY 1, 2, 3, 4`,
  'facts of orders': `SELECT f.order_id, f.tenant_id, f.phone, f.email, f.name, f.customer_id, f.status, f.deleted, f.parked,
           c.email AS contact_email, c.phone_number AS contact_phone
    FROM cdc.order_fact f LEFT JOIN messaging.contacts c ON c.id::text = f.contact_id ORDER BY 1`,
  conflicts: 'SELECT order_id, field, reason FROM cdc.conflict ORDER BY 1, 2, 3',
} as const;

/**
 * Two pipelines read one source. The process of the first is killed again and again while clients write, some of the times
 * with a silent Kafka or Messaging, and what it had sent there arrives when its successor is at work. The second is left alone
 * and shows what should have come out.
 */
describe(`kill -9 at random moments (KILL_SEED=${SEED})`, () => {
  let killed: TestPipeline;
  let undisturbed: TestPipeline;
  const links: TcpProxy[] = [];
  let transactions = 0;

  beforeAll(async () => {
    process.stdout.write(`kill -9 at random moments: KILL_SEED=${SEED}\n`);
    killed = await TestPipeline.create('seed', { source: { 'snapshot.chunk.rows': 100 } });
    undisturbed = await TestPipeline.beside(killed);
    await Promise.all([killed.setup(), undisturbed.setup()]);

    const random = new Random(SEED);
    const { tenants, orders } = await killed.source((client) => fill(client));
    await undisturbed.start().ready();
    await undisturbed.caughtUp();

    // The first load is interrupted too.
    let life = await newLife();
    await sleep(random.integer(600, 1_200));
    await life.kill(null);
    life = await newLife();
    await life.service.ready();
    await killed.caughtUp();

    const workload = new Workload({
      url: killed.databases.sourceUrl,
      schema: 'ventia',
      seed: SEED,
      clients: 4,
      tenants,
      movable: orders,
    });
    for (const silent of SILENT) {
      await sleep(random.integer(200, 2_500));
      await life.kill(silent, random.integer(600, 1_500));
      const former = life;
      life = await newLife();
      await sleep(random.integer(0, 1_500));
      await former.letGo();
    }
    await workload.stop();
    transactions = workload.transactions;
    await Promise.all([killed.caughtUp(60_000), undisturbed.caughtUp(60_000)]);
  });
  afterAll(async () => {
    await killed?.drop();
    await undisturbed?.drop();
    await Promise.all(links.map((link) => link.close()));
  });

  const newLife = async () => {
    const kafka = await startKafkaProxy(stack().kafkaBrokers);
    const messaging = await startTcpProxy(killed.databases.messagingUrl);
    links.push(kafka, messaging);
    return new Life(killed, { kafka, messaging });
  };

  it('was worth it', () => {
    expect(transactions).toBeGreaterThan(100);
  });

  it.each(['tenants', 'orders'] as const)(
    'every change of %s is in its topic once, in order (Invariants 4 to 6)',
    (table) => expectOnceAndInOrder(killed, undisturbed, table),
  );

  it.each(['tenants', 'orders'] as const)('the newest record of each key in the topic of %s is the row', (table) =>
    expectNewestIsTable(killed, table),
  );

  it.each(Object.entries(MESSAGING))(
    'Messaging is as the undisturbed pipeline left it: %s (Invariant 6)',
    async (_, query) => {
      const [rows, expected] = await Promise.all(
        [killed, undisturbed].map((pipeline) => pipeline.messaging(async (client) => (await client.query(query)).rows)),
      );
      expect(rows!.length).toBeGreaterThan(0);
      expect(rows).toEqual(expected);
    },
  );
});

/** Rows from before the start. Each of these orders is one person's, so it may move from tenant to tenant without touching others. */
function fill(client: Parameters<typeof VentiaRows.open>[0]) {
  return VentiaRows.open(client, 'ventia').then(async (rows) => {
    const tenants: string[] = [];
    for (let i = 0; i < 8; i++) tenants.push(await rows.tenant(`tienda-${i}`));
    const orders: string[] = [];
    await rows.transaction(async () => {
      for (let i = 0; i < 1_000; i++)
        orders.push(await rows.order(tenants[i % 8]!, { customer_email: `solo${i}@correo.pe`, customer_name: 'Solo' }));
    });
    return { tenants, orders };
  });
}

/** A process with links of its own, which may hold back what it sent until long after its death. */
class Life {
  readonly service: RunningService;

  constructor(
    pipeline: TestPipeline,
    private readonly links: Readonly<Record<'kafka' | 'messaging', TcpProxy>>,
  ) {
    this.service = pipeline.startWith({
      KAFKA_BROKERS: `127.0.0.1:${links.kafka.port}`,
      MESSAGING_URL: links.messaging.through(pipeline.databases.messagingUrl),
    });
  }

  async kill(silent: 'kafka' | 'messaging' | null, silentMs = 0): Promise<void> {
    if (silent !== null) {
      this.links[silent].freeze();
      await sleep(silentMs);
    }
    await this.service.stop('SIGKILL');
  }

  /** What lay on its links arrives now. */
  async letGo(): Promise<void> {
    for (const link of Object.values(this.links)) link.pass();
    await eventually(() => Object.values(this.links).every((link) => link.open === 0));
  }
}
