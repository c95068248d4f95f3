import type { Database } from '../../../src/core/ports/sql';
import { openDatabase } from '../../../src/postgres/database';
import { preflight } from '../../../src/postgres/preflight';
import type { Plan, SourceOptions } from '../../../src/postgres/setup-step';
import type { ExpectedSource } from '../../../src/postgres/source-catalog';
import { openSourceSetup, type SetupListener, type SourceSetup } from '../../../src/postgres/source-setup';
import {
  createDemoDatabases,
  createSeedDatabase,
  createTestRole,
  type DemoDatabases,
  type TestRole,
} from '../../support/databases';
import { eventually } from '../../support/wait';
import { expectedOf } from './ventia-source';

let databases: DemoDatabases;
let role: TestRole;
let owner: Database;
let service: Database;
let setup: SourceSetup;
let expected: ExpectedSource;

const silent: SetupListener = { onStep() {}, onSql() {}, onWaiting() {}, onDone() {} };
const full: SourceOptions = { identity: 'auto', columns: 'all' };
const index: SourceOptions = { identity: 'index', columns: 'all' };
const empty: Plan = { steps: [], problems: [] };

const setUp = async (options: SourceOptions) => setup.apply(await setup.plan(expected, options), expected, silent);
const titles = async (options: SourceOptions) => (await setup.plan(expected, options)).steps.map(({ title }) => title);
const identity = async () =>
  (await owner.query<{ i: string }>(`SELECT relreplident AS i FROM pg_class WHERE oid = 'ventia.orders'::regclass`))[0]!
    .i;

beforeEach(async () => {
  databases = await createSeedDatabase();
  role = await createTestRole(databases, 'ventia_capture');
  owner = openDatabase(databases.sourceUrl, 'source', { applicationName: 'setup-test' });
  service = openDatabase(role.url, 'source', { applicationName: 'setup-test-service' });
  setup = openSourceSetup(role.url, databases.sourceUrl, 5_000);
  expected = expectedOf(databases, { role: role.name });
});

afterEach(async () => {
  await setup.close();
  await service.close();
  await role.drop();
  await owner.close();
  await databases.drop();
});

describe.each<[string, SourceOptions, string]>([
  ['full', full, 'f'],
  ['index', index, 'i'],
  ['index and a column list', { identity: 'index', columns: 'contract' }, 'i'],
])('with identity %s', (_, options, letter) => {
  it('makes a source that preflight finds nothing wrong with, and a second plan is empty', async () => {
    expect((await preflight(service, { ...expected, role: null })).length).toBeGreaterThan(0);
    await setUp(options);
    expect(await preflight(service, { ...expected, role: null })).toEqual([]);
    expect(await setup.plan(expected, options)).toEqual(empty);
    expect(await identity()).toBe(letter);
  });
});

it('sets up the other profile as well', async () => {
  const repo = await createDemoDatabases('repo');
  const other = openSourceSetup(repo.sourceUrl, repo.sourceUrl);
  const wanted = expectedOf(repo);
  try {
    await other.apply(await other.plan(wanted, full), wanted, silent);
    expect(await other.plan(wanted, full)).toEqual(empty);
  } finally {
    await other.close();
    await repo.drop();
  }
});

it('goes on from any point at which it was left', async () => {
  const all = await setup.plan(expected, index);
  for (let done = 0; done < all.steps.length; done++) {
    const plan = await setup.plan(expected, index);
    expect(plan.steps).toEqual(all.steps.slice(done));
    await setup.apply({ ...plan, steps: plan.steps.slice(0, 1) }, expected, silent);
  }
  expect(await setup.plan(expected, index)).toEqual(empty);
});

it('goes from one identity to the other and back', async () => {
  await setUp(full);
  await setUp(index);
  expect(await identity()).toBe('i');
  expect(await titles(full)).toEqual([]);
  await setUp({ ...full, identity: 'full' });
  expect(await identity()).toBe('f');
});

it('redoes an index that a broken attempt left', async () => {
  await setUp(full);
  await owner.execute('CREATE UNIQUE INDEX orders_cdc_identity ON ventia.orders (id, tenant_id)');
  await owner.execute(
    `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ventia.orders_cdc_identity'::regclass`,
  );
  await setUp(index);
  expect(await setup.plan(expected, index)).toEqual(empty);
  expect(await identity()).toBe('i');
});

it('adopts a slot of the right kind that somebody made before, where it stands', async () => {
  const made = 'SELECT slot_name, confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1';
  await owner.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [expected.slot]);
  const before = await owner.query(made, [expected.slot]);
  expect(await titles(full)).not.toContainEqual(expect.stringMatching(/slot/));
  await setUp(full);
  expect(await owner.query(made, [expected.slot])).toEqual(before);
  expect(await preflight(service, { ...expected, role: null })).toEqual([]);
});

it('does nothing while there is a problem', async () => {
  await owner.execute('DROP TABLE ventia.orders CASCADE');
  const plan = await setup.plan(expected, full);
  await expect(setup.apply(plan, expected, silent)).rejects.toMatchObject({ kind: 'table_missing' });
  expect(await owner.query('SELECT FROM pg_publication WHERE pubname = $1', [expected.publication])).toEqual([]);
});

it('tells the price of FULL by the statistics of the table', async () => {
  await owner.execute(`INSERT INTO ventia.tenants (name, slug) VALUES ('a', 'a');
    INSERT INTO ventia.orders (tenant_id, notes) SELECT id, repeat('x', 500) FROM ventia.tenants, generate_series(1, 100);
    ANALYZE ventia.orders`);
  const [step] = (await setup.plan(expected, full)).steps;
  const [, width] = /about (\d+) bytes/.exec(step!.price!)!;
  expect(Number(width)).toBeGreaterThan(500);
  expect(Number(width)).toBeLessThan(1_000);
});

it('needs no right of the owner for the slot, and no right to replicate for the tables', async () => {
  const plain = await createTestRole(databases, 'ventia_capture');
  await owner.execute(`ALTER ROLE ${plain.name} NOREPLICATION; GRANT CREATE ON DATABASE ${new URL(plain.url).pathname.slice(1)} TO ${plain.name};
    ALTER TABLE ventia.tenants OWNER TO ${plain.name}; ALTER TABLE ventia.orders OWNER TO ${plain.name}`);
  const limited = openSourceSetup(role.url, plain.url);
  await limited.apply(await limited.plan(expected, full), expected, silent);
  expect(await limited.plan(expected, full)).toEqual(empty);
  await limited.close();
  await owner.execute(`DROP PUBLICATION ${expected.publication}`);
  await plain.drop();
});

describe('while a transaction on orders stays open and the application goes on writing', () => {
  /** Writes all the time on a connection of its own; tells the longest wait and what failed. */
  function startApplication() {
    const application = openDatabase(databases.sourceUrl, 'source', { applicationName: 'the shop', max: 1 });
    const report = { statements: 0, longestMs: 0, failures: [] as unknown[] };
    let going = true;
    const run = async () => {
      const statements = [
        `INSERT INTO ventia.orders (tenant_id) SELECT id FROM ventia.tenants LIMIT 1`,
        `UPDATE ventia.orders SET status = 'Pagado' WHERE id = (SELECT id FROM ventia.orders ORDER BY id LIMIT 1)`,
        `DELETE FROM ventia.orders WHERE id = (SELECT id FROM ventia.orders WHERE status <> 'held' ORDER BY id DESC LIMIT 1)`,
        `UPDATE ventia.tenants SET updated_at = now()`,
      ];
      for (let i = 0; going; i++) {
        const started = performance.now();
        await application.execute(statements[i % statements.length]!).catch((error) => report.failures.push(error));
        report.statements++;
        report.longestMs = Math.max(report.longestMs, performance.now() - started);
      }
    };
    const running = run();
    const stop = async () => {
      going = false;
      await running;
      await application.close();
      return report;
    };
    return { report, stop };
  }

  /** A transaction that has written an order and does not end before `release`. */
  async function holdOrders(): Promise<{ release(): Promise<void> }> {
    let end: () => void = () => {};
    let held: () => void = () => {};
    const holding = new Promise<void>((resolve) => {
      held = resolve;
    });
    const transaction = owner.transaction(async (tx) => {
      await tx.execute(`INSERT INTO ventia.orders (tenant_id, status) SELECT id, 'held' FROM ventia.tenants LIMIT 1`);
      held();
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await holding;
    return {
      release: async () => {
        end();
        await transaction;
      },
    };
  }

  beforeEach(async () => {
    await owner.execute(`INSERT INTO ventia.tenants (name, slug) VALUES ('a', 'a')`);
    await owner.execute(`INSERT INTO ventia.orders (tenant_id) SELECT id FROM ventia.tenants, generate_series(1, 200)`);
  });

  it.each([
    ['full', full],
    ['index', index],
  ] as const)(
    'identity %s: gives up by setup_lock, in the way of nobody, and finishes later',
    async (_, options) => {
      const application = startApplication();
      const holder = await holdOrders();
      const waiting: string[] = [];
      const plan = await setup.plan(expected, options);
      const attempt = setup.apply(plan, expected, { ...silent, onWaiting: (who) => waiting.push(who) });
      await expect(attempt).rejects.toMatchObject({
        kind: 'setup_lock',
        message: expect.stringContaining('setup-test'),
      });
      expect(waiting.length).toBeGreaterThan(0);
      await holder.release();
      await setUp(options);
      expect(await setup.plan(expected, options)).toEqual(empty);

      const report = await application.stop();
      expect(report.failures).toEqual([]);
      expect(report.statements).toBeGreaterThan(100);
      expect(report.longestMs).toBeLessThan(2_500);
    },
    40_000,
  );

  it.each([
    ['full', full],
    ['index', index],
  ] as const)(
    'identity %s: finishes by itself when the transaction ends in time',
    async (_, options) => {
      const application = startApplication();
      const holder = await holdOrders();
      let waits = 0;
      const attempt = setup.apply(await setup.plan(expected, options), expected, {
        ...silent,
        onWaiting: () => waits++,
      });
      await eventually(() => waits > 0);
      await holder.release();
      await attempt;
      const report = await application.stop();
      expect(report.failures).toEqual([]);
      expect(report.longestMs).toBeLessThan(2_500);
      expect(await setup.plan(expected, options)).toEqual(empty);
    },
    40_000,
  );

  it('B17: the slot waits without anybody waiting for it, and comes when the transaction ends', async () => {
    await setup.apply({ ...empty, steps: (await setup.plan(expected, full)).steps.slice(0, -1) }, expected, silent);
    const application = startApplication();
    const holder = await holdOrders();
    let waits = 0;
    const attempt = setup.apply(await setup.plan(expected, full), expected, { ...silent, onWaiting: () => waits++ });
    await eventually(() => waits > 0);
    await holder.release();
    const released = performance.now();
    await attempt;
    expect(performance.now() - released).toBeLessThan(2_000);
    const report = await application.stop();
    expect(report.failures).toEqual([]);
    expect(report.longestMs).toBeLessThan(500);
  }, 20_000);

  it('F18: a slot that could not be made in time leaves nothing, and is made later', async () => {
    await setup.apply({ ...empty, steps: (await setup.plan(expected, full)).steps.slice(0, -1) }, expected, silent);
    const hasty = openSourceSetup(role.url, databases.sourceUrl, 600);
    const holder = await holdOrders();
    const attempt = hasty.apply(await hasty.plan(expected, full), expected, silent);
    await expect(attempt).rejects.toMatchObject({ kind: 'setup_lock' });
    expect(await owner.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [expected.slot])).toEqual([]);
    await holder.release();
    await hasty.close();
    await setUp(full);
    expect(await setup.plan(expected, full)).toEqual(empty);
  });
});
