import { Client } from 'pg';
import { type FieldType, typeJson } from '../../../src/avro/contract';
import { readingFor } from '../../../src/avro/type-table';
import { avroOracle } from '../../support/avro';
import { stack } from '../../support/stack';

/**
 * Values as a real server sends them, text (its output function) and binary (`…send(x)`), against what PostgreSQL itself says they
 * mean (`meaning`, a SQL expression over x).
 */
interface Case {
  readonly type: string;
  readonly oid: number;
  readonly avro: FieldType['kind'] | [precision: number, scale: number];
  /** The function that makes the binary form; null where only text is understood. */
  readonly send: string | null;
  readonly meaning: string;
  readonly values: readonly string[];
}

const MICROS =
  "CASE WHEN isfinite(x) THEN trunc(extract(epoch FROM x) * 1000000)::text WHEN x > 'epoch' THEN '9223372036854775807' ELSE '-9223372036854775808' END";
const TIMES = [
  'epoch',
  '2024-02-29 23:59:59.999999',
  '2026-03-04 05:06:07.1',
  '1582-10-10 12:34:56',
  '1900-02-28 00:00:00.000001',
  '0001-01-01',
  '0044-03-15 12:00 BC',
  '4714-11-24 BC',
  '10000-01-01',
  '99999-12-31 23:59:59.5',
  '294247-01-10 04:00:54.775806',
  'infinity',
  '-infinity',
  '2099-12-31 23:59:59.999999',
  '2100-02-28 23:00',
];

const CASES: readonly Case[] = [
  { type: 'bool', oid: 16, avro: 'boolean', send: 'boolsend', meaning: 'x::text', values: ['t', 'f'] },
  { type: 'int2', oid: 21, avro: 'int', send: 'int2send', meaning: 'x::text', values: ['0', '-32768', '32767'] },
  {
    type: 'int4',
    oid: 23,
    avro: 'long',
    send: 'int4send',
    meaning: 'x::text',
    values: ['0', '-1', '-2147483648', '2147483647'],
  },
  {
    type: 'int8',
    oid: 20,
    avro: 'long',
    send: 'int8send',
    meaning: 'x::text',
    values: [
      '0',
      '-9223372036854775808',
      '9223372036854775807',
      '9007199254740993',
      '-4503599627370497',
      '1000000000000000',
    ],
  },
  {
    type: 'int8',
    oid: 20,
    avro: 'string',
    send: 'int8send',
    meaning: 'x::text',
    values: ['0', '-9223372036854775808', '9223372036854775807', '-1', '999999999', '1000000000'],
  },
  {
    type: 'float8',
    oid: 701,
    avro: 'double',
    send: 'float8send',
    meaning: 'x::text',
    values: [
      '0',
      '-0',
      '0.1',
      '199.9',
      '1e15',
      '123456789012345',
      '1e-5',
      '0.0001',
      '1.7976931348623157e308',
      '5e-324',
      'NaN',
      'Infinity',
      '-Infinity',
      '0.30000000000000004',
    ],
  },
  {
    type: 'float4',
    oid: 700,
    avro: 'float',
    send: 'float4send',
    meaning: 'x::float8::text',
    values: ['0', '0.1', '3.4028235e38', '1e-45', '16777217', 'NaN', '-Infinity'],
  },
  {
    type: 'float4',
    oid: 700,
    avro: 'double',
    send: 'float4send',
    meaning: 'x::float8::text',
    values: ['0.1', '1e10', '-2.5', 'Infinity'],
  },
  {
    type: 'numeric',
    oid: 1700,
    avro: [18, 2],
    send: 'numeric_send',
    meaning: 'trim_scale(x * 100)::text',
    values: [
      '0',
      '0.00',
      '-0.01',
      '99.9',
      '1234.56',
      '10000',
      '100000000.01',
      '9999999999999999.99',
      '-9007199254740993.01',
      '0.10',
    ],
  },
  {
    type: 'numeric',
    oid: 1700,
    avro: [60, 20],
    send: 'numeric_send',
    meaning: 'trim_scale(x * 100000000000000000000)::text',
    values: ['1e-20', '-1234567890123456789012345678901234567890', '0.00001', '1e39', '12345678.90123456789'],
  },
  {
    type: 'numeric',
    oid: 1700,
    avro: 'string',
    send: 'numeric_send',
    meaning: 'x::text',
    values: [
      '0',
      '0.000',
      '-1.50',
      'NaN',
      'Infinity',
      '-Infinity',
      '1e100',
      '1e-100',
      '10000',
      '0.0001',
      '0.00010000',
      '99999999.99999999',
      '12345.6789e-20',
      '-10000000000000000',
    ],
  },
  {
    type: 'text',
    oid: 25,
    avro: 'string',
    send: 'textsend',
    meaning: 'x::text',
    values: ['', 'María “Ñ” 🌸', ' spaced ', 'a\nb\t\\', 'x'.repeat(5000)],
  },
  { type: 'char(6)', oid: 1042, avro: 'string', send: 'bpcharsend', meaning: 'rpad(x::text, 6)', values: ['ab', 'ñ'] },
  {
    type: 'uuid',
    oid: 2950,
    avro: 'uuid',
    send: 'uuid_send',
    meaning: 'x::text',
    values: ['{AAAAAAAA-0000-4000-8000-0123456789AB}', '00000000-0000-0000-0000-000000000000'],
  },
  {
    type: 'bytea',
    oid: 17,
    avro: 'bytes',
    send: 'byteasend',
    meaning: "encode(x, 'hex')",
    values: ['', '\\x00ff10', 'abc'],
  },
  {
    type: 'json',
    oid: 114,
    avro: 'string',
    send: 'json_send',
    meaning: 'x::text',
    values: ['{"a" : [1,  2.50, null]}'],
  },
  {
    type: 'jsonb',
    oid: 3802,
    avro: 'string',
    send: 'jsonb_send',
    meaning: 'x::text',
    values: ['{"b": 12345678901234567890.10, "a": "ñ"}'],
  },
  {
    type: 'date',
    oid: 1082,
    avro: 'date',
    send: 'date_send',
    meaning:
      "CASE WHEN isfinite(x) THEN (x - date '1970-01-01')::text WHEN x > 'epoch' THEN '2147483647' ELSE '-2147483648' END",
    values: [
      '1970-01-01',
      '2024-02-29',
      '0001-01-01',
      '0044-03-15 BC',
      '4714-11-24 BC',
      '5874897-12-31',
      '1582-10-10',
      'infinity',
      '-infinity',
    ],
  },
  {
    type: 'time',
    oid: 1083,
    avro: 'time-micros',
    send: 'time_send',
    meaning: 'trunc(extract(epoch FROM x) * 1000000)::text',
    values: ['00:00', '23:59:59.999999', '24:00', '12:34:56.7'],
  },
  { type: 'timestamp', oid: 1114, avro: 'timestamp-micros', send: 'timestamp_send', meaning: MICROS, values: TIMES },
  {
    type: 'timestamptz',
    oid: 1184,
    avro: 'timestamp-micros',
    send: 'timestamptz_send',
    meaning: MICROS,
    values: TIMES,
  },
  {
    type: 'interval',
    oid: 1186,
    avro: 'string',
    send: null,
    meaning: 'x::text',
    values: ['1 year 2 mons -3 days 04:05:06.7'],
  },
  { type: 'timetz', oid: 1266, avro: 'string', send: null, meaning: 'x::text', values: ['12:34:56.7-05:30'] },
  { type: 'inet', oid: 869, avro: 'string', send: null, meaning: 'x::text', values: ['10.0.0.0/8', '2001:db8::/32'] },
  {
    type: 'text[]',
    oid: 1009,
    avro: 'string',
    send: null,
    meaning: 'x::text',
    values: ['{a,"b c",NULL,"{}"}', '{{1,2},{3,4}}'],
  },
  { type: 'int4range', oid: 3904, avro: 'string', send: null, meaning: 'x::text', values: ['[1,5)'] },
];

describe.each(['UTC', 'America/Lima', 'Asia/Kolkata'])('sent with TimeZone %s', (zone) => {
  const client = new Client({ connectionString: stack().postgresUrl });
  beforeAll(async () => {
    await client.connect();
    await client.query(
      `SET TimeZone = '${zone}'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'; SET extra_float_digits = 3`,
    );
  });
  afterAll(() => client.end());

  test.each(CASES.map((c) => [`${c.type} as ${c.avro}`, c] as const))(
    '%s',
    async (_, { type, oid, avro, send, meaning, values }) => {
      // A time zone in the session must not move what the values mean.
      const cast = type === 'timestamptz' ? "unnest::timestamp AT TIME ZONE 'UTC'" : `unnest::${type}`;
      const [precision, scale] = Array.isArray(avro) ? avro : [0, 0];
      const kind = Array.isArray(avro) ? 'decimal' : avro;
      const reading = readingFor({ typeOid: oid, typeModifier: -1 }, { kind, precision, scale })!;
      const oracle = avroOracle(JSON.stringify(typeJson({ kind, precision, scale })));
      const { rows, fields } = await client.query({
        text: `SELECT x, ${send ? `${send}(x)` : 'NULL'}, ${meaning} FROM (SELECT ${cast} AS x FROM unnest($1::text[])) v`,
        values: [values],
        rowMode: 'array',
        types: { getTypeParser: () => String },
      });
      expect(rows).toHaveLength(values.length);
      expect(fields[0]!.dataTypeID).toBe(oid);
      expect(reading.binary === null).toBe(send === null);
      for (const [text, binary, means] of rows as [string, string | null, string][]) {
        const encode = (writer: typeof reading.text, value: Buffer) => {
          const out = Buffer.alloc(value.length + reading.room);
          return out.subarray(0, writer(out, 0, value, 0, value.length));
        };
        const bytes = encode(reading.text, Buffer.from(text));
        const binaryBytes = binary && encode(reading.binary!, Buffer.from(binary.slice(2), 'hex'));
        if (binaryBytes) expect(binaryBytes.toString('hex')).toBe(bytes.toString('hex'));
        const read: unknown = oracle.fromBuffer(bytes);
        // As numbers, so that -0 and 1e+15 are what they are.
        if (kind === 'double' || kind === 'float') expect(read).toBe(Number(means));
        else expect(Buffer.isBuffer(read) ? read.toString('hex') : String(read)).toBe(means);
      }
    },
  );
});
