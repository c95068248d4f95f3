/**
 * Log sequence numbers of PostgreSQL's WAL, kept as bigint.
 *
 * The text form is never compared: drivers pad it differently (`0/16B3748`, `00000000/016B3748`).
 */
export type Lsn = bigint;

export const ZERO_LSN: Lsn = 0n;

const TEXT = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Parses `X/Y`; throws a RangeError on anything else. */
export function parseLsn(text: string): Lsn {
  const match = TEXT.exec(text);
  if (!match) throw new RangeError(`not an LSN: "${text}"`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** PostgreSQL's own unpadded form, `0/16B3748`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
