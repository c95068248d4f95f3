import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, startKafka } from '../../src/dev/stack/kafka';
import { choosePorts } from '../../src/dev/stack/ports';
import { expectNewestIsTable, expectOnceAndInOrder } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import { PowerCut } from '../support/power-cut';
import type { RunningService } from '../support/service';
import { stack } from '../support/stack';
import { readTopic } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(300_000);

/** What is older is on the disk; the confirmed position trails by more. */
const UNFLUSHED_MS = 2_000;
const TRAIL_MS = 3_500;
const TABLES = ['tenants', 'orders'] as const;

/**
 * One broker, one replica: what it acknowledged lies in its page cache for a while. Its power is cut: the logs of some
 * partitions lose what was written in the last seconds, those of others nothing.
 */
describe('a power cut of the only broker', () => {
  let dir: string;
  let kafka: Kafka;
  let start: () => Promise<Kafka>;
  let power: PowerCut;
  let cut: TestPipeline;
  let undisturbed: TestPipeline;
  let service: RunningService;
  let tenants: string[];

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'power-'));
    const { port, controllerPort } = await choosePorts({ port: 0, controllerPort: 0 });
    start = () => startKafka({ dir, port, controllerPort, libs: stack().kafkaLibs });
    kafka = await start();
    power = new PowerCut(join(dir, 'logs'));
    const source = { 'confirm.trail.ms': TRAIL_MS, 'snapshot.chunk.rows': 100 };
    cut = await TestPipeline.create('seed', { source, brokers: kafka.brokers });
    undisturbed = await TestPipeline.beside(cut);
    tenants = await cut.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      const ids: string[] = [];
      for (let i = 0; i < 12; i++) ids.push(await rows.tenant(`tienda-${i}`));
      await rows.transaction(() => orders(rows, ids, 'antes', 2_000));
      return ids;
    });
    await Promise.all([cut.setup(), undisturbed.setup()]);
    await undisturbed.start(undisturbed.connectors.source).ready(90_000);
    await undisturbed.captured(90_000);
    service = await cut.start(cut.connectors.source).ready(90_000);
  });
  afterAll(async () => {
    power?.end();
    await cut?.drop();
    await undisturbed?.drop();
    await kafka?.stop();
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  /** Resolves with the number of bytes that are gone. */
  const cutPower = async (spared: (partition: number) => boolean, stateToo: boolean) => {
    power.note();
    const since = Date.now() - UNFLUSHED_MS;
    process.kill(kafka.pid, 'SIGKILL');
    await kafka.stop();
    let gone = 0;
    for (const topic of Object.values(cut.topics))
      for (const partition of power.partitions(topic))
        if (!spared(partition)) gone += power.cut(topic, partition, since);
    if (stateToo) gone += power.cut(cut.stateTopic, 0, since);
    kafka = await start();
    return gone;
  };
  const write = (count: number, name: string) =>
    cut.source(async (client) => orders(await VentiaRows.open(client, 'ventia'), tenants, name, count));

  const created = async () => (await cut.changes('orders')).filter(({ op }) => op === 'c').length;

  it('in the first load costs no row', async () => {
    await eventually(async () => (await readTopic(cut.topics.orders, cut.brokers)).length > 500, { timeoutMs: 90_000 });
    expect(await cutPower((partition) => partition === 2, false)).toBeGreaterThan(10_000);
    await service.ready(90_000);
    await cut.captured(90_000);
    await expectNewestIsTable(cut, 'orders');
  });

  it('while it is written to costs no change and doubles none', async () => {
    const writing = write(400, 'durante');
    await eventually(async () => (await created()) > 150, { timeoutMs: 90_000 });
    expect(await cutPower((partition) => partition % 2 === 0, true)).toBeGreaterThan(0);
    await writing;
    await expectAllThere();
  });

  it('is noticed by an idle capture, which then sends again what is gone', async () => {
    await write(60, 'al final');
    await eventually(async () => (await created()) === 460, { timeoutMs: 90_000 });
    expect(await cutPower((partition) => partition % 2 === 1, true)).toBeGreaterThan(0);
    await sleep(TRAIL_MS);
    await expectAllThere();
    expect(service.log.map(({ code }) => code)).toContain('CDC-305');
  });

  async function expectAllThere(): Promise<void> {
    await service.ready(90_000);
    await Promise.all([cut.captured(90_000), undisturbed.captured(90_000)]);
    expect(service.log.map(({ code }) => code)).not.toContain('CDC-221');
    for (const table of TABLES) {
      await expectOnceAndInOrder(cut, undisturbed, table);
      await expectNewestIsTable(cut, table);
    }
  }
});

async function orders(rows: VentiaRows, tenants: readonly string[], name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await rows.order(tenants[i % tenants.length]!, { customer_email: `${name}${i}@correo.pe`, customer_name: name });
}
