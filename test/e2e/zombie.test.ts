import { startKafkaProxy } from '../support/kafka-proxy';
import { expectNewestIsTable, expectOnceAndInOrder } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(180_000);

const WAL_SENDER_TIMEOUT_MS = 2_000;

/** Two captures of one connector: the first is frozen with batches in hand, the second takes over, the first wakes up. */
describe('a capture that was frozen for longer than the server waits', () => {
  let pipeline: TestPipeline;
  let undisturbed: TestPipeline;
  let frozen: RunningService;
  let standby: RunningService;
  let kafkaLink: TcpProxy;
  let sourceLink: TcpProxy;

  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed', { source: { 'max.batch.bytes': 65_536 }, roles: true });
    undisturbed = await TestPipeline.beside(pipeline);
    await Promise.all([pipeline.setup(), undisturbed.setup()]);
    // Of this pipeline's role only, so of its sessions only.
    const role = decodeURIComponent(new URL(pipeline.env.VENTIA_SOURCE_URL!).username);
    await pipeline.source((client) =>
      client.query(`ALTER ROLE ${role} SET wal_sender_timeout = '${WAL_SENDER_TIMEOUT_MS}ms'`),
    );
    kafkaLink = await startKafkaProxy(stack().kafkaBrokers);
    sourceLink = await startTcpProxy(pipeline.env.VENTIA_SOURCE_URL!);
    await undisturbed.start(undisturbed.connectors.source).ready(60_000);
    const { source } = pipeline.connectors;
    const links = {
      KAFKA_BROKERS: `127.0.0.1:${kafkaLink.port}`,
      VENTIA_SOURCE_URL: sourceLink.through(pipeline.env.VENTIA_SOURCE_URL!),
    };
    frozen = await pipeline.startWith(links, source).ready(60_000);
    standby = pipeline.start(source);
    await standby.notReady('CDC-211', 30_000);
  });
  afterAll(async () => {
    frozen?.signal('SIGCONT');
    await pipeline?.drop();
    await undisturbed?.drop();
    await Promise.all([kafkaLink?.close(), sourceLink?.close()]);
  });

  it('appends nothing when it wakes up: the broker refuses it, and every change is there once', async () => {
    const tenants = await pipeline.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      return Promise.all(Array.from({ length: 8 }, (_, i) => rows.tenant(`tienda-${i}`)));
    });
    await pipeline.captured();
    // Its first batch is on the way and is not answered, the next one has filled: then it freezes.
    kafkaLink.freeze();
    await write(tenants, 'antes');
    await eventually(async () => (await stage(frozen, 'received')) > (await stage(frozen, 'published')));
    frozen.signal('SIGSTOP');
    sourceLink.freeze();
    await standby.ready(WAL_SENDER_TIMEOUT_MS + 30_000);
    await write(tenants, 'despues');
    await pipeline.captured(60_000);

    // What lay on its link arrives, and it goes on sending. Its server is silent: only Kafka can tell it.
    kafkaLink.pass();
    frozen.signal('SIGCONT');
    const refused = await eventually(() => frozen.log.find(({ code }) => code !== undefined), { timeoutMs: 60_000 });
    expect(refused).toMatchObject({ code: 'CDC-304', msg: expect.stringContaining('INVALID_PRODUCER_EPOCH') });
    sourceLink.pass();
    await frozen.notReady('CDC-211', 60_000);
    await write(tenants, 'al final');
    await Promise.all([pipeline.captured(60_000), undisturbed.captured(60_000)]);
    for (const table of ['tenants', 'orders'] as const) {
      await expectOnceAndInOrder(pipeline, undisturbed, table);
      await expectNewestIsTable(pipeline, table);
    }
    expect(await standby.readiness()).toMatchObject({ ready: true });
  });

  const write = (tenants: readonly string[], name: string) =>
    pipeline.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      for (let i = 0; i < 160; i++)
        await rows.order(tenants[i % tenants.length]!, { customer_email: `${i}@correo.pe`, customer_name: name });
    });
});

/** How far it says to be, as an LSN. */
async function stage(service: RunningService, name: 'received' | 'published'): Promise<number> {
  const text = await (await fetch(`${await service.address()}/metrics`)).text();
  return Number(new RegExp(`^ventia_cdc_lsn\\{.*stage="${name}".*\\} (\\S+)`, 'm').exec(text)![1]);
}
