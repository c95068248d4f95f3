import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { LoadView } from '../../src/core/load-view';
import { expectClearError } from '../support/clear-error';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { uniqueName } from '../support/stack';
import { readChanges, type TopicChange, withKafkaAdmin } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

const ORDERS = 3_000;

async function fill(pipeline: TestPipeline, orders: number): Promise<string> {
  return pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, pipeline.databases.schemas.ventia);
    const tenant = await rows.tenant('tienda');
    await rows.transaction(async () => {
      for (let i = 0; i < orders; i++)
        await rows.order(tenant, {
          customer_name: `Persona ${i}`,
          customer_email: `p${i}@correo.pe`,
          status: i % 100 === 0 ? 'Enviado' : 'Pagado',
        });
    });
    return tenant;
  });
}

/** `/api/snapshots` of a process. */
async function ask(service: RunningService, method: string, path = '', body?: object) {
  const response = await fetch(`${await service.address()}/api/snapshots${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as LoadView & { code?: string; fix?: string } };
}

async function list(pipeline: TestPipeline): Promise<LoadView[]> {
  const { code, stdout, stderr } = await pipeline.cli('snapshot', 'list', '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const reads = (changes: TopicChange[]) => changes.filter(({ op }) => op === 'r');

/** The newest record of each key is the row: what was deleted meanwhile is not back. */
async function expectTopicIsTable(pipeline: TestPipeline): Promise<void> {
  const latest = new Map<string, TopicChange>();
  const changes = await pipeline.changes('orders');
  for (const change of changes.sort((a, b) => (a.position < b.position ? -1 : 1))) latest.set(change.key, change);
  const inTopic = [...latest.values()].flatMap(({ after }) => (after ? [`${after.id} ${after.status}`] : []));
  const inTable = await pipeline.source(async (client) => {
    const { rows } = await client.query(`SELECT id, status FROM ${pipeline.databases.schemas.ventia}.orders`);
    return rows.map(({ id, status }) => `${id} ${status}`);
  });
  expect(inTopic.sort()).toEqual(inTable.sort());
}

describe('snapshots on request', () => {
  let pipeline: TestPipeline;
  let capture: RunningService;
  /** Another process, which captures nothing. */
  let other: RunningService;
  let tenant: string;

  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed', { source: { 'snapshot.chunk.rows': 100 }, roles: true });
    await pipeline.setup();
    tenant = await fill(pipeline, ORDERS);
    other = pipeline.start(pipeline.connectors.accounts);
    capture = pipeline.start(pipeline.connectors.source);
    await capture.ready();
    await pipeline.captured();
  });
  afterAll(() => pipeline?.drop());

  const addOrder = (status: string) =>
    pipeline.source(async (client) =>
      (await VentiaRows.open(client, 'ventia')).order(tenant, { customer_name: 'Nueva', status }),
    );
  const arrives = (id: string) =>
    eventually(async () => (await pipeline.changes('orders')).some(({ key }) => key === id), { timeoutMs: 20_000 });

  it('by command: what meets the condition comes as read, and the progress is told line by line', async () => {
    const { code, stdout, stderr } = await pipeline.cli(
      ...['snapshot', 'ventia.orders', '--where', "status = 'Enviado' -- sent"],
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^asked for orders-\w+\n/);
    expect(stdout).toMatch(/ventia\.orders {2}done {2}100 % {2}3,000 of 3,000 rows, 30 meet the condition/);
    const changes = (await pipeline.changes('orders')).filter(({ snapshot }) => snapshot === 'incremental');
    expect(changes).toHaveLength(30);
    expect(new Set(changes.map(({ op, after }) => `${op} ${after!.status}`))).toEqual(new Set(['r Enviado']));
    const [last] = (await list(pipeline)).filter(({ kind }) => kind === 'incremental');
    expect(last).toMatchObject({ status: 'done', rows: 30, scanned: ORDERS, progress: 1, error: null });
    expect(last!.requestedBy).toMatch(/.@./);
  });

  it.each([
    [['snapshot', 'ventia.nothing'], 'CDC-100', 2, /captured are ventia\.tenants, ventia\.orders/],
    [['snapshot', 'ventia.orders', '--where', 'colour = 1'], 'CDC-108', 2, /column "colour" does not exist/],
    [['snapshot', 'ventia.orders', '--where', 'true) UNION SELECT (1'], 'CDC-108', 2, /refused/],
    [['snapshot', 'ventia.orders', '--where', 'id IN (SELECT id FROM messaging.contacts)'], 'CDC-218', 1, /permission/],
    [['snapshot', 'pause', 'orders-none'], 'CDC-109', 1, /no snapshot orders-none/],
    [['snapshot', 'pause'], 'CDC-109', 1, /no snapshot to pause/],
    [['snapshot', 'list', '--where', 'true'], 'CDC-100', 2, /takes no condition/],
  ])('%j is refused clearly', async (args, errorCode, exit, message) => {
    const refused = await pipeline.cli(...args);
    expect(refused.code).toBe(exit);
    expectClearError(refused, errorCode);
    expect(refused.stderr).toMatch(message);
  });

  it('by REST of another process: asked for, paused, resumed and cancelled within moments, the stream goes on', async () => {
    // A transaction that goes on holds the load up, so that it can be steered at leisure.
    const holder = new Client({ connectionString: pipeline.databases.sourceUrl });
    await holder.connect();
    await holder.query('BEGIN; SELECT pg_current_xact_id()');
    try {
      const asked = await ask(other, 'POST', '', { table: 'ventia.orders' });
      expect([asked.status, asked.body.status]).toEqual([201, 'requested']);
      const { id } = asked.body;
      const becomes = (status: string) =>
        eventually(
          async () => {
            const { body } = await ask(other, 'GET');
            const now = (body as unknown as LoadView[]).find((load) => load.id === id)!;
            return now.status === status || Promise.reject(new Error(now.status));
          },
          { timeoutMs: 20_000, intervalMs: 100 },
        );
      await becomes('waiting');
      const again = await ask(other, 'POST', '', { table: 'ventia.orders', where: null });
      expect([again.status, again.body.code]).toEqual([409, 'CDC-110']);
      expect((await ask(other, 'POST', `/${id}/pause`)).body.status).toBe('pausing');
      await becomes('paused');
      await arrives(await addOrder('Pagado'));
      expect((await ask(other, 'POST', `/${id}/resume`)).status).toBe(200);
      await becomes('waiting');
      expect((await ask(other, 'DELETE', `/${id}`)).body.status).toBe('cancelling');
      await becomes('cancelled');
      expect((await ask(other, 'DELETE', `/${id}`)).status).toBe(409);
      expect((await ask(other, 'POST', '/orders-none/resume')).status).toBe(404);
      const wrong = await ask(other, 'POST', '', { table: 'ventia.orders', where: 'id = ' });
      expect([wrong.status, wrong.body.code]).toEqual([400, 'CDC-108']);
      expect((await ask(other, 'POST', '', { tabel: 'ventia.orders' })).status).toBe(400);
    } finally {
      await holder.end();
    }
  });

  it('one that fails is told with code and fix, and leaves the stream as it was (F28)', async () => {
    await arrives(await addOrder('planted-secret'));
    const where = "1 / (CASE WHEN status = 'planted-secret' THEN 0 ELSE 1 END) = 1";
    const failed = await pipeline.cli('snapshot', 'ventia.orders', '--where', where);
    expect(failed.code).toBe(1);
    expectClearError({ ...failed, stdout: '' }, 'CDC-111');
    expect(failed.stderr).toContain('CDC-219');
    expect((await list(pipeline)).find((load) => load.where === where)).toMatchObject({
      status: 'failed',
      error: { code: 'CDC-219' },
    });
    expect(await capture.readiness()).toMatchObject({ status: 200 });
    await arrives(await addOrder('Pagado'));
    expect(capture.output).not.toContain('planted-secret');
  });

  it('goes on after each kill -9, loses nothing, brings nothing back, and holds no long transaction', async () => {
    const before = new Set(reads(await pipeline.changes('orders')).map(({ position }) => position.slice(0, 25)));
    const watch = new Client({ connectionString: pipeline.databases.sourceUrl });
    await watch.connect();
    let longest = 0;
    const asked = await pipeline.cli('snapshot', 'ventia.orders', '--detach', '--json');
    expect([asked.code, asked.stderr]).toEqual([0, '']);
    const { id } = JSON.parse(asked.stdout) as LoadView;
    const now = async () => {
      const { rows } = await watch.query(
        `SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8 AS age FROM pg_stat_activity
         WHERE application_name LIKE 'ventia-cdc %' AND backend_type = 'client backend'`,
      );
      longest = Math.max(longest, rows[0].age ?? 0);
      return (await ask(other, 'GET')).body as unknown as LoadView[];
    };
    const chunks: number[] = [];
    const KILLS = 3;
    for (let kill = 0; kill < KILLS; kill++) {
      const load = await eventually(
        async () => {
          const found = (await now()).find((one) => one.id === id)!;
          return (found.chunks >= (chunks.at(-1) ?? 0) + 2 || found.status === 'done') && found;
        },
        { timeoutMs: 30_000, intervalMs: 10 },
      );
      chunks.push(load.chunks);
      await capture.stop('SIGKILL');
      await pipeline.source((client) =>
        client.query(`DELETE FROM ventia.orders WHERE id IN (SELECT id FROM ventia.orders ORDER BY random() LIMIT 40)`),
      );
      capture = pipeline.start(pipeline.connectors.source);
    }
    const done = await eventually(async () => (await now()).find((one) => one.id === id && one.status === 'done'), {
      timeoutMs: 60_000,
      intervalMs: 50,
    });
    await watch.end();
    await pipeline.captured();
    await expectTopicIsTable(pipeline);
    const after = new Set(reads(await pipeline.changes('orders')).map(({ position }) => position.slice(0, 25)));
    const emitted = [...after].filter((position) => !before.has(position)).length;
    // It went on: each death costs the chunk in flight at most.
    expect(chunks).toEqual([...chunks].sort((a, b) => a - b));
    expect(emitted).toBeLessThanOrEqual(done.chunks + KILLS);
    expect(done.rows).toBeLessThanOrEqual(ORDERS + 10);
    expect(longest).toBeLessThan(5);
  });

  it('is recorded while nobody captures, and says so', async () => {
    await capture.stop();
    const { code, stdout, stderr } = await pipeline.cli('snapshot', 'ventia.tenants');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('no capture has taken it up');
    capture = pipeline.start(pipeline.connectors.source);
    await eventually(
      async () =>
        (await list(pipeline)).some(
          ({ table, kind, status }) => table === 'ventia.tenants' && kind === 'incremental' && status === 'done',
        ),
      { timeoutMs: 30_000, intervalMs: 200 },
    );
    const tenants = (await pipeline.changes('tenants')).filter(({ snapshot }) => snapshot === 'incremental');
    expect(tenants.map(({ key }) => key)).toEqual([tenant]);
  });
});

it('a table that the connector file names later is loaded by itself', async () => {
  const prefix = uniqueName('later');
  const pipeline = await TestPipeline.create('repo', {
    source: { 'table.include.list': 'public.tenants', topics: {}, 'topic.prefix': prefix },
  });
  try {
    await pipeline.setup();
    await fill(pipeline, 50);
    const tenantsOnly = await pipeline.start(pipeline.connectors.source).ready();
    const loaded = async (table: string) => reads(await readChanges(`${prefix}.${table}`)).length;
    await eventually(async () => (await loaded('tenants')) === 1, { timeoutMs: 30_000 });
    await tenantsOnly.stop();

    const file = join(pipeline.connectorsDir, 'ventia-source.json');
    const connector = JSON.parse(readFileSync(file, 'utf8'));
    connector.config['table.include.list'] = 'public.tenants,public.orders';
    writeFileSync(file, JSON.stringify(connector));
    await pipeline.setup();
    await pipeline.start(pipeline.connectors.source).ready();
    await eventually(async () => (await loaded('orders')) === 50, { timeoutMs: 30_000 });
    const changes = await readChanges(`${prefix}.orders`);
    expect(new Set(changes.map(({ op, snapshot }) => `${op} ${snapshot}`))).toEqual(new Set(['r first']));
    expect(await loaded('tenants')).toBe(1);
  } finally {
    await pipeline.drop();
    await withKafkaAdmin(async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
      await admin.deleteTopics({ topics });
    });
  }
});
