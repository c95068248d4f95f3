import { type ColumnWriter, int16At, int32At, requireWidth, unencodable } from './column-writer';
import { formatLong64, writeLong, writeLong64, writeMagnitude } from './long';

/** bool, int2, int4 and int8 as boolean, int, long and string. */

const MINUS = 0x2d;
const ZERO = 0x30;
/** So many digits are exact in a double, with room for the zigzag. */
const SAFE_DIGITS = 15;

export const boolFromText: ColumnWriter = (out, at, bytes, start, end) => {
  const letter = bytes[start];
  if (end - start !== 1 || (letter !== 0x74 && letter !== 0x66)) throw unencodable('not a boolean');
  out[at] = letter === 0x74 ? 1 : 0;
  return at + 1;
};

export const boolFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 1);
  out[at] = bytes[start] === 0 ? 0 : 1;
  return at + 1;
};

export const intFromText: ColumnWriter = (out, at, bytes, start, end) => {
  if (end - start > 11) throw unencodable('not an integer of 32 bits');
  const n = parseSigned(bytes, start, end);
  if (n !== (n | 0)) throw unencodable('not an integer of 32 bits');
  return writeLong(out, at, n);
};

export const longFromText: ColumnWriter = (out, at, bytes, start, end) => {
  if (end - start > SAFE_DIGITS) return writeLongDigits(out, at, bytes, start, end);
  return writeLong(out, at, parseSigned(bytes, start, end));
};

/** Sign and at most 15 digits. */
function parseSigned(bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === MINUS;
  let i = negative ? start + 1 : start;
  if (i >= end) throw unencodable('not an integer');
  let n = 0;
  for (; i < end; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) throw unencodable('not an integer');
    n = n * 10 + digit;
  }
  return negative ? 0 - n : n;
}

/** Sign and at most 19 digits, as two halves, a digit at a time. */
function writeLongDigits(out: Buffer, at: number, bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  if (end - first > 19) throw unencodable('not an integer of 64 bits');
  let high = 0;
  let low = 0;
  for (let i = first; i < end; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) throw unencodable('not an integer');
    const product = low * 10 + digit;
    low = product >>> 0;
    high = high * 10 + (product - low) / 0x100000000;
  }
  if (high > 0x7fffffff && !(negative && high === 0x80000000 && low === 0))
    throw unencodable('not an integer of 64 bits');
  return writeMagnitude(out, at, negative, high, low);
}

export const longFromInt2: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 2);
  return writeLong(out, at, int16At(bytes, start));
};

export const longFromInt4: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 4);
  return writeLong(out, at, int32At(bytes, start));
};

export const longFromInt8: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 8);
  return writeLong64(out, at, int32At(bytes, start), int32At(bytes, start + 4));
};

/** Decimal digits of a binary int2, int4 or int8 at `at` of `out`; returns the position after them. */
export function formatInteger(out: Uint8Array, at: number, bytes: Buffer, start: number, end: number): number {
  const width = end - start;
  if (width === 8) return formatLong64(out, at, int32At(bytes, start), int32At(bytes, start + 4));
  if (width === 4) return formatLong64(out, at, int32At(bytes, start) >> 31, int32At(bytes, start));
  requireWidth(start, end, 2);
  return formatLong64(out, at, int16At(bytes, start) >> 31, int16At(bytes, start));
}

/** At most 20 characters: their length is one byte, written after them. */
export const stringFromInteger: ColumnWriter = (out, at, bytes, start, end) => {
  const after = formatInteger(out, at + 1, bytes, start, end);
  out[at] = (after - at - 1) << 1;
  return after;
};
