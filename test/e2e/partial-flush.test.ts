import type { Kafka } from '../../src/dev/stack/kafka';
import { type OwnBroker, ownBroker } from '../integration/kafka/support';
import { startKafkaProxy } from '../support/kafka-proxy';
import { expectNewestIsTable, expectOnceAndInOrder, streamed } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import type { TcpProxy } from '../support/tcp-proxy';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(240_000);

const TABLES = ['tenants', 'orders'] as const;
/** How many bytes of what capture sends still arrive in each round: somewhere in a transaction of 1.5 MB. */
const ARRIVE = [150_000, 400_000, 650_000];

/**
 * The broker takes small requests only, so that a flush is a dozen of them. The link dies between two, or in the middle of one,
 * and so does capture: some partitions have their part of the flush and others do not.
 */
describe('a flush that reached some partitions and not others, and capture killed', () => {
  let own: OwnBroker;
  let kafka: Kafka;
  let link: TcpProxy;
  let killed: TestPipeline;
  let undisturbed: TestPipeline;
  let tenants: string[];

  beforeAll(async () => {
    own = await ownBroker({ 'socket.request.max.bytes': 200_000 });
    kafka = await own.start();
    link = await startKafkaProxy(kafka.brokers);
    killed = await TestPipeline.create('seed', { brokers: kafka.brokers });
    undisturbed = await TestPipeline.beside(killed);
    await Promise.all([killed.setup(), undisturbed.setup()]);
    await undisturbed.start(undisturbed.connectors.source).ready(60_000);
    tenants = await killed.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      const ids: string[] = [];
      for (let i = 0; i < 12; i++) ids.push(await rows.tenant(`tienda-${i}`));
      return ids;
    });
  });
  afterAll(async () => {
    await killed?.drop();
    await undisturbed?.drop();
    await link?.close();
    await own?.remove(kafka);
  });

  const capture = () =>
    killed.startWith({ KAFKA_BROKERS: `127.0.0.1:${link.port}` }, killed.connectors.source).ready(60_000);

  const write = (name: string) =>
    killed.source(async (client) => {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO ventia.orders (tenant_id, customer_name, customer_email)
         SELECT ($1::uuid[])[1 + i % 12], $2 || repeat('x', 200), i || '@correo.pe' FROM generate_series(1, 2500) i`,
        [tenants, name],
      );
      await client.query(`UPDATE ventia.tenants SET name = $1`, [name]);
      await client.query('COMMIT');
    });

  /** Something is missing although a later change of another partition is there. */
  async function partly(): Promise<boolean> {
    await undisturbed.captured(60_000);
    const there = new Set<string>();
    let last = '';
    for (const table of TABLES)
      for (const { partition, position } of await streamed(killed, table)) {
        there.add(`${table} ${partition} ${position}`);
        if (position > last) last = position;
      }
    for (const table of TABLES)
      for (const { partition, position } of await streamed(undisturbed, table))
        if (position < last && !there.has(`${table} ${partition} ${position}`)) return true;
    return false;
  }

  it('leaves every change once and in order', async () => {
    let parts = 0;
    for (const bytes of ARRIVE) {
      const service = await capture();
      await killed.captured(60_000);
      link.freezeAfter(bytes);
      await write(`hasta ${bytes}`);
      await eventually(() => link.frozen, { timeoutMs: 30_000 });
      link.cut();
      await service.stop('SIGKILL');
      link.pass();
      if (await partly()) parts++;
    }
    expect(parts).toBeGreaterThan(0);
    process.stderr.write(`${parts} of ${ARRIVE.length} flushes reached some partitions only\n`);
    await capture();
    await killed.captured(60_000);
    for (const table of TABLES) {
      await expectOnceAndInOrder(killed, undisturbed, table);
      await expectNewestIsTable(killed, table);
    }
  });
});
