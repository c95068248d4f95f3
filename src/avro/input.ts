import { CdcError } from '../core/errors';

export function malformed(what: string): CdcError {
  return new CdcError('record_malformed', what);
}

/** Reads Avro's primitives from bytes that may hold anything: whatever does not fit is `record_malformed`. */
export class Input {
  private bytes: Buffer = Buffer.alloc(0);
  private pos = 0;
  private end = 0;

  /** The whole record, a character a byte: a piece of a string costs a sixth of decoding it. */
  private characters = '';

  reset(bytes: Buffer, pos: number): void {
    this.bytes = bytes;
    this.pos = pos;
    this.end = bytes.length;
    this.characters = bytes.toString('latin1');
  }

  get atEnd(): boolean {
    return this.pos === this.end;
  }

  /** int and long: all 64 bits. */
  long(): bigint {
    this.readVarint();
    const sign = -(this.low & 1);
    HALVES[0] = ((this.low >>> 1) | (this.high << 31)) ^ sign;
    HALVES[1] = (this.high >>> 1) ^ sign;
    return WIDE[0]!;
  }

  /** Union index, block count, length: of 32 bits. */
  int(): number {
    this.readVarint();
    if (this.high !== 0) throw malformed('a number out of bounds');
    return (this.low >>> 1) ^ -(this.low & 1);
  }

  boolean(): boolean {
    const byte = this.bytes[this.take(1)]!;
    if (byte > 1) throw malformed('a boolean that is none');
    return byte === 1;
  }

  float(): number {
    return this.bytes.readFloatLE(this.take(4));
  }

  double(): number {
    return this.bytes.readDoubleLE(this.take(8));
  }

  string(): string {
    const length = this.int();
    const start = this.take(length);
    const end = start + length;
    for (let i = start; i < end; i++) if (this.bytes[i]! > 0x7f) return this.bytes.toString('utf8', start, end);
    return this.characters.slice(start, end);
  }

  /** A big-endian two's complement integer after its length, as Avro's decimal has it. */
  unscaled(): bigint {
    const length = this.int();
    const start = this.take(length);
    if (length === 0) return 0n;
    if (length <= 6) return BigInt(this.bytes.readIntBE(start, length));
    return BigInt.asIntN(length * 8, BigInt(`0x${this.bytes.toString('hex', start, start + length)}`));
  }

  /** A copy. */
  buffer(): Buffer {
    const length = this.int();
    const start = this.take(length);
    return Buffer.from(this.bytes.subarray(start, start + length));
  }

  skipLong(): void {
    this.readVarint();
  }

  skip(length: number): void {
    this.take(length);
  }

  private low = 0;
  private high = 0;

  private readVarint(): void {
    const { bytes, end } = this;
    let { pos } = this;
    this.high = 0;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (pos >= end) throw malformed('the record ends in the middle of a value');
      const byte = bytes[pos++]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.low = low;
        this.pos = pos;
        return;
      }
    }
    this.pos = pos;
    this.readLongVarint(low);
  }

  /** The fifth byte lies in both halves; the tenth has one bit. */
  private readLongVarint(first: number): void {
    let low = first;
    let high = 0;
    for (let shift = 28; shift < 70; shift += 7) {
      const byte = this.bytes[this.take(1)]!;
      const bits = byte & 0x7f;
      if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte >= 0x80) continue;
      if (shift === 63 && bits > 1) break;
      this.low = low;
      this.high = high;
      return;
    }
    throw malformed('a number of more than 64 bits');
  }

  /** Start of the next `length` bytes. */
  private take(length: number): number {
    const start = this.pos;
    if (length < 0 || length > this.end - start) throw malformed('the record ends in the middle of a value');
    this.pos = start + length;
    return start;
  }
}

const WIDE = new BigInt64Array(1);
const HALVES = new Int32Array(WIDE.buffer);
