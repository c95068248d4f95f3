import { Slab } from '../core/slab';
import { type ColumnWriter, int16At, unencodable } from './column-writer';
import { writeVarint } from './long';
import { stringFromText } from './text';

/**
 * numeric as decimal (unscaled integer, two's complement, shortest form, as Java's BigInteger has it) and as string.
 *
 * What has up to 15 digits is exact in a double. A binary value that is less simple is rendered as PostgreSQL's text first
 * and read like one: one set of rules, so one set of bytes.
 */

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const SAFE_DIGITS = 15;

/** Exactly, or not at all: digits beyond the scale must be zeros. */
export function decimalFromText(precision: number, scale: number): ColumnWriter {
  return (out, at, bytes, start, end) => {
    const negative = bytes[start] === MINUS;
    let first = negative ? start + 1 : start;
    let point = end;
    for (let i = first; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === POINT && point === end) point = i;
      else if (byte < ZERO || byte > 0x39) throw unencodable('not a finite number: no decimal form');
    }
    if (point === first || point === end - 1 || first >= end) throw unencodable('not a number');
    const last = Math.min(end, point + 1 + scale);
    for (let i = last; i < end; i++)
      if (bytes[i] !== ZERO) throw unencodable(`more than ${scale} digits after the point`);
    while (first < point && bytes[first] === ZERO) first++;
    const digits = point - first + scale;
    if (digits > precision) throw unencodable(`more than ${precision - scale} digits before the point`);
    if (digits > SAFE_DIGITS) return writeBig(out, at, unscaledOf(bytes, start, point, last, scale));
    let n = 0;
    for (let i = first; i < last; i++) if (i !== point) n = n * 10 + bytes[i]! - ZERO;
    n *= POWERS_OF_TEN[scale - Math.max(0, last - point - 1)]!;
    return writeSafe(out, at, negative ? -n : n);
  };
}

export function decimalFromBinary(precision: number, scale: number): ColumnWriter {
  const fromText = decimalFromText(precision, scale);
  const limit = POWERS_OF_TEN[Math.min(precision, SAFE_DIGITS)]!;
  return (out, at, bytes, start, end) => {
    const n = simpleUnscaled(bytes, start, end, scale);
    if (n > -limit && n < limit) return writeSafe(out, at, n);
    render(bytes, start, end);
    return fromText(out, at, rendered.bytes, 0, rendered.pos);
  };
}

export const stringFromNumeric: ColumnWriter = (out, at, bytes, start, end) => {
  render(bytes, start, end);
  return stringFromText(out, at, rendered.bytes, 0, rendered.pos);
};

const POWERS_OF_TEN = Float64Array.from({ length: SAFE_DIGITS + 1 }, (_, i) => Number(`1e${i}`));

/** An integer of at most 15 digits. */
function writeSafe(out: Buffer, at: number, n: number): number {
  const low = n | 0;
  const high = Math.floor(n / 0x100000000) | 0;
  const sign = (high >> 31) & 0xff;
  let width = 7;
  while (width > 1 && byteOf(high, low, width - 1) === sign && (byteOf(high, low, width - 2) ^ sign) < 0x80) width--;
  out[at] = width << 1;
  for (let i = 0; i < width; i++) out[at + width - i] = byteOf(high, low, i);
  return at + width + 1;
}

/** Byte `i` of 64 bits, the least significant first. */
function byteOf(high: number, low: number, i: number): number {
  return ((i > 3 ? high : low) >>> ((i & 3) << 3)) & 0xff;
}

/** For what is rare: a BigInt, and a string on the way to it. */
function unscaledOf(bytes: Buffer, start: number, point: number, last: number, scale: number): bigint {
  const fraction = point < last ? bytes.toString('latin1', point + 1, last) : '';
  return BigInt(bytes.toString('latin1', start, point) + fraction.padEnd(scale, '0'));
}

function writeBig(out: Buffer, at: number, n: bigint): number {
  let width = 1;
  while (BigInt.asIntN(width * 8, n) !== n) width++;
  let to = writeVarint(out, at, width << 1);
  for (let i = width - 1; i >= 0; i--) out[to++] = Number((n >> BigInt(i * 8)) & 0xffn);
  return to;
}

/*
 * Binary numeric: number of base-10000 digits, weight of the first, sign, digits to show after the point, then the digits,
 * all in 16 bits.
 */
const NEGATIVE = 0x4000;
const NOT_FINITE: ReadonlyMap<number, string> = new Map([
  [0xc000, 'NaN'],
  [0xd000, 'Infinity'],
  [0xf000, '-Infinity'],
]);

/** The unscaled value of at most four base-10000 digits; NaN where it is none, or not to be had that simply. */
function simpleUnscaled(bytes: Buffer, start: number, end: number, scale: number): number {
  const count = (end - start - 8) >> 1;
  const sign = int16At(bytes, start + 4);
  if (count < 0 || count > 4 || count !== int16At(bytes, start) || (sign !== 0 && sign !== NEGATIVE)) return Number.NaN;
  let n = 0;
  for (let i = start + 8; i < end; i += 2) {
    const digit = int16At(bytes, i);
    if (digit < 0 || digit > 9999) return Number.NaN;
    n = n * 10_000 + digit;
  }
  if (n > Number.MAX_SAFE_INTEGER) return Number.NaN;
  // How many powers of ten the last of these digits is away from the scale.
  const shift = (int16At(bytes, start + 2) - count + 1) * 4 + scale;
  if (n !== 0) n = shift >= 0 ? n * POWERS_OF_TEN[shift]! : n / POWERS_OF_TEN[-shift]!;
  if (n !== Math.floor(n)) return Number.NaN;
  return sign === 0 ? n : -n;
}

const rendered = new Slab(256);

/** PostgreSQL's text of a binary numeric, into `rendered`. */
function render(bytes: Buffer, start: number, end: number): void {
  const count = end - start >= 8 ? int16At(bytes, start) : -1;
  if (count < 0 || end - start !== 8 + 2 * count) throw unencodable('a malformed binary numeric');
  const weight = int16At(bytes, start + 2);
  const sign = int16At(bytes, start + 4) & 0xffff;
  const shown = int16At(bytes, start + 6) & 0xffff;
  rendered.reset();
  const word = NOT_FINITE.get(sign);
  if (word !== undefined) {
    rendered.pos = rendered.bytes.write(word, 'latin1');
    return;
  }
  rendered.ensure(4 * (Math.max(0, weight) + 1) + shown + 8);
  if (sign === NEGATIVE) rendered.bytes[rendered.pos++] = MINUS;
  if (weight < 0) rendered.bytes[rendered.pos++] = ZERO;
  for (let i = 0; i <= weight; i++) {
    const group = groupAt(bytes, start, count, i);
    renderGroup(group, i > 0 ? 4 : String(group).length);
  }
  if (shown === 0) return;
  rendered.bytes[rendered.pos++] = POINT;
  const stop = rendered.pos + shown;
  for (let i = weight + 1; rendered.pos < stop; i++) renderGroup(groupAt(bytes, start, count, i), 4);
  rendered.pos = stop;
}

/** Zeros at the end are not sent, and neither are those between the point and the first digit. */
function groupAt(bytes: Buffer, start: number, count: number, i: number): number {
  const group = i >= 0 && i < count ? int16At(bytes, start + 8 + 2 * i) : 0;
  if (group < 0 || group > 9999) throw unencodable('a malformed binary numeric');
  return group;
}

/** The last `width` digits, zeros included. */
function renderGroup(group: number, width: number): void {
  let rest = group;
  for (let i = rendered.pos + width - 1; i >= rendered.pos; i--) {
    const quotient = (rest / 10) | 0;
    rendered.bytes[i] = ZERO + rest - quotient * 10;
    rest = quotient;
  }
  rendered.pos += width;
}
