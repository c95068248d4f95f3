import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TestPipeline } from '../support/pipeline';
import { stack } from '../support/stack';
import { describeWithTool, requirePython } from '../support/tools';
import { withKafkaAdmin } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(90_000);

interface PythonRecord {
  readonly partition: number;
  readonly timestamp: number;
  readonly key: { readonly id: unknown };
  readonly value: {
    readonly op: string;
    readonly before: unknown;
    readonly after: Row | null;
    readonly source: Row;
  } | null;
}
type Row = Readonly<Record<string, unknown>>;

describeWithTool(
  requirePython(['confluent-kafka[avro,schemaregistry]', 'fastavro']),
  'a Python consumer that nobody here wrote',
  (python) => {
    const run = async (...args: string[]) => {
      const { stdout } = await promisify(execFile)(python, [join(__dirname, 'consumer.py'), ...args], {
        maxBuffer: 1 << 26,
      });
      return stdout
        .trimEnd()
        .split('\n')
        .map((line): unknown => JSON.parse(line));
    };
    const records = (topic: string) =>
      run('records', stack().kafkaBrokers, stack().registryUrl, topic) as Promise<PythonRecord[]>;

    describe.each(['seed', 'repo'] as const)('profile %s', (profile) => {
      let pipeline: TestPipeline;
      const ids = { tenants: [] as string[], kept: '', deleted: '', moved: '' };
      let tenants: PythonRecord[];
      let orders: PythonRecord[];

      beforeAll(async () => {
        pipeline = await TestPipeline.create(profile);
        const { ventia } = pipeline.databases.schemas;
        const write = (work: (rows: VentiaRows) => Promise<void>) =>
          pipeline.source(async (client) => work(await VentiaRows.open(client, ventia)));
        await write(async (rows) => {
          for (let i = 0; i < 12; i++) ids.tenants.push(await rows.tenant(`tienda-${i}`, { name: `Tienda Ñ ${i}` }));
          ids.deleted = await rows.order(ids.tenants[0]!, { customer_email: 'ana@gmail.com' });
        });
        await pipeline.setup();
        const service = pipeline.start(pipeline.connectors.source);
        await service.ready();
        await pipeline.captured();
        await write(async (rows) => {
          ids.kept = await rows.order(ids.tenants[1]!, {
            customer_name: 'José “Pepe” 🌸',
            customer_email: 'pepe@correo.pe',
            total_amount: '1234567.05',
            total_price: 1234567.05,
            woocommerce_order_id: 2147483647,
            customer_order_count: 3,
          });
          ids.moved = await rows.order(ids.tenants[2]!, { customer_email: 'mueve@correo.pe' });
          await rows.update('orders', ids.moved, { tenant_id: ids.tenants[3]! });
          await rows.delete('orders', ids.deleted);
        });
        await pipeline.captured();
        await service.stop();
        [tenants, orders] = await Promise.all([records(pipeline.topics.tenants), records(pipeline.topics.orders)]);
      });
      afterAll(() => pipeline?.drop());

      /** An id as the profile's Avro type becomes a Python value. */
      const id = (text: string) => (profile === 'seed' ? { uuid: text } : Number(text));
      const of = (key: string) => orders.filter((record) => JSON.stringify(record.key.id) === JSON.stringify(id(key)));

      it('sees every row that was there before, and after it every change', () => {
        expect(tenants.map(({ value }) => value!.op)).toEqual(ids.tenants.map(() => 'r'));
        expect(tenants.map(({ key }) => JSON.stringify(key.id)).sort()).toEqual(
          ids.tenants.map((tenant) => JSON.stringify(id(tenant))).sort(),
        );
        expect(of(ids.kept).map(({ value }) => value?.op)).toEqual(['c']);
        expect(of(ids.deleted).map(({ value }) => value?.op)).toEqual(['r', 'd', undefined]);
      });

      it('reads each value as the type it has in the source', async () => {
        const { rows } = await pipeline.source((client) =>
          client.query(
            `SELECT to_jsonb(o) AS row,
                  to_char(o.created_at${profile === 'seed' ? " AT TIME ZONE 'UTC'" : ''}, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS created_at
           FROM ${pipeline.databases.schemas.ventia}.orders o WHERE id = $1`,
            [ids.kept],
          ),
        );
        const { row, created_at } = rows[0];
        const after = of(ids.kept)[0]!.value!.after!;
        expect(after).toMatchObject({
          id: id(ids.kept),
          tenant_id: id(ids.tenants[1]!),
          customer_name: row.customer_name,
          customer_email: row.customer_email,
          status: row.status,
          currency: row.currency,
          woocommerce_order_id: row.woocommerce_order_id,
          created_at: { time: created_at },
          ...(profile === 'seed'
            ? { total_amount: { decimal: '1234567.05' }, customer_order_count: 3, total_price: null }
            : { total_price: 1234567.05 }),
        });
        expect(Object.keys(after)).not.toEqual(expect.arrayContaining(['customer_document_number']));
      });

      it('a row that got another tenant was deleted at the old place, then created at the new one', () => {
        const partitions = (ops: readonly (string | undefined)[]) =>
          of(ids.moved)
            .filter(({ value }) => ops.includes(value?.op))
            .map(({ value, partition }) => [value?.op, value?.after?.tenant_id, partition]);
        const [created, recreated] = of(ids.moved)
          .filter(({ value }) => value?.op === 'c')
          .sort((a, b) => Number(a.value!.source.seq) - Number(b.value!.source.seq));
        expect(created!.value!.after!.tenant_id).toEqual(id(ids.tenants[2]!));
        expect(recreated!.value!.after!.tenant_id).toEqual(id(ids.tenants[3]!));
        expect(partitions(['d', undefined])).toEqual([
          ['d', undefined, created!.partition],
          [undefined, undefined, created!.partition],
        ]);
      });

      it("a record's time is when the change was committed", () => {
        for (const { value, timestamp } of orders) if (value) expect(timestamp).toBe(value.source.ts_ms);
      });

      it('partitions are those of murmur2 over the tenant id, for both topics', async () => {
        const topic = `${pipeline.name}.murmur2`;
        await withKafkaAdmin((admin) =>
          admin.createTopics({ topics: [{ topic, numPartitions: 6, replicationFactor: 1 }] }),
        );
        const [expected] = (await run('partitions', stack().kafkaBrokers, topic, ...ids.tenants)) as [
          Record<string, number>,
        ];
        expect(new Set(Object.values(expected)).size).toBeGreaterThan(2);
        const text = (value: unknown) => (profile === 'seed' ? (value as { uuid: string }).uuid : String(value));
        for (const { key, partition } of tenants) expect(partition).toBe(expected[text(key.id)]);
        for (const { value, partition } of orders)
          if (value?.after) expect(partition).toBe(expected[text(value.after.tenant_id)]);
      });
    });
  },
);
