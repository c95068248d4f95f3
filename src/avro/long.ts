/**
 * Avro's int and long: zigzag, then seven bits a byte, at most ten bytes. 64-bit values travel as two 32-bit halves, because
 * a BigInt per value would be an allocation per value.
 *
 * As all writers here: into `out` at `at`, where there must be room, returning the position after.
 */
export const MAX_LONG_BYTES = 10;

/** Largest magnitude that {@link writeLong} takes: twice of it is still exact in a double. */
export const MAX_EXACT = 2 ** 52;

/** An integer of at most 2^52 in magnitude. */
export function writeLong(out: Uint8Array, at: number, n: number): number {
  if (n >= -0x40000000 && n < 0x40000000) return writeVarint(out, at, (n << 1) ^ (n >> 31));
  const zigzag = n < 0 ? -2 * n - 1 : 2 * n;
  const low = zigzag >>> 0;
  return writeVarint64(out, at, (zigzag - low) / 0x100000000, low);
}

/** Two's complement: high and low half as any 32-bit integers. */
export function writeLong64(out: Uint8Array, at: number, high: number, low: number): number {
  const sign = high >> 31;
  return writeVarint64(out, at, (((high << 1) | (low >>> 31)) ^ sign) >>> 0, ((low << 1) ^ sign) >>> 0);
}

/** ±(high·2^32 + low), halves unsigned; the magnitude is at most 2^63, and 2^63 only when negative. */
export function writeMagnitude(out: Uint8Array, at: number, negative: boolean, high: number, low: number): number {
  if (!negative || (high | low) === 0) return writeLong64(out, at, high, low);
  return writeLong64(out, at, low === 0 ? -high : ~high, -low);
}

/** Any bigint of 64 bits, signed or unsigned (written as its two's complement). */
export function writeBigint(out: Uint8Array, at: number, n: bigint): number {
  WIDE[0] = n;
  return writeLong64(out, at, HALVES[1]!, HALVES[0]!);
}

/** Below 2^31 and not negative: lengths, counts and union indexes after zigzag. */
export function writeVarint(out: Uint8Array, at: number, n: number): number {
  let to = at;
  let rest = n >>> 0;
  while (rest > 0x7f) {
    out[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[to++] = rest;
  return to;
}

function writeVarint64(out: Uint8Array, at: number, high: number, low: number): number {
  let to = at;
  let hi = high;
  let lo = low;
  while (hi !== 0) {
    out[to++] = (lo & 0x7f) | 0x80;
    lo = ((lo >>> 7) | (hi << 25)) >>> 0;
    hi >>>= 7;
  }
  return writeVarint(out, to, lo);
}

/** A bigint seen as halves costs no allocation. Little-endian, as every platform of Node.js is. */
const WIDE = new BigUint64Array(1);
const HALVES = new Uint32Array(WIDE.buffer);

/** Decimal digits of a bigint of 64 bits, unsigned; returns the position after them (at most 20 bytes). */
export function formatUnsigned(out: Uint8Array, at: number, n: bigint): number {
  WIDE[0] = n;
  const value = HALVES[1]! * 0x100000000 + HALVES[0]!;
  if (value <= Number.MAX_SAFE_INTEGER) return formatDigits(out, at, value);
  return formatText(out, at, BigInt.asUintN(64, n).toString());
}

/** Decimal digits of a two's complement integer; returns the position after them (at most 20 bytes). */
export function formatLong64(out: Uint8Array, at: number, high: number, low: number): number {
  const value = (high | 0) * 0x100000000 + (low >>> 0);
  if (!Number.isSafeInteger(value))
    return formatText(out, at, ((BigInt(high | 0) << 32n) | BigInt(low >>> 0)).toString());
  if (value >= 0) return formatDigits(out, at, value);
  out[at] = 0x2d;
  return formatDigits(out, at + 1, -value);
}

/** A safe integer, not negative. Nine digits at a time, so that the divisions are those of 32-bit integers. */
function formatDigits(out: Uint8Array, at: number, n: number): number {
  if (n < 1e9) return formatSmall(out, at, n, 1);
  const upper = Math.floor(n / 1e9);
  return formatSmall(out, formatDigits(out, at, upper), n - upper * 1e9, 9);
}

function formatSmall(out: Uint8Array, at: number, n: number, minDigits: number): number {
  let digits = minDigits;
  for (let limit = 10 ** minDigits; n >= limit; limit *= 10) digits++;
  let rest = n | 0;
  for (let i = at + digits - 1; i >= at; i--) {
    const quotient = (rest / 10) | 0;
    out[i] = 0x30 + rest - quotient * 10;
    rest = quotient;
  }
  return at + digits;
}

function formatText(out: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
}
