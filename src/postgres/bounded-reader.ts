import { CdcError } from '../core/errors';

/**
 * Reads big-endian values one after the other and never beyond the buffer: a length that lies, or a payload cut short,
 * is CdcError `protocol`. For the messages that come once a transaction or rarer; rows have their own loop.
 */
export class BoundedReader {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;

  start(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }

  /** Offset of the next byte. */
  get position(): number {
    return this.at;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  uint8(): number {
    return this.bytes[this.take(1)]!;
  }

  uint16(): number {
    return this.bytes.readUInt16BE(this.take(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.take(4));
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.take(4));
  }

  int64(): bigint {
    return this.bytes.readBigInt64BE(this.take(8));
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64BE(this.take(8));
  }

  /** A string that ends with a zero byte. */
  text(): string {
    const zero = this.bytes.indexOf(0, this.at);
    if (zero < 0) throw truncated(this.bytes);
    const text = this.bytes.toString('utf8', this.at, zero);
    this.at = zero + 1;
    return text;
  }

  /** A copy of the next `length` bytes. */
  copy(length: number): Buffer {
    const start = this.take(length);
    return Buffer.from(this.bytes.subarray(start, start + length));
  }

  /** The message must end here. */
  finish(): void {
    if (this.remaining !== 0) throw trailing(this.bytes);
  }

  private take(length: number): number {
    const start = this.at;
    if (length < 0 || length > this.bytes.length - start) throw truncated(this.bytes);
    this.at = start + length;
    return start;
  }
}

/** Messages name the tag and the size only: a payload holds row values (Invariant 7). */
export function describeMessage(bytes: Buffer): string {
  const tag = bytes[0];
  if (tag === undefined) return 'an empty message';
  const shown = tag > 0x20 && tag < 0x7f ? `'${String.fromCharCode(tag)}'` : `0x${tag.toString(16)}`;
  return `message ${shown} of ${bytes.length} bytes`;
}

export function truncated(bytes: Buffer): CdcError {
  return new CdcError('protocol', `pgoutput ${describeMessage(bytes)} ends too early`);
}

export function trailing(bytes: Buffer): CdcError {
  return new CdcError('protocol', `pgoutput ${describeMessage(bytes)} has bytes after its end`);
}
