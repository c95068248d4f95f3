import { expectClearLog } from '../support/clear-error';
import { withClient } from '../support/databases';
import { startKafkaProxy } from '../support/kafka-proxy';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { readChanges, withKafkaAdmin } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(60_000);

/** The service reaches every server over a link of its own, so that each can be away without the others. */
let pipeline: TestPipeline;
let links: Record<'source' | 'messaging' | 'kafka' | 'registry', TcpProxy>;
let tenant: string;

beforeAll(async () => {
  pipeline = await TestPipeline.create('seed', { roles: true });
  const { kafkaBrokers, registryUrl } = stack();
  links = {
    source: await startTcpProxy(pipeline.databases.sourceUrl),
    messaging: await startTcpProxy(pipeline.databases.messagingUrl),
    kafka: await startKafkaProxy(kafkaBrokers),
    registry: await startTcpProxy(registryUrl),
  };
  await pipeline.setup();
  tenant = await pipeline.source(async (client) => (await VentiaRows.open(client, 'ventia')).tenant('demo'));
  await start().ready();
  await pipeline.caughtUp();
  await pipeline.stop();
});
afterAll(async () => {
  await pipeline?.drop();
  await Promise.all(Object.values(links ?? {}).map((link) => link.close()));
});

function start(): RunningService {
  const { capture, sink } = pipeline.roles!;
  return pipeline.startWith({
    VENTIA_SOURCE_URL: links.source.through(capture.url),
    MESSAGING_URL: links.messaging.through(sink.url),
    KAFKA_BROKERS: `127.0.0.1:${links.kafka.port}`,
    SCHEMA_REGISTRY_URL: links.registry.through(stack().registryUrl),
  });
}

const inSource = (text: string) => pipeline.source((client) => client.query(text));
const inMessaging = (text: string) => pipeline.messaging((client) => client.query(text));
const asSuperuser = (text: string) => withClient(stack().postgresUrl, (client) => client.query(text));

let serial = 0;
/** An order of a new person; gives the person's address. */
async function order(): Promise<string> {
  const customer_email = `persona${serial++}@correo.pe`;
  await pipeline.source(async (client) => (await VentiaRows.open(client, 'ventia')).order(tenant, { customer_email }));
  return customer_email;
}

const arrived = (email: string) =>
  eventually(
    async () => {
      const { rowCount } = await pipeline.messaging((client) =>
        client.query('SELECT FROM messaging.contacts WHERE email = $1', [email]),
      );
      return rowCount === 1;
    },
    { timeoutMs: 20_000 },
  );

interface Trouble {
  readonly what: string;
  readonly code: string;
  harm(): Promise<unknown>;
  mend(): Promise<unknown>;
  /** What is written meanwhile cannot be had later, or not be written at all. */
  readonly quiet?: true;
}

const away = (link: keyof typeof links) => ({ harm: () => links[link].refuse(), mend: () => links[link].accept() });

const renamed = (table: string, from: string, to: string) => ({
  harm: () => inSource(`ALTER TABLE ${table} RENAME ${from} TO ${to}`),
  mend: () => inSource(`ALTER TABLE ${table} RENAME ${to} TO ${from}`),
});

const roleAltered = (role: 'capture' | 'sink', harm: string, mend?: string) => ({
  harm: () => asSuperuser(`ALTER ROLE ${pipeline.roles![role].name} ${harm}`),
  mend: () =>
    asSuperuser(`ALTER ROLE ${pipeline.roles![role].name} ${mend ?? `PASSWORD '${pipeline.roles![role].name}'`}`),
});

const AWAY: readonly Trouble[] = [
  { what: 'source unreachable', code: 'CDC-200', ...away('source') },
  { what: 'Kafka unreachable', code: 'CDC-300', ...away('kafka') },
  { what: 'messaging unreachable', code: 'CDC-500', ...away('messaging') },
];

const COLUMN_GONE: Trouble = {
  what: 'column of the contract gone',
  code: 'CDC-208',
  ...renamed('ventia.orders', 'customer_email', 'correo'),
  quiet: true,
};

/** Each is met when a process starts. */
const AT_START: readonly Trouble[] = [
  ...AWAY,
  { what: 'registry unreachable', code: 'CDC-400', ...away('registry') },
  { what: 'source: wrong password', code: 'CDC-201', ...roleAltered('capture', "PASSWORD 'another'") },
  { what: 'source: no right to replicate', code: 'CDC-202', ...roleAltered('capture', 'NOREPLICATION', 'REPLICATION') },
  { what: 'messaging: wrong password', code: 'CDC-501', ...roleAltered('sink', "PASSWORD 'another'") },
  COLUMN_GONE,
  {
    what: 'table gone',
    code: 'CDC-207',
    harm: () => inSource('ALTER TABLE ventia.orders RENAME TO ordenes'),
    mend: () => inSource('ALTER TABLE ventia.ordenes RENAME TO orders'),
    quiet: true,
  },
  {
    what: 'publication gone',
    code: 'CDC-205',
    harm: () => inSource(`DROP PUBLICATION ${pipeline.name}`),
    mend: () => pipeline.setup(),
    quiet: true,
  },
];

/** Each happens to a process that runs. */
const RUNNING: readonly Trouble[] = [
  ...AWAY,
  COLUMN_GONE,
  {
    what: 'table taken out of the publication',
    code: 'CDC-206',
    harm: () => inSource(`ALTER PUBLICATION ${pipeline.name} DROP TABLE ventia.orders`),
    mend: () => pipeline.setup(),
    quiet: true,
  },
  {
    what: 'replica identity changed',
    code: 'CDC-209',
    harm: () => inSource('ALTER TABLE ventia.orders REPLICA IDENTITY DEFAULT'),
    mend: () => pipeline.setup(),
    quiet: true,
  },
  {
    what: 'messaging: table gone',
    code: 'CDC-502',
    harm: () => inMessaging('ALTER TABLE messaging.contacts RENAME TO contactos'),
    mend: () => inMessaging('ALTER TABLE messaging.contactos RENAME TO contacts'),
  },
  {
    what: 'messaging: right missing',
    code: 'CDC-504',
    harm: () => inMessaging(`REVOKE INSERT ON messaging.contacts FROM ${pipeline.roles!.sink.name}`),
    mend: () => inMessaging(`GRANT INSERT ON messaging.contacts TO ${pipeline.roles!.sink.name}`),
  },
  {
    what: 'ledger gone',
    code: 'CDC-503',
    harm: () => inMessaging('ALTER SCHEMA cdc RENAME TO cdc_away'),
    mend: () => inMessaging('ALTER SCHEMA cdc_away RENAME TO cdc'),
  },
];

/** Mended whatever happens, so that the next test meets one trouble and not two. */
async function during({ harm, mend }: Trouble, work: () => Promise<void>): Promise<void> {
  await harm();
  try {
    await work();
  } finally {
    await mend();
  }
}

describe('at start: alive, not ready within 5 s with code and fix, and it goes on by itself when mended', () => {
  afterEach(() => pipeline.stop());

  it.each(AT_START)('$code $what', async (trouble) => {
    const written = [await order()];
    let service!: RunningService;
    await during(trouble, async () => {
      service = start();
      if (!trouble.quiet) written.push(await order());
      await service.notReady(trouble.code, 5_000);
    });
    await service.ready(15_000);
    for (const email of [...written, await order()]) await arrived(email);
    expectClearLog(service, trouble.code);
    await service.stop();
    expect(service.exitCode).toBe(0);
  });
});

describe('while running: not ready within 10 s with code and fix, and it goes on by itself when mended', () => {
  let service: RunningService;
  beforeAll(async () => {
    service = await start().ready();
  });
  afterAll(() => service?.stop());

  it.each(RUNNING)('$code $what', async (trouble) => {
    const written: string[] = [];
    await during(trouble, async () => {
      if (!trouble.quiet) written.push(await order());
      await service.notReady(trouble.code, 10_000);
    });
    await service.ready(15_000);
    for (const email of [...written, await order()]) await arrived(email);
    expectClearLog(service, trouble.code);
  });

  it('the registry is not needed once the schemas are known', async () => {
    await links.registry.refuse();
    await arrived(await order());
    expect((await service.readiness()).ready).toBe(true);
    await links.registry.accept();
  });

  it('a contract column that is gone never becomes null by itself', async () => {
    const changes = await readChanges(pipeline.topics.orders);
    expect(changes.length).toBeGreaterThan(serial - 1);
    expect(changes.filter(({ after }) => after !== null && after.customer_email === null)).toEqual([]);
  });
});

describe('a slot that another process holds', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'stands by, says so, and takes over within 2 s of its %s',
    async (signal) => {
      const { source } = pipeline.connectors;
      const first = await pipeline.start(source).ready();
      const second = pipeline.start(source);
      await second.notReady('CDC-211', 5_000);
      await first.stop(signal);
      await second.ready(2_000);
      expectClearLog(second, 'CDC-211');
      await second.stop();
    },
  );
});

describe('a topic whose number of partitions was changed behind our back', () => {
  it('halts capture: CDC-303, and nothing more is written', async () => {
    const { orders } = pipeline.topics;
    const written = (await readChanges(orders)).length;
    await withKafkaAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic: orders, count: 8 }] }));
    await order();
    const service = pipeline.start(pipeline.connectors.source);
    await service.notReady('CDC-303', 5_000);
    expect(service.alive).toBe(true);
    expectClearLog(service, 'CDC-303');
    await service.stop();
    expect(await readChanges(orders)).toHaveLength(written);
  });
});
