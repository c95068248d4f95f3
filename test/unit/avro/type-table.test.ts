import type { FieldType } from '../../../src/avro/contract';
import { readingFor } from '../../../src/avro/type-table';
import type { CdcError } from '../../../src/core/errors';

/** What a value becomes, as hexadecimal, or why not; a Buffer is binary, a string text. */
function write(
  oid: number,
  type: FieldType['kind'] | [precision: number, scale: number],
  value: string | Buffer,
): string {
  const [precision, scale] = Array.isArray(type) ? type : [0, 0];
  const kind = Array.isArray(type) ? 'decimal' : type;
  const reading = readingFor({ typeOid: oid, typeModifier: -1 }, { kind, precision, scale })!;
  const bytes = Buffer.from(value);
  const out = Buffer.alloc(bytes.length + reading.room);
  try {
    const writer = typeof value === 'string' ? reading.text : reading.binary!;
    const end = writer(out, 0, bytes, 0, bytes.length);
    expect(end).toBeLessThanOrEqual(out.length);
    return out.toString('hex', 0, end);
  } catch (error) {
    return `${(error as CdcError).kind}: ${(error as Error).message}`;
  }
}

/** Zigzag and varint the slow way. */
function long(n: bigint): string {
  let rest = n >= 0n ? 2n * n : -2n * n - 1n;
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes).toString('hex');
}
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const int64 = (n: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(n);
  return bytes;
};
const int32 = (n: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(n);
  return bytes;
};
/** Microseconds since 2000, as PostgreSQL sends them. */
const since2000 = (micros: bigint) => int64(micros - 946_684_800_000_000n);

const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;
const DATE = 1082;
const NUMERIC = 1700;

describe('int8', () => {
  test.each([
    ['9223372036854775807', MAX],
    ['-9223372036854775808', MIN],
    ['-9223372036854775807', MIN + 1n],
    ['9007199254740993', 2n ** 53n + 1n],
    ['-9007199254740993', -(2n ** 53n) - 1n],
    ['999999999999999', 10n ** 15n - 1n],
    ['-999999999999999', 1n - 10n ** 15n],
    ['4294967296', 2n ** 32n],
    ['-4294967296', -(2n ** 32n)],
    ['-0', 0n],
    ['-0000000000000000000', 0n],
  ])('%s', (text, n) => {
    expect(write(20, 'long', text)).toBe(long(n));
    expect(write(20, 'long', int64(n))).toBe(long(n));
  });

  test.each(['9223372036854775808', '-9223372036854775809', '18446744073709551615', '99999999999999999999'])(
    '%s is more than 64 bits',
    (text) => expect(write(20, 'long', text)).toBe('unencodable: not an integer of 64 bits'),
  );

  test.each(['', '-', '+1', '1.0', '1e3', ' 1', '0x10', '123456789012345x', '--1', '1234567890123456-'])(
    '%j is none',
    (text) => expect(write(20, 'long', text)).toBe('unencodable: not an integer'),
  );

  test('int has 32 bits', () => {
    expect(write(23, 'int', '2147483647')).toBe(long(2n ** 31n - 1n));
    expect(write(23, 'int', '-2147483648')).toBe(long(-(2n ** 31n)));
    expect(write(23, 'int', '2147483648')).toBe('unencodable: not an integer of 32 bits');
  });
});

describe('timestamps', () => {
  const at = (iso: string, micros = 0n) => BigInt(Date.parse(iso)) * 1000n + micros;
  test.each<[text: string, micros: bigint]>([
    ['1970-01-01 00:00:00', 0n],
    ['1969-12-31 23:59:59.999999', -1n],
    ['2024-02-29 23:59:59.5', at('2024-02-29T23:59:59.500Z')],
    ['2099-12-31 23:59:59.999999', at('2099-12-31T23:59:59.999Z', 999n)],
    ['2100-03-01 00:00:00', at('2100-03-01T00:00:00Z')],
    ['1900-03-01 00:00:00', at('1900-03-01T00:00:00Z')],
    ['1582-10-10 12:00:00', at('1582-10-10T12:00:00Z')],
    ['0001-01-01 00:00:00', at('0001-01-01T00:00:00Z')],
    ['0001-12-31 00:00:00 BC', at('0000-12-31T00:00:00Z')],
    ['0044-03-15 12:00:00.25 BC', at('-000043-03-15T12:00:00.250Z')],
    ['4714-11-24 00:00:00 BC', at('-004713-11-24T00:00:00Z')],
    ['10000-01-01 00:00:00', at('+010000-01-01T00:00:00Z')],
    ['294247-01-10 04:00:54.775806', MAX - 1n],
    ['infinity', MAX],
    ['-infinity', MIN],
  ])('%s', (text, micros) => {
    expect(write(TIMESTAMP, 'timestamp-micros', text)).toBe(long(micros));
    const binary = text.includes('infinity') ? int64(micros) : since2000(micros);
    expect(write(TIMESTAMP, 'timestamp-micros', binary)).toBe(long(micros));
  });

  test.each<[text: string, micros: bigint]>([
    ['2024-01-02 03:04:05.678901+00', at('2024-01-02T03:04:05.678Z', 901n)],
    ['2024-01-01 22:04:05.678901-05', at('2024-01-02T03:04:05.678Z', 901n)],
    ['2024-01-02 08:34:05.1+05:30', at('2024-01-02T03:04:05.100Z')],
    ['1900-01-01 00:00:00-05:08:12', at('1900-01-01T05:08:12Z')],
    ['0044-03-15 12:00:00+00 BC', at('-000043-03-15T12:00:00Z')],
  ])('with an offset: %s', (text, micros) => {
    expect(write(TIMESTAMPTZ, 'timestamp-micros', text)).toBe(long(micros));
  });

  test.each<string | Buffer>([
    '294247-01-10 04:00:54.775807', // would read as infinity
    '294276-12-31 23:59:59.999999',
    since2000(MAX),
    int64(MAX - 1n),
  ])('beyond 64 bits since 1970: refused, not bent', (value) => {
    expect(write(TIMESTAMP, 'timestamp-micros', value)).toBe(
      'unencodable: a timestamp beyond the microseconds of 64 bits',
    );
  });

  test.each([
    '',
    '2024-01-02',
    '2024-01-02T03:04:05',
    '02/01/2024 03:04:05',
    '2024-13-01 00:00:00',
    '2024-00-01 00:00:00',
    '2024-01-32 00:00:00',
    '2024-01-02 25:00:00',
    '2024-01-02 03:60:00',
    '2024-01-02 03:04:61',
    '2024-01-02 03:04:05.',
    '2024-01-02 03:04:05.1234567',
    '2024-01-02 03:04:05+',
    '2024-01-02 03:04:05 AD',
    '0000-01-01 00:00:00',
    'infinitx',
    'never',
    '2024-01-02 03:04:05+00 PE',
    '2024-01-02 03:04:05.12x456',
  ])('%j is none', (text) => expect(write(TIMESTAMPTZ, 'timestamp-micros', text)).toMatch(/^unencodable: not a /));
});

test('date', () => {
  expect(write(DATE, 'date', '1970-01-01')).toBe(long(0n));
  expect(write(DATE, 'date', '5874897-12-31')).toBe(long(2_145_042_905n));
  expect(write(DATE, 'date', int32(2_145_042_905 - 10_957))).toBe(long(2_145_042_905n));
  expect(write(DATE, 'date', 'infinity')).toBe(long(2n ** 31n - 1n));
  expect(write(DATE, 'date', '-infinity')).toBe(long(-(2n ** 31n)));
  expect(write(DATE, 'date', int32(2 ** 31 - 1))).toBe(long(2n ** 31n - 1n));
  expect(write(DATE, 'date', int32(-(2 ** 31)))).toBe(long(-(2n ** 31n)));
  expect(write(DATE, 'date', int32(2 ** 31 - 2))).toBe('unencodable: not a date');
  expect(write(DATE, 'date', '2024-01-02 00:00:00')).toBe('unencodable: not a date in ISO form');
});

test('time', () => {
  expect(write(1083, 'time-micros', '24:00:00')).toBe(long(86_400_000_000n));
  expect(write(1083, 'time-micros', '00:00:00.000001')).toBe(long(1n));
  expect(write(1083, 'time-micros', '12:00:00+01')).toBe('unencodable: not a time in ISO form');
});

describe('numeric as decimal', () => {
  /** Length, then the shortest two's complement. */
  test.each([
    ['0', '0200'],
    ['0.00', '0200'],
    ['1.27', '027f'],
    ['1.28', '040080'],
    ['-1.28', '0280'],
    ['-1.29', '04ff7f'],
    ['99.90', '042706'],
    ['-0.01', '02ff'],
    ['.5', 'unencodable: not a number'],
    ['5.', 'unencodable: not a number'],
    ['7', '0402bc'],
    ['007.100', '0402c6'],
    ['1.001', 'unencodable: more than 2 digits after the point'],
    ['1.0010', 'unencodable: more than 2 digits after the point'],
    ['9999999999.99', '0c00e8d4a50fff'],
    ['10000000000', 'unencodable: more than 10 digits before the point'],
    ['NaN', 'unencodable: not a finite number: no decimal form'],
    ['Infinity', 'unencodable: not a finite number: no decimal form'],
    ['-Infinity', 'unencodable: not a finite number: no decimal form'],
    ['', 'unencodable: not a number'],
    ['-', 'unencodable: not a number'],
    ['1.2.3', 'unencodable: not a finite number: no decimal form'],
  ])('(12, 2): %j', (text, expected) => expect(write(NUMERIC, [12, 2], text)).toBe(expected));

  test('more than a double holds', () => {
    expect(write(NUMERIC, [18, 2], '9007199254740993.01')).toBe('100c80000000000065');
    expect(write(NUMERIC, [40, 0], `-${'9'.repeat(40)}`)).toBe('22e29cd60e3ca35b4054460a9f0000000001');
  });

  const special = (sign: number) => Buffer.from([0, 0, 0, 0, sign >> 8, sign & 255, 0, 0]);
  test('what is not finite has no decimal, and its name as text', () => {
    for (const [sign, text] of [
      [0xc000, 'NaN'],
      [0xd000, 'Infinity'],
      [0xf000, '-Infinity'],
    ] as const) {
      expect(write(NUMERIC, [12, 2], special(sign))).toBe('unencodable: not a finite number: no decimal form');
      expect(write(NUMERIC, 'string', special(sign))).toBe(write(NUMERIC, 'string', text));
    }
  });

  test('a short binary may be a long number', () => {
    const binary = Buffer.from([0, 1, 0x7f, 0xff, 0, 0, 0x3f, 0xff, 0, 1]);
    const text = `1${'0'.repeat(4 * 0x7fff)}.${'0'.repeat(0x3fff)}`;
    expect(write(NUMERIC, 'string', binary)).toBe(write(NUMERIC, 'string', text));
  });

  test('a malformed binary', () => {
    for (const bytes of [[], [0, 0], [0, 2, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0x7f, 0xff]])
      expect(write(NUMERIC, [12, 2], Buffer.from(bytes))).toMatch(/^unencodable: a malformed binary numeric/);
  });
});

describe('floats', () => {
  const double = (n: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(n);
    return bytes.toString('hex');
  };
  test.each([
    '0.1',
    '-0',
    '199.9',
    '123456789012345',
    '0.000001',
    '1e+15',
    '1.5e-07',
    '1.7976931348623157e+308',
    '5e-324',
    '0.30000000000000004',
    '12345678901234567',
  ])('%s', (text) => expect(write(701, 'double', text)).toBe(double(Number(text))));
  test('what is not finite is a value of Avro', () => {
    for (const [text, n] of [
      ['NaN', Number.NaN],
      ['Infinity', Infinity],
      ['-Infinity', -Infinity],
    ] as const)
      expect(write(701, 'double', text)).toBe(double(n));
  });
  test('every NaN has the same bytes', () => {
    expect(write(701, 'double', Buffer.from('fff8000000000001', 'hex'))).toBe(write(701, 'double', 'NaN'));
    expect(write(700, 'float', Buffer.from('ffc00001', 'hex'))).toBe(write(700, 'float', 'NaN'));
  });
  test('a float4 keeps its value as a double', () => {
    expect(write(700, 'double', '0.1')).toBe(double(Math.fround(0.1)));
  });
  test.each(['', '-', '1.', '.5', '1e', 'nan', 'inf', '0x10', ' 1', '1 ', '1_0', '--1', '1.2.3'])(
    '%j is none',
    (text) => expect(write(701, 'double', text)).toBe('unencodable: not a floating-point number'),
  );
});

test('the rest', () => {
  expect(write(16, 'boolean', 't')).toBe('01');
  expect(write(16, 'boolean', 'f')).toBe('00');
  expect(write(16, 'boolean', 'true')).toBe('unencodable: not a boolean');
  expect(write(17, 'bytes', '\\x00ffAb')).toBe('0600ffab');
  expect(write(17, 'bytes', '\\x')).toBe('00');
  for (const text of ['', '\\', 'x00', '\\x0', '\\x0g', '\\000'])
    expect(write(17, 'bytes', text)).toBe('unencodable: bytea is not in hexadecimal form');
  expect(write(2950, 'uuid', 'x')).toBe('unencodable: not a uuid');
  expect(write(2950, 'uuid', Buffer.alloc(15))).toBe('unencodable: a binary value of 15 bytes instead of 16');
  expect(write(3802, 'string', Buffer.from([2, 0x7b, 0x7d]))).toBe('unencodable: a binary jsonb of an unknown version');
  expect(write(25, 'string', 'ñ')).toBe('04c3b1');
  expect(write(1009, 'string', '{a,"b,c",NULL}')).toBe(write(25, 'string', '{a,"b,c",NULL}'));
  expect(
    readingFor({ typeOid: 1009, typeModifier: -1 }, { kind: 'string', precision: 0, scale: 0 })!.binary,
  ).toBeNull();
});
