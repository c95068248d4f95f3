import type { Database } from '../../../src/core/ports/sql';
import { judgeMark, type TableMark } from '../../../src/core/table-mark';
import { openDatabase } from '../../../src/postgres/database';
import { inspectTables } from '../../../src/postgres/inspect-tables';
import type { ExpectedSource } from '../../../src/postgres/source-catalog';
import { createSeedDatabase, type DemoDatabases } from '../../support/databases';
import { expectedOf } from './ventia-source';

let databases: DemoDatabases;
let db: Database;
let expected: ExpectedSource;

beforeAll(async () => {
  databases = await createSeedDatabase();
  db = openDatabase(databases.sourceUrl, 'source', { applicationName: 'inspect-tables-test' });
  expected = expectedOf(databases);
  await db.execute(`CREATE PUBLICATION ${expected.publication} FOR TABLE ventia.tenants, ventia.orders`);
  await db.execute(`INSERT INTO ventia.tenants (name, slug) VALUES ('a', 'a')`);
});
afterAll(async () => {
  await db.close();
  await databases.drop();
});

const marks = async () => (await inspectTables(db, expected)).tables.map(({ mark }) => mark);

/** What is said of tenants and of orders after the statements. */
async function after(...statements: string[]): Promise<(string | null)[]> {
  const before = await marks();
  for (const sql of statements) await db.execute(sql);
  const now = await marks();
  return before.map((mark, i) => judgeMark(mark, now[i] as TableMark));
}

const publication = (change: string) => `ALTER PUBLICATION ${expected.publication} ${change}`;
const orders = (change: string) => `ALTER TABLE ventia.orders ${change}`;
const UNPUBLISHED = 'the table, or a partition of it, was not published all the time';

describe('a gap leaves its mark on the tables concerned, though all is as it was', () => {
  it.each<[string, () => string[], (string | null)[]]>([
    [
      'taken out and put back',
      () => [publication('DROP TABLE ventia.orders'), publication('ADD TABLE ventia.orders')],
      [null, UNPUBLISHED],
    ],
    [
      'a row filter for a while',
      () => [
        publication(`SET TABLE ventia.tenants, ventia.orders WHERE (status = 'x')`),
        publication('SET TABLE ventia.tenants, ventia.orders'),
      ],
      [null, UNPUBLISHED],
    ],
    [
      'inserts only for a while',
      () => [
        publication(`SET (publish = 'insert')`),
        publication(`SET (publish = 'insert, update, delete, truncate')`),
      ],
      [UNPUBLISHED, UNPUBLISHED],
    ],
    [
      'the publication made anew',
      () => [
        `DROP PUBLICATION ${expected.publication}`,
        `CREATE PUBLICATION ${expected.publication} FOR TABLE ventia.tenants, ventia.orders`,
      ],
      [UNPUBLISHED, UNPUBLISHED],
    ],
    [
      'published by its schema, and elsewhere for a while',
      () => [
        'CREATE SCHEMA elsewhere',
        publication('DROP TABLE ventia.tenants, ventia.orders'),
        publication('ADD TABLES IN SCHEMA ventia'),
        orders('SET SCHEMA elsewhere'),
        'ALTER TABLE elsewhere.orders SET SCHEMA ventia',
      ],
      [UNPUBLISHED, UNPUBLISHED],
    ],
    [
      'elsewhere for a while',
      () => [orders('SET SCHEMA elsewhere'), 'ALTER TABLE elsewhere.orders SET SCHEMA ventia'],
      [null, UNPUBLISHED],
    ],
    [
      'altered while published by its schema',
      () => [orders('ALTER customer_name TYPE text USING upper(customer_name)')],
      [null, UNPUBLISHED],
    ],
    [
      'back to tables by name',
      () => [publication('DROP TABLES IN SCHEMA ventia'), publication('ADD TABLE ventia.tenants, ventia.orders')],
      [UNPUBLISHED, UNPUBLISHED],
    ],
    [
      'a column altered with a rewrite',
      () => [orders('ALTER customer_name TYPE text USING lower(customer_name)')],
      [null, 'column customer_name was altered and the table rewritten'],
    ],
    [
      'a column dropped and added',
      () => [orders('DROP customer_phone'), orders('ADD customer_phone varchar')],
      [null, 'column customer_phone was dropped and added again'],
    ],
    [
      'a column of the contract added',
      () => [orders('ADD no_such_column text')],
      [null, 'column no_such_column was added'],
    ],
    [
      'another table under the name',
      () => [
        'CREATE TABLE ventia.another (LIKE ventia.orders INCLUDING ALL)',
        orders('RENAME TO gone'),
        'ALTER TABLE ventia.another RENAME TO orders',
        publication('SET TABLE ventia.tenants, ventia.orders'),
      ],
      [null, 'the table was dropped and made anew'],
    ],
  ])('%s', async (_, statements, said) => {
    expect(await after(...statements())).toEqual(said);
  });
});

it('what the stream tells, or changes no rows, leaves no mark', async () => {
  const altered = await after(
    publication('SET TABLE ventia.tenants, ventia.orders'),
    orders('RENAME TO ordenes'),
    'ALTER TABLE ventia.ordenes RENAME TO orders',
    orders('RENAME customer_email TO correo'),
    orders('RENAME correo TO customer_email'),
    orders('ALTER status TYPE text'),
    orders(`ALTER status SET DEFAULT 'x'`),
    orders('ADD beside text DEFAULT now()'),
    orders('DROP beside'),
    orders('REPLICA IDENTITY FULL'),
    'CREATE INDEX ON ventia.orders (status)',
    `INSERT INTO ventia.orders (tenant_id, customer_name, customer_email) SELECT id, 'a', 'a@b.pe' FROM ventia.tenants`,
  );
  expect(altered).toEqual([null, null]);
  const rewritten = await after(
    'ANALYZE ventia.orders',
    'TRUNCATE ventia.orders',
    'VACUUM FULL ventia.orders',
    'VACUUM FULL pg_class',
    'VACUUM FULL pg_publication_rel',
    'VACUUM (FULL, FREEZE) pg_attribute',
  );
  expect(rewritten).toEqual([null, null]);
});

describe('of a partitioned table', () => {
  beforeAll(async () => {
    await db.execute(publication('DROP TABLE ventia.orders'));
    await db.execute('ALTER TABLE ventia.orders RENAME TO plain');
    await db.execute(`
      CREATE TABLE ventia.orders (LIKE ventia.plain) PARTITION BY LIST (status);
      CREATE TABLE ventia.paid PARTITION OF ventia.orders FOR VALUES IN ('Pagado');
      CREATE TABLE ventia.sent (LIKE ventia.plain)`);
    await db.execute(publication('ADD TABLE ventia.orders'));
  });

  it.each([
    ['attached', `ALTER TABLE ventia.orders ATTACH PARTITION ventia.sent FOR VALUES IN ('Enviado')`],
    ['truncated alone', 'TRUNCATE ventia.sent'],
    ['detached', 'ALTER TABLE ventia.orders DETACH PARTITION ventia.sent'],
  ])('a partition that is %s', async (_, sql) => {
    expect(await after(sql)).toEqual([null, UNPUBLISHED]);
  });
});
