import { type ColumnWriter, requireWidth, unencodable } from './column-writer';

/** float4 and float8 as float and double. NaN and the infinities are values of Avro, too. */

export const doubleFromText: ColumnWriter = (out, at, bytes, start, end) => {
  return writeDouble(out, at, parse(bytes, start, end));
};

/** A float4 keeps its own value in whichever form it came: 0.1 is 0.10000000149011612 as a double. */
export const doubleFromFloat4Text: ColumnWriter = (out, at, bytes, start, end) => {
  return writeDouble(out, at, Math.fround(parse(bytes, start, end)));
};

export const floatFromText: ColumnWriter = (out, at, bytes, start, end) => {
  return writeFloat(out, at, parse(bytes, start, end));
};

export const doubleFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 8);
  for (let i = 0; i < 8; i++) DOUBLE_BYTES[i] = bytes[end - 1 - i]!;
  return writeDouble(out, at, DOUBLE[0]!);
};

export const doubleFromFloat4Binary: ColumnWriter = (out, at, bytes, start, end) => {
  return writeDouble(out, at, float4(bytes, start, end));
};

export const floatFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  return writeFloat(out, at, float4(bytes, start, end));
};

function float4(bytes: Buffer, start: number, end: number): number {
  requireWidth(start, end, 4);
  for (let i = 0; i < 4; i++) FLOAT_BYTES[i] = bytes[end - 1 - i]!;
  return FLOAT[0]!;
}

const DOUBLE = new Float64Array(1);
const DOUBLE_BYTES = new Uint8Array(DOUBLE.buffer);
const FLOAT = new Float32Array(1);
const FLOAT_BYTES = new Uint8Array(FLOAT.buffer);

function writeDouble(out: Buffer, at: number, n: number): number {
  // One NaN, whatever its payload was: equal values have equal bytes.
  DOUBLE[0] = Number.isNaN(n) ? Number.NaN : n;
  for (let i = 0; i < 8; i++) out[at + i] = DOUBLE_BYTES[i]!;
  return at + 8;
}

function writeFloat(out: Buffer, at: number, n: number): number {
  FLOAT[0] = Number.isNaN(n) ? Number.NaN : n;
  for (let i = 0; i < 4; i++) out[at + i] = FLOAT_BYTES[i]!;
  return at + 4;
}

/**
 * Up to 15 digits without exponent, which is what money looks like, are exact integers in a double, and so are the powers of
 * ten they are divided by: one rounding, the right one. All else is left to JavaScript.
 */
function parse(bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === 0x2d;
  const first = negative ? start + 1 : start;
  if (end - first > 16) return parseAny(bytes, start, end);
  let digits = 0;
  let point = -1;
  let n = 0;
  for (let i = first; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit >= 0 && digit <= 9) {
      n = n * 10 + digit;
      digits++;
    } else if (bytes[i] === 0x2e && point < 0) point = i;
    else return parseAny(bytes, start, end);
  }
  if (digits === 0 || digits > 15 || point === first || point === end - 1) return parseAny(bytes, start, end);
  const value = point < 0 ? n : n / POWERS_OF_TEN[end - 1 - point]!;
  return negative ? -value : value;
}

const POWERS_OF_TEN = Float64Array.from({ length: 16 }, (_, i) => 10 ** i);

const NUMBER = /^-?(\d+(\.\d+)?(e[+-]?\d+)?|Infinity|NaN)$/;

function parseAny(bytes: Buffer, start: number, end: number): number {
  const text = bytes.toString('latin1', start, end);
  if (!NUMBER.test(text)) throw unencodable('not a floating-point number');
  return Number(text);
}
