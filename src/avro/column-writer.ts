import { CdcError } from '../core/errors';

/**
 * Writes one column's value, given as bytes [start, end), as an Avro value into `out` at `at`; returns the position after.
 *
 * There is room for the value's own bytes and those its {@link Reading} asks for. Throws {@link unencodable}. Never keeps
 * a byte, never allocates on the common path.
 */
export type ColumnWriter = (out: Buffer, at: number, bytes: Buffer, start: number, end: number) => number;

/** The reason, without the value (Invariant 7); the encoder adds the column's name. */
export function unencodable(reason: string): CdcError {
  return new CdcError('unencodable', reason);
}

/** Binary values of a fixed width are trusted only as long as they have it. */
export function requireWidth(start: number, end: number, width: number): void {
  if (end - start !== width) throw unencodable(`a binary value of ${end - start} bytes instead of ${width}`);
}

export function int16At(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) >> 16) | bytes[at + 1]!;
}

export function int32At(bytes: Buffer, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
