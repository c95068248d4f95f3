import { CdcError } from '../../../src/core/errors';
import type { ChunkRequest, ChunkResult, MvccSnapshot, SourceQueries } from '../../../src/core/ports/source';
import type { Database } from '../../../src/core/ports/sql';
import { KIND_NULL, type Tuple } from '../../../src/core/tuple';
import { openDatabase } from '../../../src/postgres/database';
import { PgoutputDecoder } from '../../../src/postgres/pgoutput';
import { openSourceQueries } from '../../../src/postgres/source-queries';
import { createDatabase, type TestDatabase, uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';

let database: TestDatabase;
let db: Database;
let queries: SourceQueries;

beforeAll(async () => {
  database = await createDatabase('chunks');
  db = openDatabase(database.url, 'source', { applicationName: 'chunk-test' });
  queries = openSourceQueries(database.url, { applicationName: 'chunk-test-reader' });
});

afterAll(async () => {
  await queries.close();
  await db.close();
  await database.drop();
});

type Values = (string | null)[];

const values = (row: Tuple): Values =>
  Array.from({ length: row.count }, (_, i) =>
    row.kinds[i] === KIND_NULL ? null : row.bytes.toString('utf8', row.starts[i], row.ends[i]),
  );

const request = (table: string, more: Partial<ChunkRequest> = {}): ChunkRequest => ({
  schema: 'public',
  table,
  columns: ['id'],
  keyColumn: 'id',
  after: null,
  limit: 100,
  where: null,
  ...more,
});

async function read(chunk: ChunkRequest): Promise<ChunkResult & { values: Values[] }> {
  const rows: Values[] = [];
  const result = await queries.readChunk(
    chunk,
    () => true,
    (row) => rows.push(values(row)),
  );
  return { ...result!, values: rows };
}

async function readAll(chunk: ChunkRequest): Promise<{ keys: Values; chunks: number }> {
  const keys: Values = [];
  let after: string | null = null;
  for (let chunks = 1; ; chunks++) {
    const result: ChunkResult & { values: Values[] } = await read({ ...chunk, after });
    keys.push(...result.values.map(([key]) => key!));
    if (result.exhausted) return { keys, chunks };
    after = result.lastKey;
  }
}

/** The database's URL for a role of the test's own. */
function as(role: string): string {
  const url = new URL(database.url);
  url.username = role;
  url.password = 'pw';
  return url.href;
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('did not fail')),
    (error: CdcError) => error,
  );

describe('keyset', () => {
  it.each([
    ['integer', `SELECT g - 50, g FROM generate_series(1, 100) g`],
    ['bigint', `SELECT 9007199254740991 * g, g FROM generate_series(-50, 49) g`],
    ['uuid', `SELECT gen_random_uuid(), g FROM generate_series(1, 100) g`],
    ['numeric', `SELECT g + 0.5, g FROM generate_series(1, 100) g`],
    ['text', `SELECT E'it''s\\\\' || g, g FROM generate_series(1, 100) g`],
  ])('goes over %s keys in their own order, each row once', async (type, rows) => {
    const table = uniqueName('keys');
    await db.execute(`CREATE TABLE ${table} (id ${type} PRIMARY KEY, n int)`);
    await db.execute(`INSERT INTO ${table} ${rows}`);
    const expected = await db.query<{ id: string }>(`SELECT id::text FROM ${table} ORDER BY ${table}.id`);
    const { keys, chunks } = await readAll(request(table, { limit: 30 }));
    expect(keys).toEqual(expected.map(({ id }) => id));
    expect(chunks).toBe(4);
  });

  it('says that the table has ended only when no further row was there', async () => {
    await db.execute('CREATE TABLE ended AS SELECT g AS id FROM generate_series(1, 10) g');
    expect(await read(request('ended', { limit: 10 }))).toMatchObject({ rows: 10, lastKey: '10', exhausted: false });
    expect(await read(request('ended', { limit: 11 }))).toMatchObject({ rows: 10, lastKey: '10', exhausted: true });
    expect(await read(request('ended', { after: '10' }))).toEqual({
      rows: 0,
      lastKey: null,
      exhausted: true,
      values: [],
    });
  });

  it('reads the columns asked for, in that order, whatever the key', async () => {
    await db.execute(
      `CREATE TABLE odd ("Id" int, "a ""b""" text, c int); INSERT INTO odd VALUES (1, 'x', NULL), (2, NULL, 3)`,
    );
    const chunk = request('odd', { columns: ['c', 'a "b"'], keyColumn: 'Id' });
    expect(await read(chunk)).toMatchObject({
      values: [
        [null, 'x'],
        ['3', null],
      ],
      lastKey: '2',
    });
  });

  it("keeps an operator's condition to itself", async () => {
    await db.execute('CREATE TABLE filtered AS SELECT g AS id FROM generate_series(1, 10) g');
    const where = 'id < 3 OR id = 9 -- the ninth';
    expect(await read(request('filtered', { after: '1', where }))).toMatchObject({ values: [['2'], ['9']] });
  });

  it('reads a partitioned table as one, and a parent without its children', async () => {
    await db.execute(`
      CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
      CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (5);
      CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (5) TO (10);
      INSERT INTO parted VALUES (7), (1);
      CREATE TABLE parent AS SELECT 1 AS id; CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (2);
      ANALYZE parted`);
    expect((await read(request('parted'))).values).toEqual([['1'], ['7']]);
    expect((await read(request('parent'))).values).toEqual([['1']]);
    expect(await queries.estimateRows('public', 'parted')).toBe(2);
  });
});

describe('the snapshot', () => {
  it('is shown before any row is read, and refused leaves the table unread', async () => {
    await db.execute('CREATE TABLE shown AS SELECT 1 AS id');
    const seen: MvccSnapshot[] = [];
    const rows: Values[] = [];
    const [open] = await db.transaction(async (tx) => {
      const running = await tx.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
      await db.query('SELECT pg_current_xact_id()');
      const result = await queries.readChunk(
        request('shown'),
        (snapshot) => seen.push(snapshot) === 0,
        (row) => rows.push(values(row)),
      );
      expect(result).toBeNull();
      return running;
    });
    expect(rows).toEqual([]);
    const [snapshot] = seen;
    expect(snapshot!.running).toContain(BigInt(open!.xid));
    expect(snapshot!.xmin).toBeLessThanOrEqual(BigInt(open!.xid));
    expect(snapshot!.xmax).toBeGreaterThan(BigInt(open!.xid));
  });

  it('is taken again when the table was rewritten after it', async () => {
    await db.execute('CREATE TABLE rewritten AS SELECT g AS id FROM generate_series(1, 3) g');
    let reading: Promise<ChunkResult & { values: Values[] }> | undefined;
    await db.transaction(async (tx) => {
      await tx.execute('ALTER TABLE rewritten ADD COLUMN extra float8 DEFAULT random()');
      reading = read(request('rewritten'));
      // By now the reader has its snapshot, and waits for the table.
      const waiting = `SELECT FROM pg_locks WHERE relation = 'rewritten'::regclass AND NOT granted`;
      await eventually(async () => (await db.query(waiting)).length > 0);
    });
    expect((await reading!).values).toEqual([['1'], ['2'], ['3']]);
  });
});

/** Columns of all kinds of types, with values whose text is easily got wrong. */
const TYPES: readonly [string, readonly string[]][] = [
  ['boolean', ['true', 'false']],
  ['smallint', ['-32768']],
  ['integer', ['2147483647']],
  ['bigint', ['-9223372036854775808']],
  ['numeric', ["'NaN'", '1e-20', '12345678901234567890.123456789', "'-Infinity'"]],
  ['numeric(12,2)', ['0.1']],
  ['real', ['0.1', "'Infinity'", '1e20']],
  ['double precision', ['0.1', '1.0/3', "'NaN'", "'-0'", '123456789012345678']],
  ['money', ['1234.5']],
  ['text', ["E'tab\\t, newline\\n, back\\\\slash, ''quote'''", "''", "'mañana 😀'"]],
  ['varchar(40)', ["'x '"]],
  ['char(8)', ["'padded'"]],
  ['"char"', ["'x'"]],
  ['name', ["'a name'"]],
  ['bytea', ["'\\x00ff5c'", "''"]],
  ['date', ["'0044-03-15 BC'", "'infinity'", "'2026-02-28'"]],
  ['time', ["'24:00'", "'12:34:56.789012'"]],
  ['timetz', ["'24:00-05'"]],
  ['timestamp', ["'2026-01-02 03:04:05.123456'", "'-infinity'", "'0001-01-01 00:00:00 BC'", "'294276-12-31'"]],
  ['timestamptz', ["'2026-01-02 03:04:05.123456-05'", "'infinity'", "'1500-01-01 00:00:00+00'"]],
  ['interval', ["'1 year 2 mons -3 days 04:05:06.789'", "'-1 mon'"]],
  ['uuid', ["'00000000-0000-0000-0000-00000000000A'"]],
  ['json', [`'{"b" : 1, "a":1.10}'`]],
  ['jsonb', [`'{"b" : 1, "a":1.10}'`, "'null'"]],
  ['xml', ["'<a>b</a>'"]],
  ['inet', ["'10.0.0.1'", "'10.0.0.1/8'"]],
  ['cidr', ["'10.0.0.0/8'"]],
  ['macaddr', ["'08:00:2b:01:02:03'"]],
  ['bit(4)', ["'1010'"]],
  ['bit varying', ["'101'"]],
  ['point', ["'(0.1,2)'"]],
  ['box', ["'(1,2),(0.1,0)'"]],
  ['tsvector', ["'a fat cat'"]],
  ['int4range', ["'[1,5]'", "'empty'"]],
  ['tsrange', ["'[2026-01-01, 2026-01-02)'"]],
  ['int4multirange', ["'{[1,3], [5,6]}'"]],
  ['integer[]', ["'{1,NULL,3}'", "'[2:3]={1,2}'"]],
  ['text[]', [`ARRAY['a,b','"q"',NULL,'','NULL','x\\y']`]],
  ['boolean[]', ["'{t,f}'"]],
  ['timestamptz[]', [`ARRAY['2026-01-02 03:04:05-05'::timestamptz]`]],
  ['regclass', ["'pg_class'"]],
  ['oid', ['4294967295']],
  ['mood', ["'so so'"]],
  ['pair', [`ROW(1, 'a "b"')`]],
  ['flag', ['true']],
  ['email', ["'x'"]],
];

describe("the text of a value equals the stream's", () => {
  const columns = TYPES.map((_, i) => `c${i}`);

  beforeAll(async () => {
    await db.execute(`
      CREATE TYPE mood AS ENUM ('so so');
      CREATE TYPE pair AS (a int, b text);
      CREATE DOMAIN flag AS boolean;
      CREATE DOMAIN email AS varchar(10)`);
  });

  /** The rows as pgoutput writes them for a session of ours. */
  async function streamed(table: string): Promise<Values[]> {
    const slot = uniqueName('types');
    await db.execute(`CREATE PUBLICATION ${slot} FOR TABLE ${table}`);
    await db.execute(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    try {
      await db.execute(`INSERT INTO ${table} SELECT * FROM ${table}_values`);
      const messages = await db.query<{ data: Buffer }>(
        `SELECT data FROM pg_logical_slot_get_binary_changes('${slot}', NULL, NULL, 'proto_version', '1', 'publication_names', '${slot}')`,
      );
      const decoder = new PgoutputDecoder();
      return messages.flatMap(({ data }) => {
        const message = decoder.decode(data);
        return message.type === 'insert' ? [values(message.after)] : [];
      });
    } finally {
      await db.execute(`SELECT pg_drop_replication_slot('${slot}')`);
    }
  }

  it('for all kinds of types, whatever the database sets', async () => {
    await db.execute(`ALTER DATABASE ${database.name} SET bytea_output = 'escape'`);
    await db.execute(`ALTER DATABASE ${database.name} SET IntervalStyle = 'sql_standard'`);
    await db.execute(`ALTER DATABASE ${database.name} SET DateStyle = 'SQL, DMY'`);
    await db.execute(`ALTER DATABASE ${database.name} SET extra_float_digits = 0`);
    await db.execute(`ALTER DATABASE ${database.name} SET TimeZone = 'America/Lima'`);
    const definition = `(id int PRIMARY KEY, ${TYPES.map(([type], i) => `c${i} ${type}`).join(', ')})`;
    await db.execute(`CREATE TABLE types ${definition}; CREATE TABLE types_values ${definition}`);
    const longest = Math.max(...TYPES.map(([, literals]) => literals.length));
    for (let i = 0; i <= longest; i++) {
      const row = TYPES.map(([type, literals]) => (literals[i] === undefined ? 'NULL' : `(${literals[i]})::${type}`));
      await db.execute(`INSERT INTO types_values VALUES (${i}, ${row.join(', ')})`);
    }

    const fresh = openSourceQueries(database.url, { applicationName: 'chunk-test-types' });
    const expected = await streamed('types');
    const rows: Values[] = [];
    await fresh.readChunk(
      request('types', { columns: ['id', ...columns] }),
      () => true,
      (row) => rows.push(values(row)),
    );
    await fresh.close();

    expect(expected).toHaveLength(longest + 1);
    expect(rows).toEqual(expected);
    const first = new Map(TYPES.map(([type], i) => [type, rows[0]![i + 1]]));
    expect([first.get('boolean'), first.get('char(8)'), first.get('inet'), first.get('timestamptz')]).toEqual([
      't',
      'padded  ',
      '10.0.0.1',
      '2026-01-02 08:04:05.123456+00',
    ]);
  });
});

describe('what goes wrong', () => {
  it('needs no right beyond the columns it reads', async () => {
    const role = uniqueName('reader');
    await db.execute(`
      CREATE TABLE partly (id int, name text, secret text); INSERT INTO partly VALUES (1, 'a', 'b');
      CREATE ROLE ${role} LOGIN PASSWORD 'pw'; GRANT SELECT (id, name) ON partly TO ${role}`);
    const limited = openSourceQueries(as(role), { applicationName: 'chunk-test-limited' });
    const columns = (...names: string[]) =>
      limited.readChunk(
        request('partly', { columns: names }),
        () => true,
        () => {},
      );
    expect(await columns('id', 'name')).toMatchObject({ rows: 1 });
    expect(await failure(columns('secret'))).toMatchObject({ kind: 'source_permission' });
    await limited.close();
    await db.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  beforeAll(async () => {
    await db.execute('CREATE TABLE plain AS SELECT g AS id FROM generate_series(1, 5) g');
  });

  it('is told by kind', async () => {
    expect(await failure(read(request('nothing')))).toMatchObject({ kind: 'table_missing' });
    expect(await failure(read(request('plain', { columns: ['gone'] })))).toMatchObject({
      kind: 'contract_column_missing',
    });
    expect(await failure(read(request('plain', { where: 'id = ' })))).toMatchObject({ kind: 'source_query' });
  });

  it('leaves the connection usable when a row was refused', async () => {
    const refused = new Error('of the reader');
    const one = openSourceQueries(database.url, { applicationName: 'chunk-test-refusing' });
    const reading = one.readChunk(
      request('plain'),
      () => true,
      () => {
        throw refused;
      },
    );
    expect((await failure(reading)).cause).toBe(refused);
    expect(
      await one.readChunk(
        request('plain'),
        () => true,
        () => {},
      ),
    ).toMatchObject({ rows: 5 });
    await one.close();
  });

  it('is not hidden by a row-level policy', async () => {
    const role = uniqueName('reader');
    await db.execute(`
      CREATE TABLE guarded AS SELECT g AS id FROM generate_series(1, 5) g;
      ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
      CREATE POLICY few ON guarded USING (id < 3);
      CREATE ROLE ${role} LOGIN PASSWORD 'pw'; GRANT SELECT ON guarded TO ${role}`);
    const limited = openSourceQueries(as(role), { applicationName: 'chunk-test-limited' });
    const reading = limited.readChunk(
      request('guarded'),
      () => true,
      () => {},
    );
    expect(await failure(reading)).toMatchObject({ kind: 'source_permission' });
    await limited.close();
    await db.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});

describe('beside the chunks', () => {
  it('describes a table as the stream does', async () => {
    await db.execute(`
      CREATE TABLE described (gone int, id bigint PRIMARY KEY, tenant int NOT NULL, name varchar(10),
        twice int GENERATED ALWAYS AS (tenant * 2) STORED, half int GENERATED ALWAYS AS (tenant / 2) VIRTUAL);
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
        { name: 'twice', typeOid: 23, typeModifier: -1, identity: false },
      ],
    });
    await db.execute('ALTER TABLE described REPLICA IDENTITY FULL');
    expect(await marked()).toEqual(['f', ['id', 'tenant', 'name', 'twice']]);
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
    const rows = await db.query<{ data: string }>(
      `SELECT data FROM pg_logical_slot_get_changes('${slot}', NULL, NULL)`,
    );
    await db.execute(`SELECT pg_drop_replication_slot('${slot}')`);
    expect(rows.map(({ data }) => data.replace(/\d+$/, ''))).toEqual([
      'BEGIN ',
      'message: transactional: 1 prefix: ventia, sz: 5 content:hello',
      'COMMIT ',
    ]);
  });

  it('knows CdcError only', async () => {
    await expect(
      queries.readChunk(
        request('nothing'),
        () => true,
        () => {},
      ),
    ).rejects.toBeInstanceOf(CdcError);
  });
});
