import type { Client } from 'pg';
import { TestPipeline } from '../support/pipeline';
import { readChanges, readTopic } from '../support/topics';
import { SECRETS, VentiaRows } from '../support/ventia-rows';

jest.setTimeout(120_000);

/** The tests of a profile are one story, told in their order. */
describe.each(['seed', 'repo'] as const)('the whole path, profile %s', (profile) => {
  let pipeline: TestPipeline;
  const ids = { lima: '', bogota: '', ana1: '', ana2: '', luis: '', bogotaAna: '' };

  beforeAll(async () => {
    pipeline = await TestPipeline.create(profile, { roles: true });
  });
  afterAll(() => pipeline?.drop());

  const ventia = (work: (rows: VentiaRows) => Promise<unknown>) =>
    pipeline.source(async (client) => work(await VentiaRows.open(client, pipeline.databases.schemas.ventia)));
  const messaging = <T>(work: (client: Client, schema: string) => Promise<T>) =>
    pipeline.messaging((client) => work(client, pipeline.databases.schemas.messaging));
  /** What is known of a person only where orders have a phone and a customer id. */
  const inSeed = <T>(value: T) => (profile === 'seed' ? value : null);

  const accounts = () =>
    messaging(async (client, schema) => {
      const { rows } = await client.query(
        `SELECT a.name, a.status, array_agg(l.title ORDER BY l.title) AS labels, bool_and(l.system) AS system
         FROM ${schema}.accounts a JOIN ${schema}.labels l ON l.account_id = a.id GROUP BY a.id ORDER BY a.name`,
      );
      return rows;
    });
  const contacts = () =>
    messaging(async (client, schema) => {
      const { rows } = await client.query(
        `SELECT a.name AS account, c.name, c.email, c.phone_number AS phone, c.contact_type AS type,
                (c.custom_attributes->>'total_orders')::int AS orders, c.custom_attributes->>'ventia_customer_id' AS customer
         FROM ${schema}.contacts c JOIN ${schema}.accounts a ON a.id = c.account_id ORDER BY a.name, c.email`,
      );
      return rows;
    });
  const LABELS = { labels: ['en-revisión', 'soporte-humano'], system: true };

  it('setup makes what is missing, and the second time finds nothing to do', async () => {
    const before = await messaging((client, schema) => tableDefinitions(client, schema));
    await pipeline.setup();
    const made = await madeBySetup(pipeline);
    const again = await pipeline.setup();
    expect(again).not.toMatch(/CREATE|ALTER/);
    expect(await madeBySetup(pipeline)).toEqual(made);
    expect(await messaging((client, schema) => tableDefinitions(client, schema))).toEqual(before);
  });

  it('rows that were there before the start arrive', async () => {
    await ventia(async (rows) => {
      ids.lima = await rows.tenant('demo', { name: '  Empresa Demo SAC ', timezone: 'America/Lima' });
      ids.bogota = await rows.tenant('monserrate', { name: 'Café Monserrate', timezone: 'America/Bogota' });
      ids.ana1 = await rows.order(ids.lima, {
        customer_name: 'Ana  Pérez ',
        customer_email: 'Ana@Gmail.com',
        customer_phone: '987 654 321',
        customer_id: '77',
      });
      ids.ana2 = await rows.order(ids.lima, {
        customer_name: '#1002',
        customer_email: ' ana@gmail.com',
        customer_phone: '(+51) 987-654-321',
        status: 'Pendiente',
      });
      ids.luis = await rows.order(ids.lima, {
        customer_name: 'Luis Rojas',
        customer_email: 'luis@corrreo.pe',
        customer_phone: '912345678.0',
      });
      ids.bogotaAna = await rows.order(ids.bogota, {
        customer_name: 'Ana Pérez',
        customer_email: 'ana@gmail.com',
        customer_phone: '3001234567',
      });
    });
    await pipeline.start().ready();
    await pipeline.caughtUp();

    expect(await accounts()).toEqual([
      { name: 'Café Monserrate', status: 0, ...LABELS },
      { name: 'Empresa Demo SAC', status: 0, ...LABELS },
    ]);
    const lima = { account: 'Empresa Demo SAC', type: 2 };
    expect(await contacts()).toEqual([
      {
        account: 'Café Monserrate',
        name: 'Ana Pérez',
        email: 'ana@gmail.com',
        phone: inSeed('+573001234567'),
        type: 2,
        orders: 1,
        customer: null,
      },
      {
        ...lima,
        name: 'Ana Pérez',
        email: 'ana@gmail.com',
        phone: inSeed('+51987654321'),
        orders: 2,
        customer: inSeed('77'),
      },
      {
        ...lima,
        name: 'Luis Rojas',
        email: 'luis@corrreo.pe',
        phone: inSeed('+51912345678'),
        orders: 1,
        customer: null,
      },
    ]);
  });

  it('changes arrive: new, corrected, cancelled and deleted orders, a renamed tenant, a tenant together with its first order', async () => {
    await ventia(async (rows) => {
      await rows.order(ids.lima, { customer_email: 'ANA@gmail.com', customer_name: 'None None', customer_id: '77' });
      await rows.update('orders', ids.ana2, { status: 'Cancelado' });
      await rows.update('orders', ids.luis, { customer_email: 'luis@correo.pe', customer_name: 'Luis Rojas Díaz' });
      await rows.update('orders', ids.ana1, { notes: `${SECRETS.notes}, tocar la puerta` });
      await rows.delete('orders', ids.bogotaAna);
      await rows.update('tenants', ids.lima, { name: 'Empresa Demo S.A.C.' });
      await rows.update('tenants', ids.bogota, { is_active: false });
      await rows.transaction(async () => {
        const condesa = await rows.tenant('condesa', { name: 'Dulces La Condesa', timezone: 'America/Mexico_City' });
        await rows.order(condesa, {
          customer_name: 'Sofía Ñúñez',
          customer_email: 'sofia@hotmail.com',
          customer_phone: '55 1234 5678',
        });
      });
    });
    await pipeline.caughtUp();

    expect(await accounts()).toEqual([
      { name: 'Café Monserrate', status: 1, ...LABELS },
      { name: 'Dulces La Condesa', status: 0, ...LABELS },
      { name: 'Empresa Demo S.A.C.', status: 0, ...LABELS },
    ]);
    const lima = { account: 'Empresa Demo S.A.C.', type: 2 };
    expect(await contacts()).toEqual([
      {
        account: 'Café Monserrate',
        name: 'Ana Pérez',
        email: 'ana@gmail.com',
        phone: inSeed('+573001234567'),
        type: 2,
        orders: 0,
        customer: null,
      },
      {
        account: 'Dulces La Condesa',
        name: 'Sofía Ñúñez',
        email: 'sofia@hotmail.com',
        phone: inSeed('+525512345678'),
        type: 2,
        orders: 1,
        customer: null,
      },
      {
        ...lima,
        name: 'Ana Pérez',
        email: 'ana@gmail.com',
        phone: inSeed('+51987654321'),
        orders: 2,
        customer: inSeed('77'),
      },
      {
        ...lima,
        name: 'Luis Rojas Díaz',
        email: 'luis@correo.pe',
        phone: inSeed('+51912345678'),
        orders: 1,
        customer: null,
      },
    ]);
  });

  it('SIGTERM ends it within 10 s with exit code 0; started again it writes nothing', async () => {
    const [running] = pipeline.running;
    const before = await pipeline.messagingRows();
    expect(await running!.stop()).toBeLessThan(10_000);
    expect(running!.exitCode).toBe(0);

    await pipeline.start().ready();
    await pipeline.caughtUp();
    expect(await pipeline.messagingRows()).toEqual(before);
    await pipeline.stop();
  });

  it('capture and sinks run as well in processes of their own', async () => {
    const { source, accounts: accountsSink, contacts: contactsSink } = pipeline.connectors;
    const services = [source, accountsSink, contactsSink].map((connector) => pipeline.start(connector));
    for (const service of services) await service.ready();
    await ventia(async (rows) => {
      const tenant = await rows.tenant('apart', { name: 'Aparte SAC' });
      await rows.order(tenant, { customer_email: 'rosa@correo.pe', customer_phone: '+51 955 123 456' });
    });
    await pipeline.caughtUp();
    expect((await contacts())[0]).toEqual({
      account: 'Aparte SAC',
      name: inSeed('+51955123456') ?? '',
      email: 'rosa@correo.pe',
      phone: inSeed('+51955123456'),
      type: 2,
      orders: 1,
      customer: null,
    });
    for (const service of services) expect(await service.stop()).toBeLessThan(10_000);
    expect(services.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  });

  it('every change is in the topics once, in order', async () => {
    for (const topic of [pipeline.topics.tenants, pipeline.topics.orders]) {
      const changes = (await readChanges(topic)).filter(({ op }) => op !== 'tombstone');
      const places = changes.map(({ partition, position }) => `${partition} ${position}`);
      expect(places).toEqual([...new Set(places)].sort());
    }
  });

  it('G05: settings, documents, items, addresses and notes are in no topic', async () => {
    const topics = [...Object.values(pipeline.topics), pipeline.stateTopic, pipeline.deadLetterTopic];
    const records = (await Promise.all(topics.map((topic) => readTopic(topic)))).flat();
    expect(records.length).toBeGreaterThan(20);
    const bytes = Buffer.concat(
      records.flatMap(({ key, value }) => [key ?? '', value ?? '']).map((part) => Buffer.from(part)),
    );
    expect(bytes.includes('luis@correo.pe')).toBe(true);
    expect(Object.entries(SECRETS).filter(([, secret]) => bytes.includes(secret))).toEqual([]);
  });

  it('Invariant 7: no person is in the log', () => {
    const said = pipeline.output;
    expect(said).toContain(pipeline.connectors.source);
    const private_ = [...Object.values(SECRETS), 'ana@', 'luis@', 'Rojas', 'Sofía', '987 654', '5551234', '955 123'];
    expect(private_.filter((text) => said.includes(text))).toEqual([]);
  });
});

/** Publication, slot, topics, subjects and ledger: what set-up is for. */
async function madeBySetup(pipeline: TestPipeline): Promise<unknown> {
  const source = await pipeline.source(async (client) => {
    const { rows } = await client.query(
      `SELECT p.pubname, t.tablename, t.attnames, s.slot_name, s.plugin, s.restart_lsn, c.relreplident
       FROM pg_publication p JOIN pg_publication_tables t USING (pubname)
       JOIN pg_replication_slots s ON s.slot_name = p.pubname
       JOIN pg_class c ON c.oid = (t.schemaname || '.' || t.tablename)::regclass
       WHERE p.pubname = $1 ORDER BY t.tablename`,
      [pipeline.name],
    );
    return rows;
  });
  expect(source).toHaveLength(2);
  const ledger = await pipeline.messaging((client) => tableDefinitions(client, 'cdc'));
  expect(ledger).not.toHaveLength(0);
  return { source, ledger };
}

/** Columns and indexes of a schema's tables. */
async function tableDefinitions(client: Client, schema: string): Promise<unknown[]> {
  const { rows } = await client.query(
    `SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns
     WHERE table_schema = $1
     UNION ALL SELECT tablename, indexname, indexdef, NULL, NULL FROM pg_indexes WHERE schemaname = $1
     UNION ALL SELECT event_object_table, trigger_name, action_statement, NULL, NULL FROM information_schema.triggers
     WHERE event_object_schema = $1 ORDER BY 1, 2`,
    [schema],
  );
  return rows;
}
