import fc from 'fast-check';
import type { FieldValue } from '../../src/core/change';
import type { TestColumn } from './avro';

/**
 * Arbitrary values of PostgreSQL's types in both of its forms, made without our code: as its text, as its binary, as the
 * value the Avro oracle takes, and as the reader must see it.
 */
export interface PgValue {
  readonly text: string;
  readonly binary: Buffer;
  readonly avro: unknown;
  readonly read: FieldValue;
}

export interface PgType extends TestColumn {
  readonly values: fc.Arbitrary<PgValue>;
}

const bytes = (size: number, write: (buffer: Buffer) => void): Buffer => {
  const buffer = Buffer.alloc(size);
  write(buffer);
  return buffer;
};

const type = <T>(
  name: string,
  oid: number,
  avro: unknown,
  arbitrary: fc.Arbitrary<T>,
  form: (value: T) => PgValue,
): PgType => ({ name, oid, avro, values: arbitrary.map(form) });

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const int64 = fc.oneof(
  fc.bigInt(INT64),
  fc.bigInt({ min: -1_000_000n, max: 1_000_000n }),
  // Around each length of a varint, of a double, of the digits read at once.
  fc
    .tuple(fc.bigInt({ min: 0n, max: 63n }), fc.bigInt({ min: -2n, max: 2n }), fc.boolean())
    .map(([bits, delta, negative]) => (negative ? -(2n ** bits) : 2n ** bits) + delta)
    .filter((n) => n >= INT64.min && n <= INT64.max),
  fc
    .bigInt({ min: 0n, max: 18n })
    .chain((digits) => fc.bigInt({ min: -2n, max: 2n }).map((delta) => 10n ** digits + delta)),
);

const integer = (name: string, oid: number, avro: 'int' | 'long', bits: 16 | 32) => {
  const limit = 2 ** (bits - 1);
  return type(name, oid, avro, fc.integer({ min: -limit, max: limit - 1 }), (n) => ({
    text: String(n),
    binary: bytes(bits / 8, (b) => (bits === 16 ? b.writeInt16BE(n) : b.writeInt32BE(n))),
    avro: avro === 'int' ? n : BigInt(n),
    read: BigInt(n),
  }));
};

const eightBytes = (n: bigint) => bytes(8, (b) => b.writeBigInt64BE(n));

/** PostgreSQL's float text: shortest digits that read back, exponent from 15 digits before or 4 zeros after the point. */
export function floatText(n: number, reads: (text: string) => number): string {
  if (!Number.isFinite(n)) return Number.isNaN(n) ? 'NaN' : n > 0 ? 'Infinity' : '-Infinity';
  let precision = 1;
  while (reads(n.toPrecision(precision)) !== n && precision < 17) precision++;
  if (n === 0) return Object.is(n, -0) ? '-0' : '0';
  const [mantissa, power] = n.toExponential(precision - 1).split('e') as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 15) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const digits = mantissa.replace('-', '').replace('.', '');
  const sign = n < 0 ? '-' : '';
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0');
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/** An unscaled integer and the digits to show after the point, as PostgreSQL sends them. */
export function numericForms(unscaled: bigint, scale: number): { text: string; binary: Buffer } {
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale);
  const groups: number[] = [];
  const padded = whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(scale / 4) * 4, '0');
  for (let i = 0; i < padded.length; i += 4) groups.push(Number(padded.slice(i, i + 4)));
  let weight = Math.ceil(whole.length / 4) - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups.shift();
    weight--;
  }
  while (groups.length > 0 && groups.at(-1) === 0) groups.pop();
  if (groups.length === 0) weight = 0;
  const head = [groups.length, weight, negative ? 0x4000 : 0, scale, ...groups];
  return {
    text: (negative ? '-' : '') + whole + (scale > 0 ? `.${fraction}` : ''),
    binary: bytes(head.length * 2, (b) => {
      for (const [i, n] of head.entries()) b.writeInt16BE(n, i * 2);
    }),
  };
}

const numeric = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 30 }), fc.boolean())
  .map(([unscaled, scale, small]) => numericForms(small ? unscaled / 10n ** 36n : unscaled, scale));

const decimal = (name: string, precision: number, scale: number) =>
  type(
    name,
    1700,
    { type: 'bytes', logicalType: 'decimal', precision, scale },
    fc.oneof(
      fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }),
      fc.bigInt({ min: -100_000n, max: 100_000n }),
    ),
    (unscaled) => {
      const forms = numericForms(unscaled, scale);
      return { ...forms, avro: unscaled, read: forms.text };
    },
  );

const MICROS_TO_2000 = 946_684_800_000_000n;
const pad = (n: number, width = 2) => String(n).padStart(width, '0');

function dateText(date: Date): { text: string; era: string } {
  const year = date.getUTCFullYear();
  const shown = year > 0 ? year : 1 - year;
  return {
    text: `${pad(shown, 4)}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`,
    era: year > 0 ? '' : ' BC',
  };
}

function timeText(micros: bigint): string {
  const seconds = Number(micros / 1_000_000n);
  const fraction = String(micros % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '');
  const clock = `${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  return fraction === '' ? clock : `${clock}.${fraction}`;
}

const DAY = 86_400_000_000n;

/** From 4713 BC on, where PostgreSQL begins, to the end of JavaScript's calendar; mostly today's. */
const instants = fc.oneof(
  fc.bigInt({ min: 0n, max: 4_102_444_800_000_000n }),
  fc.bigInt({ min: -210_000_000_000_000_000n, max: 8_640_000_000_000_000_000n }),
);

function timestampForms(micros: bigint, offsetMinutes: number | null): PgValue {
  const shown = micros + BigInt(offsetMinutes ?? 0) * 60_000_000n;
  const timeOfDay = ((shown % DAY) + DAY) % DAY;
  const { text, era } = dateText(new Date(Number((shown - timeOfDay) / 1000n)));
  const hours = Math.floor(Math.abs(offsetMinutes ?? 0) / 60);
  const minutes = Math.abs(offsetMinutes ?? 0) % 60;
  const zone =
    offsetMinutes === null ? '' : `${offsetMinutes < 0 ? '-' : '+'}${pad(hours)}${minutes ? `:${pad(minutes)}` : ''}`;
  return {
    text: `${text} ${timeText(timeOfDay)}${zone}${era}`,
    binary: eightBytes(micros - MICROS_TO_2000),
    avro: micros,
    read: micros,
  };
}

const text = fc.string({ unit: 'binary', maxLength: 300 }).map((s) => s.replaceAll('\0', ''));
const asText = (s: string): PgValue => ({ text: s, binary: Buffer.from(s), avro: s, read: s });

/** Every entry of the type table, each with every Avro type that it may be declared as. */
export const PG_TYPES: readonly PgType[] = [
  type('flag', 16, 'boolean', fc.boolean(), (b) => ({
    text: b ? 't' : 'f',
    binary: Buffer.from([b ? 1 : 0]),
    avro: b,
    read: b,
  })),
  integer('small_int', 21, 'int', 16),
  integer('small_long', 21, 'long', 16),
  integer('plain_int', 23, 'int', 32),
  integer('plain_long', 23, 'long', 32),
  type('big', 20, 'long', int64, (n) => ({ text: String(n), binary: eightBytes(n), avro: n, read: n })),
  type('big_text', 20, 'string', int64, (n) => ({
    text: String(n),
    binary: eightBytes(n),
    avro: String(n),
    read: String(n),
  })),
  type('int_text', 23, 'string', fc.integer(), (n) => ({
    text: String(n),
    binary: bytes(4, (b) => b.writeInt32BE(n)),
    avro: String(n),
    read: String(n),
  })),
  type('single', 700, 'float', fc.float(), (n) => ({
    text: floatText(n, (s) => Math.fround(Number(s))),
    binary: bytes(4, (b) => b.writeFloatBE(n)),
    avro: n,
    read: n,
  })),
  type('single_double', 700, 'double', fc.float(), (n) => ({
    text: floatText(n, (s) => Math.fround(Number(s))),
    binary: bytes(4, (b) => b.writeFloatBE(n)),
    avro: n,
    read: n,
  })),
  type(
    'double',
    701,
    'double',
    fc.oneof(
      fc.double(),
      fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 100),
    ),
    (n) => ({ text: floatText(n, Number), binary: bytes(8, (b) => b.writeDoubleBE(n)), avro: n, read: n }),
  ),
  decimal('money', 12, 2),
  decimal('whole', 15, 0),
  decimal('wide', 18, 2),
  decimal('huge', 60, 20),
  type('number_text', 1700, 'string', numeric, (forms) => ({ ...forms, avro: forms.text, read: forms.text })),
  type('words', 25, 'string', text, asText),
  type('varying', 1043, 'string', text, asText),
  type('json', 114, 'string', fc.json(), asText),
  type('jsonb', 3802, 'string', fc.json(), (s) => ({ ...asText(s), binary: Buffer.from(`\u0001${s}`) })),
  type('unique_id', 2950, { type: 'string', logicalType: 'uuid' }, fc.uuid(), (s) => ({
    ...asText(s),
    binary: Buffer.from(s.replaceAll('-', ''), 'hex'),
  })),
  type('raw', 17, 'bytes', fc.uint8Array({ maxLength: 300 }), (array) => {
    const raw = Buffer.from(array);
    return { text: `\\x${raw.toString('hex')}`, binary: raw, avro: raw, read: raw };
  }),
  type('day', 1082, { type: 'int', logicalType: 'date' }, fc.integer({ min: -2_440_588, max: 99_999_999 }), (days) => {
    const { text, era } = dateText(new Date(days * 86_400_000));
    return { text: text + era, binary: bytes(4, (b) => b.writeInt32BE(days - 10_957)), avro: days, read: BigInt(days) };
  }),
  type('clock', 1083, { type: 'long', logicalType: 'time-micros' }, fc.bigInt({ min: 0n, max: DAY }), (micros) => ({
    text: timeText(micros),
    binary: eightBytes(micros),
    avro: micros,
    read: micros,
  })),
  type('local', 1114, { type: 'long', logicalType: 'timestamp-micros' }, instants, (n) => timestampForms(n, null)),
  type('local_time', 1114, { type: 'long', logicalType: 'local-timestamp-micros' }, instants, (n) =>
    timestampForms(n, null),
  ),
  type(
    'instant',
    1184,
    { type: 'long', logicalType: 'timestamp-micros' },
    fc.tuple(instants, fc.oneof(fc.constant(0), fc.integer({ min: -14 * 60, max: 14 * 60 }))),
    ([n, offset]) => timestampForms(n, offset),
  ),
];
