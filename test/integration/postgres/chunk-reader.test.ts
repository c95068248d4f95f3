import type { CdcError } from '../../../src/core/errors';
import type { ChunkRequest, ChunkResult, MvccSnapshot, SourceQueries } from '../../../src/core/ports/source';
import type { Database } from '../../../src/core/ports/sql';
import { KIND_NULL, type Tuple } from '../../../src/core/tuple';
import { openDatabase } from '../../../src/postgres/database';
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
      bytes: 0,
      scanned: 0,
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

  it('goes on by the keys it has passed, so that a search for rare rows is no long read', async () => {
    await db.execute('CREATE TABLE rare AS SELECT g AS id FROM generate_series(1, 100) g');
    const chunk = request('rare', { limit: 30, where: 'id IN (31, 95)' });
    expect(await read(chunk)).toMatchObject({ values: [], scanned: 30, lastKey: '30', exhausted: false });
    expect(await read({ ...chunk, after: '30' })).toMatchObject({ values: [['31']], scanned: 30, lastKey: '60' });
    const last = await read({ ...chunk, after: '90' });
    expect(last).toMatchObject({ values: [['95']], scanned: 10, lastKey: '100', exhausted: true });
  });

  it('ends where its bytes are full, with the rows it has', async () => {
    await db.execute(`CREATE TABLE wide AS SELECT g AS id, repeat('x', 100000) AS text FROM generate_series(1, 200) g`);
    const chunk = request('wide', { columns: ['id', 'text'], limit: 200, maxBytes: 450_000 });
    const first = await read(chunk);
    expect(first).toMatchObject({ rows: 5, scanned: 5, lastKey: '5', exhausted: false });
    expect(first.bytes).toBeGreaterThan(500_000);
    // The connection was given up in the middle of the answer; the next chunk has another.
    expect(await read({ ...chunk, after: '5', limit: 3 })).toMatchObject({ rows: 3, lastKey: '8', exhausted: false });
    expect(await read({ ...chunk, after: '198' })).toMatchObject({ rows: 2, lastKey: '200', exhausted: true });
    expect(await read({ ...chunk, maxBytes: 1, limit: 200 })).toMatchObject({
      rows: 1,
      lastKey: '1',
      exhausted: false,
    });
    const odd = await read({ ...chunk, where: 'id % 2 = 1', limit: 100 });
    expect(odd).toMatchObject({ rows: 5, lastKey: '9', exhausted: false });
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

describe('a condition', () => {
  beforeAll(async () => {
    await db.execute(`
      CREATE TABLE asked AS SELECT g AS id, 'x'::text AS name, now() AS at FROM generate_series(1, 10) g;
      CREATE TABLE secret AS SELECT 1 AS id`);
  });

  it.each([
    'id > 3',
    "name = 'a) or (b' OR at > now() - interval '1 day' -- and so on",
    'id IN (SELECT id FROM secret) /* nested /* comments */ too */',
    `name ~ '[)]' AND "name" <> $$it's$$`,
  ])('that is one is taken: %s', async (where) => {
    await queries.checkCondition('public', 'asked', where);
    expect((await read(request('asked', { where }))).scanned).toBe(10);
  });

  it.each([
    ['', /empty/],
    ['id = ', /at its end/],
    ['colour = 1', /at character 1: column "colour" does not exist/],
    ['id', /must be type boolean/],
    ['name = 1', /operator does not exist/],
    ["id = 'planted'", /at character 6/],
    ['id IN (SELECT id FROM nowhere)', /at character 23/],
    ['true; DROP TABLE asked', /at character 5/],
    ['true) TO STDOUT; DROP TABLE asked; COPY (SELECT (1', /refused/],
    ['true) UNION ALL SELECT FROM secret WHERE (true', /at character/],
    ['true]) UNION ALL SELECT FROM secret WHERE true = ALL (ARRAY[true', /at character/],
    ['true) -- ', /refused/],
    ["name = 'open", /refused/],
    ['true OR "name', /refused/],
    ['true /* open', /refused/],
    ['name = $x$open', /refused/],
    ['id = $1', /refused/],
    ['count(*) > 1', /aggregate/],
    ['true LIMIT 1', /at character/],
  ])('that is none, or more, is refused by name: %s', async (where, message) => {
    const error = await failure(queries.checkCondition('public', 'asked', where));
    expect(error).toMatchObject({ kind: 'snapshot_where', message: expect.stringMatching(message) });
    expect(error.message).not.toContain('planted');
    expect(await db.query('SELECT FROM asked')).toHaveLength(10);
  });

  it('asks for no more than the role may', async () => {
    const role = uniqueName('reader');
    await db.execute(`CREATE ROLE ${role} LOGIN PASSWORD 'pw'; GRANT SELECT (id) ON asked TO ${role}`);
    const limited = openSourceQueries(as(role), { applicationName: 'chunk-test-limited' });
    await limited.checkCondition('public', 'asked', 'id = 1');
    for (const where of ["name = 'x'", 'id IN (SELECT id FROM secret)'])
      expect(await failure(limited.checkCondition('public', 'asked', where))).toMatchObject({
        kind: 'source_permission',
      });
    await limited.close();
    await db.execute(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
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
