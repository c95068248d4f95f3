import type { Database } from '../../../src/core/ports/sql';
import { KIND_NULL, type Tuple } from '../../../src/core/tuple';
import { openDatabase } from '../../../src/postgres/database';
import { PgoutputDecoder } from '../../../src/postgres/pgoutput';
import { openSourceQueries } from '../../../src/postgres/source-queries';
import { createDatabase, type TestDatabase, uniqueName } from '../../support/stack';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createDatabase('text_form');
  db = openDatabase(database.url, 'source', { applicationName: 'text-form-test' });
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

type Values = (string | null)[];

const values = (row: Tuple): Values =>
  Array.from({ length: row.count }, (_, i) =>
    row.kinds[i] === KIND_NULL ? null : row.bytes.toString('utf8', row.starts[i], row.ends[i]),
  );

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

    const fresh = openSourceQueries(database.url, { applicationName: 'text-form-test' });
    const expected = await streamed('types');
    const rows: Values[] = [];
    await fresh.readChunk(
      {
        schema: 'public',
        table: 'types',
        columns: ['id', ...columns],
        keyColumn: 'id',
        after: null,
        limit: 100,
        where: null,
      },
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
