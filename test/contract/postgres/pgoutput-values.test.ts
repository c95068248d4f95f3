import { PgoutputDecoder } from '../../../src/postgres/pgoutput';
import captured from '../../fixtures/pgoutput/captured.json';
import type { FrameColumn } from '../../support/pgoutput-frames';
import { type PlainMessage, plainMessage } from '../../support/plain-message';
import { createSource, type Recorder, type Source, startRecording } from '../../support/replication';
import { uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';

jest.setTimeout(30_000);

/** What the database may say about the form of values; the stream's session must not listen. */
const CONTRARY_SETTINGS = [
  `TimeZone = 'America/Lima'`,
  `DateStyle = 'German, DMY'`,
  `IntervalStyle = 'iso_8601'`,
  `extra_float_digits = 0`,
  `bytea_output = 'escape'`,
];

/** Type -> texts as PostgreSQL writes them in UTC, ISO, shortest exact floats, hex. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  int2: ['-32768', '32767'],
  int4: ['-2147483648', '2147483647'],
  int8: ['-9223372036854775808', '9223372036854775807', '9007199254740993', '0'],
  oid: ['4294967295'],
  float4: ['0.1', '-0', 'NaN', 'Infinity'],
  float8: ['0.30000000000000004', '5e-324', '-0', 'NaN', '-Infinity'],
  numeric: ['0.00', '-12345678901234567890.123456789', '0.00000000000000000001', 'NaN', 'Infinity', '-Infinity'],
  'numeric(12,2)': ['9999999999.99', '-0.01', '149.90'],
  text: ['', 'Ana Pérez 🌸', 'back\\slash\ttab\nnewline', `quote ' "`],
  'varchar(50)': ['America/Lima', ' '],
  uuid: ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  timestamp: [
    '2026-11-24 12:00:00.123457',
    '2026-11-24 12:00:00',
    'infinity',
    '-infinity',
    '4713-01-01 00:00:00 BC',
    '294276-12-31 23:59:59.999999',
    '1582-10-10 00:00:00.000001',
  ],
  timestamptz: ['2026-11-24 12:00:00.000001+00', 'infinity', '-infinity', '0001-01-01 00:00:00+00 BC'],
  date: ['2026-11-24', 'infinity', '-infinity', '4713-01-01 BC'],
  time: ['24:00:00', '00:00:00.000001'],
  timetz: ['24:00:00+00', '12:00:00.5-05'],
  interval: ['1 mon -2 days +03:00:00.000001'],
  json: ['{"id": 9007199254740993, "a": 1,   "a": 2}'],
  jsonb: ['{"id": 9007199254740993, "tags": ["ñ"]}'],
  bytea: ['\\x00ff10', '\\x'],
  'int4[]': ['{1,NULL,-3}'],
  'text[]': ['{a,"b c",NULL,"NULL"}'],
  inet: ['10.0.0.1/8', '::1/64'],
};

let source: Source;
afterEach(() => source.drop());

/** All of one run over the slot, which is left where it was. */
async function record(binary: boolean, transactions: number, slot = source.slot): Promise<Recorder> {
  const { stream, recorder } = await startRecording(source, { binary, slot });
  await eventually(() => recorder.commitEnds.length >= transactions);
  await stream.stop();
  return recorder;
}

const columnsOf = (message: PlainMessage | undefined, part: 'before' | 'after') => message?.[part] as FrameColumn[];

describe('values', () => {
  const types = Object.keys(VALUES);
  const rows = Math.max(...Object.values(VALUES).map(({ length }) => length));

  beforeEach(async () => {
    const columns = types.map((type, i) => `c${i} ${type}`).join(', ');
    source = await createSource('values', `CREATE TABLE v (n int PRIMARY KEY, ${columns})`);
    for (const setting of CONTRARY_SETTINGS)
      await source.sql(`ALTER DATABASE ${source.client.database} SET ${setting}`);
    for (let row = 0; row < rows; row++) {
      const values = types.map((type) => VALUES[type]![row] ?? null);
      const parameters = types.map((type, i) => `$${i + 2}::text::${type}`).join(', ');
      await source.sql(`INSERT INTO v VALUES ($1, ${parameters})`, [row, ...values]);
    }
  });

  test('text: every digit, whatever the settings of the database', async () => {
    const recorder = await record(false, rows);
    const inserts = recorder.of('insert');
    for (const [i, type] of types.entries()) {
      const seen = inserts.map((message) => columnsOf(message, 'after')[i + 1]);
      const expected = Array.from({ length: rows }, (_, row) => {
        const text = VALUES[type]![row];
        return text === undefined ? null : { text };
      });
      expect([type, seen]).toEqual([type, expected]);
    }
  });

  test('binary: the same values; the server itself reads them back', async () => {
    const texts = (await record(false, rows)).of('insert');
    const binaries = (await record(true, rows)).of('insert');
    let compared = 0;
    await source.sql(`SET TimeZone = 'UTC'`);
    for (let row = 0; row < rows; row++) {
      for (const [i, type] of types.entries()) {
        const text = columnsOf(texts[row], 'after')[i + 1] as { text: string } | null;
        const binary = columnsOf(binaries[row], 'after')[i + 1] as { binary: Buffer } | null;
        if (text === null || binary === null) {
          expect([type, row, binary]).toEqual([type, row, text]);
          continue;
        }
        expect([type, Object.keys(binary)]).toEqual([type, ['binary']]);
        const [read] = await source.sql(`SELECT $1::${type}::text AS text`, [binary.binary]);
        expect([type, read?.text]).toEqual([type, sameAs(type, text.text)]);
        compared++;
      }
    }
    expect(compared).toBe(Object.values(VALUES).flat().length);
  });
});

/** A cast to text says true and false where output says t and f. */
const sameAs = (type: string, text: string) => (type === 'bool' ? (text === 't' ? 'true' : 'false') : text);

describe('rows', () => {
  const LARGE = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i)`;

  test('a large value that an update did not touch is not sent (F21)', async () => {
    source = await createSource('toast', 'CREATE TABLE t (id int PRIMARY KEY, doc text, n int)');
    await source.sql(`INSERT INTO t VALUES (1, ${LARGE}, 0)`);
    await source.sql('UPDATE t SET n = 1');
    await source.sql('ALTER TABLE t REPLICA IDENTITY FULL');
    await source.sql('UPDATE t SET n = 2');
    await source.sql(`UPDATE t SET doc = 'small'`);
    const recorder = await record(false, 4);
    const [byKey, full, replaced] = recorder.of('update');
    const doc = (columnsOf(recorder.of('insert')[0], 'after')[1] as { text: string }).text;
    expect(doc).toHaveLength(16_000);
    expect(byKey).toMatchObject({ beforeKind: null, after: [{ text: '1' }, 'unchanged', { text: '1' }] });
    expect(full).toMatchObject({
      beforeKind: 'O',
      before: [{ text: '1' }, { text: doc }, { text: '1' }],
      after: [{ text: '1' }, 'unchanged', { text: '2' }],
    });
    expect(replaced).toMatchObject({ before: [{}, { text: doc }, {}], after: [{}, { text: 'small' }, {}] });
  });

  test.each(['DEFAULT', 'USING INDEX t_identity', 'FULL'])(
    'REPLICA IDENTITY %s: what deletes and key changes carry',
    async (identity) => {
      source = await createSource(
        'identity',
        `CREATE TABLE t (id int PRIMARY KEY, tenant int NOT NULL, v text);
       CREATE UNIQUE INDEX t_identity ON t (id, tenant);
       ALTER TABLE t REPLICA IDENTITY ${identity}`,
      );
      await source.sql(`INSERT INTO t VALUES (1, 7, 'a')`);
      await source.sql(`UPDATE t SET v = 'b'`);
      await source.sql(`UPDATE t SET id = 2`);
      await source.sql(`UPDATE t SET tenant = 8`);
      await source.sql(`DELETE FROM t`);
      const recorder = await record(false, 5);
      const whole = identity === 'FULL';
      const kind = whole ? 'O' : 'K';
      const old = (id: string, tenant: string, v: string) => [
        { text: id },
        identity === 'DEFAULT' ? null : { text: tenant },
        whole ? { text: v } : null,
      ];
      const [relation] = recorder.of('relation') as [PlainMessage];
      expect(relation).toMatchObject({
        relation: {
          replicaIdentity: { DEFAULT: 'd', FULL: 'f' }[identity] ?? 'i',
          columns: [{ identity: true }, { identity: identity !== 'DEFAULT' }, { identity: whole }],
        },
      });
      expect(recorder.of('update')).toMatchObject([
        whole ? { beforeKind: kind, before: old('1', '7', 'a') } : { beforeKind: null },
        { beforeKind: kind, before: old('1', '7', 'b') },
        identity === 'DEFAULT' ? { beforeKind: null } : { beforeKind: kind, before: old('2', '7', 'b') },
      ]);
      expect(recorder.of('delete')).toMatchObject([{ beforeKind: kind, before: old('2', '8', 'b') }]);
    },
  );

  test('truncate of several tables, and its options (F23)', async () => {
    source = await createSource(
      'truncate',
      'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)',
    );
    await source.sql('INSERT INTO a VALUES (1)');
    await source.sql('TRUNCATE a, b');
    await source.sql('TRUNCATE a RESTART IDENTITY CASCADE');
    const recorder = await record(false, 3);
    const oids = (await source.sql(`SELECT oid::int FROM pg_class WHERE relname IN ('a', 'b') ORDER BY relname`)).map(
      ({ oid }) => oid,
    );
    expect(recorder.of('truncate')).toMatchObject([
      { relationOids: oids, cascade: false, restartIdentity: false },
      { relationOids: oids, cascade: true, restartIdentity: true },
    ]);
  });

  test('a changed table is described again before its next row (F22)', async () => {
    source = await createSource('alter', 'CREATE TABLE t (id int PRIMARY KEY)');
    await source.sql('INSERT INTO t VALUES (1)');
    await source.sql(`ALTER TABLE t ADD COLUMN "Ünï ""x""" numeric(12,2) DEFAULT 7`);
    await source.sql('INSERT INTO t VALUES (2)');
    await source.sql('ALTER TABLE t DROP COLUMN "Ünï ""x"""');
    await source.sql('INSERT INTO t VALUES (3)');
    const recorder = await record(false, 3);
    expect(recorder.order.filter((what) => what === 'relation' || what === 'insert')).toEqual([
      'relation',
      'insert',
      'relation',
      'insert',
      'relation',
      'insert',
    ]);
    const names = recorder
      .of('relation')
      .map(({ relation }) => (relation as { columns: { name: string }[] }).columns.map(({ name }) => name));
    expect(names).toEqual([['id'], ['id', 'Ünï "x"'], ['id']]);
    expect(recorder.of('relation')[1]).toMatchObject({
      relation: { columns: [{}, { typeOid: 1700, typeModifier: 786438 }] },
    });
    expect(recorder.of('insert').map((message) => columnsOf(message, 'after'))).toEqual([
      [{ text: '1' }],
      [{ text: '2' }, { text: '7.00' }],
      [{ text: '3' }],
    ]);
  });

  test('a row of megabytes, which comes in many pieces, between small ones', async () => {
    source = await createSource('large', 'CREATE TABLE t (id int PRIMARY KEY, doc text)');
    await source.sql(`INSERT INTO t VALUES (1, 'a'), (2, repeat('é', 5000000)), (3, 'b')`);
    const recorder = await record(false, 1);
    const docs = recorder.of('insert').map((message) => (columnsOf(message, 'after')[1] as { text: string }).text);
    expect([docs[0], docs[1]?.length, docs[2]]).toEqual(['a', 5_000_000, 'b']);
    expect(docs[1] === 'é'.repeat(5_000_000)).toBe(true);
  });

  test('xid and commit time of the transaction, to the microsecond', async () => {
    source = await createSource('time', 'CREATE TABLE t (id int PRIMARY KEY)');
    const micros = async () =>
      BigInt(
        (await source.sql(`SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8::text AS now`))[0]!
          .now as string,
      );
    const before = await micros();
    await source.sql('BEGIN');
    await source.sql('INSERT INTO t VALUES (1)');
    const [{ xid }] = (await source.sql('SELECT pg_current_xact_id()::text AS xid')) as [{ xid: string }];
    await source.sql('COMMIT');
    const after = await micros();
    const recorder = await record(false, 1);
    const [begin] = recorder.of('begin') as [PlainMessage];
    const [commit] = recorder.of('commit') as [PlainMessage];
    expect(begin.xid).toBe(Number(BigInt(xid) & 0xffff_ffffn));
    expect(begin.commitTime).toBe(commit.commitTime);
    expect(begin.commitLsn).toBe(commit.commitLsn);
    expect(commit.endLsn).toBeGreaterThan(commit.commitLsn as bigint);
    expect(begin.commitTime).toBeGreaterThanOrEqual(before);
    expect(begin.commitTime).toBeLessThanOrEqual(after);
    expect(Number((begin.commitTime as bigint) % 1000n) + Number((after as bigint) % 1000n)).toBeGreaterThan(0);
  });
});

describe('frames kept for the unit tests', () => {
  /** Ids, positions and times differ from run to run. */
  const shape = (message: PlainMessage) =>
    JSON.parse(
      JSON.stringify(message, (key, value: unknown) => {
        if (typeof value === 'bigint' || /^(xid|oid|relationOids?|typeOid)$/.test(key)) return null;
        return value;
      }),
    ) as unknown;

  test('are still what the server sends', async () => {
    const decoder = new PgoutputDecoder();
    source = await createSource('captured', captured.schema.join(';'));
    const origin = uniqueName('origin');
    for (const statement of captured.statements) await source.sql(statement.replaceAll('ORIGIN', origin));
    await source.sql('SELECT pg_replication_origin_drop($1)', [origin]);
    const recorder = await record(false, captured.transactions);
    const kept = captured.frames.map((frame) => plainMessage(decoder.decode(Buffer.from(frame, 'hex'))));
    expect(recorder.received.map(({ message }) => shape(message))).toEqual(kept.map(shape));
  });
});
