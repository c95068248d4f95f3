import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { TestPipeline } from '../support/pipeline';
import { stack } from '../support/stack';
import { describeWithTool } from '../support/tools';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(60_000);

/**
 * Debian's kcat is built without Avro (`-s value=avro` needs libserdes), so it can show keys, partitions and sizes and take
 * the wire format apart; the values are the Python consumer's to read.
 */
describeWithTool('kcat', 'kcat', (kcat) => {
  let pipeline: TestPipeline;
  const ids = { tenant: '', kept: '', deleted: '' };

  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed');
    await pipeline.setup();
    const service = pipeline.start(pipeline.connectors.source);
    await service.ready();
    await pipeline.captured();
    await pipeline.source(async (client) => {
      const rows = await VentiaRows.open(client, 'ventia');
      ids.tenant = await rows.tenant('demo');
      ids.kept = await rows.order(ids.tenant, { customer_email: 'ana@gmail.com' });
      ids.deleted = await rows.order(ids.tenant, { customer_email: 'luis@gmail.com' });
      await rows.delete('orders', ids.deleted);
    });
    await pipeline.captured();
    await service.stop();
  });
  afterAll(() => pipeline?.drop());

  /** Before a key's uuid stand the magic byte 0, the schema id and the text's length, 72 as zigzag; kcat sets no spaces. -1 is a tombstone's size. */
  const consume = async (topic: string) => {
    const read = ['-b', stack().kafkaBrokers, '-C', '-t', topic, '-o', 'beginning', '-e', '-q'];
    const { stdout } = await promisify(execFile)(kcat, [...read, '-s', 'key=>biBs', '-f', '%p %k %S\n']);
    return stdout
      .trimEnd()
      .split('\n')
      .map(
        (line) => /^(?<partition>\d+) 0(?<schema>\d+)72(?<id>[0-9a-f-]{36}) (?<size>-?\d+)$/.exec(line)?.groups ?? line,
      );
  };

  it('reads keys in wire format, a tombstone behind a delete, all in the partition of the tenant', async () => {
    const [tenant] = await consume(pipeline.topics.tenants);
    expect(tenant).toMatchObject({ id: ids.tenant });
    const { partition } = tenant as { partition: string };
    const orders = await consume(pipeline.topics.orders);
    expect(orders).toMatchObject([ids.kept, ids.deleted, ids.deleted, ids.deleted].map((id) => ({ id, partition })));
    expect(orders.map((order) => Number((order as { size: string }).size) > 0)).toEqual([true, true, true, false]);
  });
});
