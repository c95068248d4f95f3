import type { SourceQueries } from '../../../src/core/ports/source';
import type { Database } from '../../../src/core/ports/sql';
import { openDatabase } from '../../../src/postgres/database';
import { openSourceQueries } from '../../../src/postgres/source-queries';
import { createDatabase, type TestDatabase, uniqueName } from '../../support/stack';
import { postgresMajor } from '../../support/tools';

let database: TestDatabase;
let db: Database;
let queries: SourceQueries;

beforeAll(async () => {
  database = await createDatabase('queries');
  db = openDatabase(database.url, 'source', { applicationName: 'queries-test' });
  queries = openSourceQueries(database.url, { applicationName: 'queries-test-reader' });
});

afterAll(async () => {
  await queries.close();
  await db.close();
  await database.drop();
});

it('describes a table as the stream does', async () => {
  // Older servers have no virtual columns, and send no generated ones.
  const newer = postgresMajor() >= 18;
  const generated = newer ? [{ name: 'twice', typeOid: 23, typeModifier: -1, identity: false }] : [];
  const virtual = newer ? ', half int GENERATED ALWAYS AS (tenant / 2) VIRTUAL' : '';
  await db.execute(`
    CREATE TABLE described (gone int, id bigint PRIMARY KEY, tenant int NOT NULL, name varchar(10),
      twice int GENERATED ALWAYS AS (tenant * 2) STORED${virtual});
    ALTER TABLE described DROP COLUMN gone;
    CREATE UNIQUE INDEX described_identity ON described (id, tenant)`);
  const marked = async () => {
    const relation = await queries.describe('public', 'described');
    return [relation!.replicaIdentity, relation!.columns.filter((c) => c.identity).map((c) => c.name)];
  };
  const relation = await queries.describe('public', 'described');
  const [{ oid } = { oid: 0 }] = await db.query<{ oid: number }>(`SELECT 'described'::regclass::oid AS oid`);
  expect(relation).toEqual({
    oid,
    schema: 'public',
    table: 'described',
    replicaIdentity: 'd',
    columns: [
      { name: 'id', typeOid: 20, typeModifier: -1, identity: true },
      { name: 'tenant', typeOid: 23, typeModifier: -1, identity: false },
      { name: 'name', typeOid: 1043, typeModifier: 14, identity: false },
      ...generated,
    ],
  });
  await db.execute('ALTER TABLE described REPLICA IDENTITY FULL');
  expect(await marked()).toEqual(['f', ['id', 'tenant', 'name', ...generated.map(({ name }) => name)]]);
  await db.execute('ALTER TABLE described REPLICA IDENTITY USING INDEX described_identity');
  expect(await marked()).toEqual(['i', ['id', 'tenant']]);
  await db.execute('ALTER TABLE described REPLICA IDENTITY NOTHING');
  expect(await marked()).toEqual(['n', []]);
  expect(await queries.describe('public', 'nothing')).toBeNull();
});

it('estimates rows, 0 when nobody counted', async () => {
  await db.execute('CREATE TABLE counted AS SELECT g AS id FROM generate_series(1, 500) g');
  expect(await queries.estimateRows('public', 'nothing')).toBe(0);
  await db.execute('ANALYZE counted');
  expect(await queries.estimateRows('public', 'counted')).toBe(500);
});

it('writes messages into the WAL as transactions of their own', async () => {
  const slot = uniqueName('messages');
  await db.execute(`SELECT pg_create_logical_replication_slot('${slot}', 'test_decoding')`);
  await queries.emitMessage('ventia', 'hello');
  const rows = await db.query<{ data: string }>(`SELECT data FROM pg_logical_slot_get_changes('${slot}', NULL, NULL)`);
  await db.execute(`SELECT pg_drop_replication_slot('${slot}')`);
  expect(rows.map(({ data }) => data.replace(/\d+$/, ''))).toEqual([
    'BEGIN ',
    'message: transactional: 1 prefix: ventia, sz: 5 content:hello',
    'COMMIT ',
  ]);
});
