import { Client } from 'pg';
import { openDatabase } from '../../../src/postgres/database';
import { preflight } from '../../../src/postgres/preflight';
import type { SourceOptions } from '../../../src/postgres/setup-step';
import type { ExpectedSource } from '../../../src/postgres/source-catalog';
import { openSourceSetup } from '../../../src/postgres/source-setup';
import { createSeedDatabase, type DemoDatabases } from '../../support/databases';
import { itSince } from '../../support/tools';
import { expectedOf } from './ventia-source';

/**
 * What the application does every day and what its migrations may do, after set-up: nothing of it may fail. Each statement runs in
 * a transaction of its own that is rolled back, with writes after it.
 */
const EVERYDAY: readonly [string, string][] = [
  ['inserts', `INSERT INTO ventia.orders (tenant_id, customer_email) SELECT id, 'a@b.pe' FROM ventia.tenants`],
  [
    'inserts or updates',
    `INSERT INTO ventia.tenants (name, slug) VALUES ('x', 'a') ON CONFLICT (slug) DO UPDATE SET name = 'y'`,
  ],
  [
    'merges',
    `MERGE INTO ventia.orders o USING ventia.tenants t ON o.tenant_id = t.id WHEN MATCHED THEN UPDATE SET status = t.name`,
  ],
  ['updates', `UPDATE ventia.orders SET status = 'Pagado'`],
  ['updates a document', `UPDATE ventia.orders SET line_items = '[1]', notes = repeat('x', 1000000)`],
  ['updates the tenants', `UPDATE ventia.tenants SET settings = '{"token": "x"}', updated_at = now()`],
  ['changes a key', 'UPDATE ventia.orders SET id = gen_random_uuid()'],
  [
    'moves orders to another tenant',
    `UPDATE ventia.orders SET tenant_id = (SELECT id FROM ventia.tenants WHERE slug = 'b')`,
  ],
  ['deletes orders', 'DELETE FROM ventia.orders'],
  ['deletes a tenant with all that is its', 'DELETE FROM ventia.tenants'],
  ['truncates orders', 'TRUNCATE ventia.orders'],
  ['truncates tenants', 'TRUNCATE ventia.tenants RESTART IDENTITY CASCADE'],
  ['locks rows', 'SELECT FROM ventia.orders FOR UPDATE'],
  ['locks a table', 'LOCK TABLE ventia.orders IN ACCESS EXCLUSIVE MODE'],
  ['writes without triggers', 'SET LOCAL session_replication_role = replica; DELETE FROM ventia.tenants'],
  ['prepares', `PREPARE p AS UPDATE ventia.orders SET status = $1; EXECUTE p('x'); DEALLOCATE p`],
];

const MIGRATIONS: readonly [string, string][] = [
  ['adds a column', 'ALTER TABLE ventia.orders ADD COLUMN extra text'],
  [
    'adds a column with a default for all',
    'ALTER TABLE ventia.orders ADD COLUMN extra float8 NOT NULL DEFAULT random()',
  ],
  [
    'adds a generated column',
    'ALTER TABLE ventia.orders ADD COLUMN extra text GENERATED ALWAYS AS (lower(status)) STORED',
  ],
  ['drops a column that nobody reads', 'ALTER TABLE ventia.orders DROP COLUMN notes'],
  ['drops a column of the contract', 'ALTER TABLE ventia.orders DROP COLUMN customer_phone'],
  ['drops a column and what hangs on it', 'ALTER TABLE ventia.orders DROP COLUMN shopify_draft_order_id CASCADE'],
  ['renames a column', 'ALTER TABLE ventia.orders RENAME COLUMN customer_email TO email'],
  ['changes a type without rewriting', 'ALTER TABLE ventia.orders ALTER COLUMN status TYPE text'],
  ['changes a type and rewrites', 'ALTER TABLE ventia.orders ALTER COLUMN total_amount TYPE numeric(20, 6)'],
  ['changes the type of the key', 'ALTER TABLE ventia.orders ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id TYPE text'],
  ['sets NOT NULL', `UPDATE ventia.orders SET status = ''; ALTER TABLE ventia.orders ALTER COLUMN status SET NOT NULL`],
  ['changes a default', `ALTER TABLE ventia.orders ALTER COLUMN status SET DEFAULT 'Nuevo'`],
  ['adds an index', 'CREATE INDEX ON ventia.orders (status)'],
  ['adds a unique index', 'CREATE UNIQUE INDEX ON ventia.orders (tenant_id, shopify_order_id)'],
  ['drops an index', 'DROP INDEX ventia.orders_tenant_created'],
  ['rebuilds indexes', 'REINDEX TABLE ventia.orders'],
  ['rewrites in another order', 'CLUSTER ventia.orders USING orders_tenant_created'],
  ['adds a check', `ALTER TABLE ventia.orders ADD CHECK (total_amount >= 0) NOT VALID`],
  ['drops a constraint', 'ALTER TABLE ventia.orders DROP CONSTRAINT orders_tenant_id_fkey'],
  ['drops the primary key', 'ALTER TABLE ventia.orders DROP CONSTRAINT orders_pkey'],
  [
    'makes the primary key anew',
    'ALTER TABLE ventia.tenants DROP CONSTRAINT tenants_pkey CASCADE, ADD PRIMARY KEY (id)',
  ],
  [
    'adds a trigger',
    'CREATE TRIGGER t BEFORE UPDATE ON ventia.orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
  ],
  ['disables triggers', 'ALTER TABLE ventia.orders DISABLE TRIGGER ALL'],
  [
    'guards rows by a policy',
    'ALTER TABLE ventia.orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ventia.orders USING (true)',
  ],
  [
    'makes a table a partition',
    'CREATE TABLE ventia.all_orders (LIKE ventia.orders) PARTITION BY LIST (channel); ALTER TABLE ventia.all_orders ATTACH PARTITION ventia.orders DEFAULT',
  ],
  ['lets a table inherit', 'CREATE TABLE ventia.base (status varchar); ALTER TABLE ventia.orders INHERIT ventia.base'],
  ['adds to an enumeration', `ALTER TYPE ventia.user_role ADD VALUE 'AUDITOR'`],
  ['comments', `COMMENT ON TABLE ventia.orders IS 'x'; COMMENT ON COLUMN ventia.orders.id IS 'x'`],
  ['changes storage', 'ALTER TABLE ventia.orders SET (fillfactor = 70), ALTER COLUMN notes SET STORAGE EXTERNAL'],
  ['gives the table away', 'ALTER TABLE ventia.orders OWNER TO CURRENT_USER; GRANT SELECT ON ventia.orders TO PUBLIC'],
];

/** After these the table has another name, or is gone. */
const REPLACEMENTS: readonly [string, string, string | null][] = [
  ['renames a table', 'ALTER TABLE ventia.orders RENAME TO old_orders', 'ventia.old_orders'],
  [
    'moves a table to another schema',
    'CREATE SCHEMA archive; ALTER TABLE ventia.orders SET SCHEMA archive',
    'archive.orders',
  ],
  ['renames the schema', 'ALTER SCHEMA ventia RENAME TO shop', 'shop.orders'],
  [
    'swaps a table',
    'CREATE TABLE ventia.new_orders (LIKE ventia.orders INCLUDING ALL); ALTER TABLE ventia.orders RENAME TO old; ALTER TABLE ventia.new_orders RENAME TO orders',
    'ventia.orders',
  ],
  ['drops a table', 'DROP TABLE ventia.orders CASCADE', null],
  ['drops the schema', 'DROP SCHEMA ventia CASCADE', null],
  [
    'restores a dump',
    `DROP TABLE IF EXISTS ventia.orders CASCADE;
     CREATE TABLE ventia.orders (id uuid DEFAULT gen_random_uuid() NOT NULL, tenant_id uuid NOT NULL, status varchar);
     INSERT INTO ventia.orders SELECT gen_random_uuid(), id FROM ventia.tenants;
     ALTER TABLE ONLY ventia.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
     ALTER TABLE ONLY ventia.orders REPLICA IDENTITY FULL;
     ALTER TABLE ONLY ventia.orders ADD CONSTRAINT orders_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES ventia.tenants(id) ON DELETE CASCADE`,
    'ventia.orders',
  ],
];

const OUTSIDE_TRANSACTIONS = [
  'CREATE INDEX CONCURRENTLY orders_status ON ventia.orders (status)',
  'REINDEX TABLE CONCURRENTLY ventia.orders',
  'DROP INDEX CONCURRENTLY ventia.orders_status',
  'VACUUM FULL ventia.orders',
  'VACUUM ANALYZE ventia.orders, ventia.tenants',
];

let databases: DemoDatabases;
let expected: ExpectedSource;
let application: Client;

async function prepare(options: SourceOptions): Promise<void> {
  databases = await createSeedDatabase();
  expected = expectedOf(databases);
  application = new Client({ connectionString: databases.sourceUrl });
  await application.connect();
  await application.query(`
    INSERT INTO ventia.tenants (name, slug) VALUES ('A', 'a'), ('B', 'b');
    INSERT INTO ventia.orders (tenant_id, customer_email) SELECT id, 'a@b.pe' FROM ventia.tenants`);
  const setup = openSourceSetup(databases.sourceUrl, databases.sourceUrl);
  await setup.apply(await setup.plan(expected, options), expected, {
    onStep() {},
    onSql() {},
    onWaiting() {},
    onDone() {},
  });
  await setup.close();
}

async function cleanUp(): Promise<void> {
  await application.end();
  await databases.drop();
}

/** The statement, then writes to the table, in one transaction that is rolled back. Rejects with the first error. */
async function tryOut(statement: string, table: string | null): Promise<void> {
  await application.query('BEGIN');
  try {
    await application.query(statement);
    if (table !== null) {
      await application.query(`INSERT INTO ${table} (tenant_id) SELECT tenant_id FROM ${table} LIMIT 1`);
      await application.query(`UPDATE ${table} SET status = coalesce(status, '') || '!'`);
      await application.query(`DELETE FROM ${table}`);
    }
  } finally {
    await application.query('ROLLBACK');
  }
}

/** A migration may also leave the key without a default. */
const WRITES = (title: string) => (title === 'changes the type of the key' ? null : 'ventia.orders');

describe.each<[string, SourceOptions]>([
  ['full', { identity: 'full', columns: 'all' }],
  ['index', { identity: 'index', columns: 'all' }],
])('after set-up with identity %s the application still', (_, options) => {
  beforeAll(() => prepare(options));
  afterAll(cleanUp);

  it.each(EVERYDAY)('%s', async (_title, statement) => {
    await expect(tryOut(statement, 'ventia.orders')).resolves.toBeUndefined();
  });
  it.each(MIGRATIONS)('%s', async (title, statement) => {
    await expect(tryOut(statement, WRITES(title))).resolves.toBeUndefined();
  });
  it.each(REPLACEMENTS)('%s', async (_title, statement, table) => {
    await expect(tryOut(statement, table)).resolves.toBeUndefined();
  });
  it('maintains its tables', async () => {
    for (const statement of OUTSIDE_TRANSACTIONS) await application.query(statement);
  });
});

describe('only identity full lets the application', () => {
  const HAZARDS: readonly [string, string][] = [
    ['drop the index that is the identity', 'DROP INDEX IF EXISTS ventia.orders_cdc_identity'],
    ['drop the tenant column', 'ALTER TABLE ventia.orders DROP COLUMN tenant_id CASCADE, ADD COLUMN tenant_id uuid'],
    ['allow orders without tenant', 'ALTER TABLE ventia.orders ALTER COLUMN tenant_id DROP NOT NULL'],
  ];

  describe('with full', () => {
    beforeAll(() => prepare({ identity: 'full', columns: 'all' }));
    afterAll(cleanUp);
    it.each(HAZARDS)('%s', async (_title, statement) => {
      await expect(tryOut(statement, 'ventia.orders')).resolves.toBeUndefined();
    });
  });

  describe('with index, which is why it is not the default,', () => {
    beforeAll(() => prepare({ identity: 'index', columns: 'all' }));
    afterAll(cleanUp);
    it.each(HAZARDS)('it fails to %s, or its next UPDATE does', async (_title, statement) => {
      await expect(tryOut(statement, 'ventia.orders')).rejects.toThrow(/replica identity/);
    });
  });
});

describe('a column list', () => {
  beforeAll(() => prepare({ identity: 'index', columns: 'contract' }));
  afterAll(cleanUp);

  it.each(EVERYDAY)('lets the application go on: it %s', async (_title, statement) => {
    await expect(tryOut(statement, 'ventia.orders')).resolves.toBeUndefined();
  });

  it('has the price that is written beside it: types of listed columns are fixed', async () => {
    await expect(tryOut('ALTER TABLE ventia.orders ALTER COLUMN status TYPE text', null)).rejects.toThrow(
      /publication/,
    );
  });

  it('has the price that is written beside it: a dropped column takes the table along, and preflight sees that', async () => {
    await application.query('ALTER TABLE ventia.orders DROP COLUMN customer_id CASCADE');
    const db = openDatabase(databases.sourceUrl, 'source', { applicationName: 'statements-test' });
    expect((await preflight(db, expected)).map(({ kind }) => kind)).toEqual(['publication_incomplete']);
    await db.close();
  });
});

describe('only identity index lets the application', () => {
  const statement = 'ALTER TABLE ventia.orders ADD COLUMN extra text GENERATED ALWAYS AS (lower(status)) VIRTUAL';

  itSince(18)('write to orders after adding a column that is generated when read', async () => {
    await prepare({ identity: 'index', columns: 'all' });
    await expect(tryOut(statement, 'ventia.orders')).resolves.toBeUndefined();
    await cleanUp();
    await prepare({ identity: 'full', columns: 'all' });
    await expect(tryOut(statement, 'ventia.orders')).rejects.toThrow(/cannot update/);
    await cleanUp();
  });
});

describe('what being published forbids, whatever the identity', () => {
  beforeAll(() => prepare({ identity: 'full', columns: 'all' }));
  afterAll(cleanUp);

  it('is to make the table unlogged', async () => {
    await expect(tryOut('ALTER TABLE ventia.orders SET UNLOGGED', null)).rejects.toThrow(/publication/);
  });
  it('is to write to tenants that have no primary key any more', async () => {
    const statement =
      'ALTER TABLE ventia.tenants DROP CONSTRAINT tenants_pkey CASCADE; UPDATE ventia.tenants SET name = name';
    await expect(tryOut(statement, null)).rejects.toThrow(/replica identity/);
  });
});
