import { readFileSync } from 'node:fs';
import { Kafka } from 'kafkajs';
import { Client } from 'pg';
import { readContracts } from '/work/main/src/avro/contract';
import { createRegistry } from '/work/main/src/avro/registry';
import { ensureSubjects } from '/work/main/src/avro/subjects';
import { TestPipeline } from '/work/main/test/support/pipeline';
import { stack } from '/work/main/test/support/stack';
import { eventually } from '/work/main/test/support/wait';

jest.setTimeout(120000);
it('runs', async () => {
  const p = await TestPipeline.create('seed');
  const c = new Client({ connectionString: p.databases.sourceUrl });
  await c.connect();
  await c.query(readFileSync('/work/main/schemas/sql/ledger/001_ledger.sql', 'utf8'));
  await c.query(`ALTER TABLE ventia.orders REPLICA IDENTITY FULL`);
  await c.query(`CREATE PUBLICATION ${p.name} FOR TABLE ventia.tenants, ventia.orders`);
  await c.query(`INSERT INTO ventia.tenants(name, slug) VALUES ('Antes','antes')`);
  await c.query(`SELECT pg_create_logical_replication_slot('${p.name}','pgoutput')`);
  const k = new Kafka({ brokers: stack().kafkaBrokers.split(','), logLevel: 0 });
  const a = k.admin();
  await a.connect();
  await a.createTopics({ topics: [p.topics.tenants, p.topics.orders].map((topic) => ({ topic, numPartitions: 6 })) });
  await a.createTopics({
    topics: [`_${p.name}_state`, `_${p.name}_dlq`].map((topic) => ({ topic, numPartitions: 1 })),
  });
  const contracts = await readContracts('/work/main/schemas/avro/seed', [
    { schema: 'ventia', table: 'tenants', topic: p.topics.tenants },
    { schema: 'ventia', table: 'orders', topic: p.topics.orders },
  ]);
  await ensureSubjects(createRegistry({ url: stack().registryUrl }), contracts);
  const s = p.start();
  try {
    await s.ready();
    const t = (await c.query(`INSERT INTO ventia.tenants(name, slug) VALUES ('Tienda','tienda') RETURNING id`)).rows[0]
      .id;
    await c.query(
      `INSERT INTO ventia.orders(tenant_id, customer_name, customer_email, customer_phone, status) VALUES ($1,'Ana Perez','ana@gmail.pe','987654321','Pagado')`,
      [t],
    );
    const t0 = Date.now();
    await eventually(async () => (await c.query(`SELECT * FROM messaging.contacts`)).rows.length === 1, {
      timeoutMs: 10000,
    });
    console.log(
      'took',
      Date.now() - t0,
      (await c.query(`SELECT * FROM messaging.contacts`)).rows,
      (await c.query(`SELECT name FROM messaging.accounts`)).rows,
    );
    const lat = [];
    for (let i = 0; i < 20; i++) {
      const t1 = performance.now();
      await c.query(
        `INSERT INTO ventia.orders(tenant_id, customer_name, customer_email, status) VALUES ($1,'Ana Perez','x${i}@gmail.pe','Pagado')`,
        [t],
      );
      await eventually(
        async () => (await c.query(`SELECT 1 FROM messaging.contacts WHERE email='x${i}@gmail.pe'`)).rows.length === 1,
        { timeoutMs: 10000, intervalMs: 2 },
      );
      lat.push(performance.now() - t1);
    }
    console.log('median', lat.sort((x, y) => x - y)[10], lat);
    console.log(await s.stop(), s.exitCode);
  } finally {
    console.log(s.output);
    await a.disconnect();
    await c.end();
    await p.drop();
  }
});
