import { CdcError } from '../../../src/core/errors';
import type { Database } from '../../../src/core/ports/sql';
import { openDatabase } from '../../../src/postgres/database';
import { createDatabase, stack, type TestDatabase } from '../../support/stack';
import { startTcpProxy } from '../../support/tcp-proxy';
import { eventually } from '../../support/wait';

let database: TestDatabase;
let db: Database;

const options = { applicationName: 'database-test' };
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('did not fail')),
    (error: CdcError) => error,
  );

beforeAll(async () => {
  database = await createDatabase('database');
  db = openDatabase(database.url, 'messaging', options);
  await db.execute('CREATE TABLE account (id bigint PRIMARY KEY, name text NOT NULL)');
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

describe('values', () => {
  it('come as text where JavaScript would lose something', async () => {
    const [row] = await db.query(`SELECT 9223372036854775807::int8 AS big, 12345678901234567890.10::numeric AS exact,
      TIMESTAMP '2026-01-02 03:04:05.123456' AS at, TIMESTAMPTZ '2026-01-02 03:04:05.123456-05' AS zoned, DATE '2026-01-02' AS day,
      true AS yes, 7::int2 AS small, 1.5::float8 AS real, '{"a": [1]}'::jsonb AS doc, ARRAY[9223372036854775807] AS bigs,
      ARRAY['a','b,"c']::name[] AS names, INTERVAL '1 day 2 hours' AS span, '\\xff'::bytea AS bytes, NULL::int4 AS nothing`);
    expect(row).toEqual({
      big: '9223372036854775807',
      exact: '12345678901234567890.10',
      at: '2026-01-02 03:04:05.123456',
      zoned: '2026-01-02 08:04:05.123456+00',
      day: '2026-01-02',
      yes: true,
      small: 7,
      real: 1.5,
      doc: { a: [1] },
      bigs: ['9223372036854775807'],
      names: ['a', 'b,"c'],
      span: '1 day 02:00:00',
      bytes: Buffer.from([0xff]),
      nothing: null,
    });
  });

  it('go in by COPY', async () => {
    await db.transaction(async (sql) => {
      await sql.execute('CREATE TABLE copied (n bigint, text text)');
      const copy = (rows: string) => sql.copy('copied (n, text)', Buffer.from(rows));
      expect(await copy('1\tGarc\u00eda\n2\t\\N\n3\ta\\\\b\\tc')).toBe(3);
      expect(await sql.query('SELECT * FROM copied ORDER BY n')).toEqual([
        { n: '1', text: 'Garc\u00eda' },
        { n: '2', text: null },
        { n: '3', text: 'a\\b\tc' },
      ]);
      await sql.execute('SAVEPOINT before; CREATE UNIQUE INDEX ON copied (n)');
      const { sqlState } = await failure(copy('3\tx'));
      expect(sqlState).toBe('23505');
      await sql.execute('ROLLBACK TO SAVEPOINT before');
      await copy('3\tx');
    });
  });

  it('do not depend on what the database or the URL sets', async () => {
    await db.execute(`ALTER DATABASE ${database.name} SET TimeZone = 'America/Lima'`);
    const url = new URL(database.url);
    url.searchParams.set('options', '-c DateStyle=German -c work_mem=5MB');
    const other = openDatabase(url.href, 'messaging', options);
    try {
      const [row] = await other.query(
        `SELECT TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at, current_setting('work_mem') AS own`,
      );
      expect(row).toEqual({ at: '2026-01-02 03:04:05+00', own: '5MB' });
    } finally {
      await other.close();
    }
  });
});

describe('a transaction', () => {
  it('commits what its work did', async () => {
    expect(
      await db.transaction((tx) => tx.execute(`INSERT INTO account VALUES ($1, $2)`, ['1', 'one'], 'insert')),
    ).toBe(1);
    expect(await db.query('SELECT id, name FROM account')).toEqual([{ id: '1', name: 'one' }]);
  });

  it('leaves nothing and rethrows when its work fails', async () => {
    const thrown = new Error('of the work');
    const ended = db.transaction(async (tx) => {
      await tx.execute(`INSERT INTO account VALUES (2, 'two')`);
      throw thrown;
    });
    expect(await failure(ended)).toBe(thrown);
    expect(await db.query('SELECT FROM account WHERE id = 2')).toEqual([]);
  });

  it('does not pass as committed when a failure in it was swallowed', async () => {
    const ended = db.transaction((tx) => tx.execute('SELECT 1 / 0').catch(() => 0));
    expect(await failure(ended)).toMatchObject({ kind: 'messaging_query' });
  });

  it('runs its statements on one connection', async () => {
    const pids = await db.transaction(async (tx) => {
      const pid = () => tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      return [...(await pid()), ...(await pid())];
    });
    expect(pids[0]).toEqual(pids[1]);
  });
});

describe('errors', () => {
  const cases: readonly [string, string, CdcError['kind'], string][] = [
    ['a duplicate', `INSERT INTO account VALUES (7, 'secret'), (7, 'secret')`, 'messaging_conflict', '23505'],
    ['a missing table', 'SELECT FROM nowhere', 'messaging_schema', '42P01'],
    ['a missing ledger', 'SELECT FROM cdc.checkpoint', 'ledger_missing', '42P01'],
    ['a missing column', 'SELECT nothing FROM account', 'messaging_schema', '42703'],
    ['a null', `INSERT INTO account VALUES (8, NULL)`, 'messaging_query', '23502'],
    ['a malformed value', `SELECT 'secret'::int`, 'messaging_query', '22P02'],
    ['a syntax error', `SELECT 'secret`, 'messaging_query', '42601'],
    ['a raised message', `DO $$ BEGIN RAISE 'secret'; END $$`, 'messaging_query', 'P0001'],
  ];
  it.each(cases)('%s has its kind and holds no value', async (_, text, kind, sqlState) => {
    const error = await failure(db.execute(text));
    expect(error).toBeInstanceOf(CdcError);
    expect(error).toMatchObject({ kind, sqlState });
    expect(error.cause).toBeUndefined();
    expect(error.message).toContain(sqlState);
    expect(error.message).not.toContain('secret');
  });

  const unusable = (change: (url: URL) => void) => {
    const url = new URL(stack().postgresUrl);
    change(url);
    return url.href;
  };
  it.each<[string, (url: URL) => void, CdcError['kind']]>([
    ['a wrong password', (url) => (url.password = 'wrong'), 'source_refused'],
    ['no password', (url) => (url.password = ''), 'source_refused'],
    ['an unknown role', (url) => (url.username = 'nobody_of_that_name'), 'source_refused'],
    ['an unknown database', (url) => (url.pathname = '/no_database_of_that_name'), 'source_refused'],
    ['a closed port', (url) => (url.port = '1'), 'source_unreachable'],
    ['an unknown host', (url) => (url.hostname = 'nowhere.invalid'), 'source_unreachable'],
    ['a server without TLS', (url) => url.searchParams.set('sslmode', 'require'), 'source_refused'],
  ])('%s is told apart', async (_, change, kind) => {
    const other = openDatabase(unusable(change), 'source', options);
    const error = await failure(other.query('SELECT 1'));
    expect(error).toMatchObject({ kind });
    expect(error.message).not.toContain('postgres:postgres');
    await other.close();
  });

  it('a login that ends on our side leaves no connection half-way in the server', async () => {
    const proxy = await startTcpProxy(stack().postgresUrl);
    const url = new URL(proxy.through(stack().postgresUrl));
    url.password = '';
    const other = openDatabase(url.href, 'source', options);
    expect(await failure(other.query('SELECT 1'))).toMatchObject({ kind: 'source_refused' });
    expect(proxy.accepted).toBe(1);
    await eventually(() => proxy.open === 0);
    await other.close();
    await proxy.close();
  });

  it('a terminated session is unreachable, and the next statement gets another', async () => {
    await expect(failure(db.query('SELECT pg_terminate_backend(pg_backend_pid())'))).resolves.toMatchObject({
      kind: 'messaging_unreachable',
    });
    expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('a session that ends between two statements of a transaction fails the transaction only', async () => {
    const ended = db.transaction(async (tx) => {
      const [row] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await db.query('SELECT pg_terminate_backend($1)', [row!.pid]);
      await eventually(
        async () => (await db.query('SELECT FROM pg_stat_activity WHERE pid = $1', [row!.pid])).length === 0,
      );
      await tx.query('SELECT 1');
    });
    expect(await failure(ended)).toMatchObject({ kind: 'messaging_unreachable' });
    expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('a prepared statement that its table outgrew costs one failure, not all', async () => {
    const one = openDatabase(database.url, 'messaging', { ...options, max: 1 });
    const read = () => one.query('SELECT * FROM account', [], 'everything');
    await read();
    await one.execute('ALTER TABLE account ADD COLUMN note text');
    expect(await failure(read())).toMatchObject({ sqlState: '0A000' });
    await expect(read()).resolves.toEqual([{ id: '1', name: 'one', note: null }]);
    await one.close();
  });
});
