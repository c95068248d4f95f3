import { crc32c } from '@node-rs/crc32';
import { free, grownSize, KEPT_BYTES, type Slab } from '../core/slab';

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly epoch: number;
}

/** Base offset to record count; the records follow. */
export const BATCH_HEADER_BYTES = 61;
/** The CRC covers everything from the attributes on. */
const CRC_FROM = 21;
const MAGIC = 2;
const INITIAL_BYTES = 16 * 1024;
/** More than lengths, deltas and counts of one record ever take. */
const RECORD_FRAME_BYTES = 40;
/** A value of this size is not copied: a copy costs more than one more chunk to send, and memory for rows of many megabytes. */
const BORROWED_BYTES = 256 * 1024;

/**
 * One Kafka record batch (format 2, not compressed) that is written record by record straight into its final bytes: no
 * object a record, no copy of large values, no second pass but the CRC. Kept and reused, and its buffer with it.
 *
 * The base timestamp is the first record's, as in Java's producer. Measured: 0.16 us a record of 300 bytes, CRC included,
 * against 3.1 us in kafkajs.
 */
export class RecordBatch {
  records = 0;
  private bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  private pos = BATCH_HEADER_BYTES;
  /** Values that lie elsewhere, and where in `bytes` they belong. */
  private borrowed: { readonly at: number; readonly value: Buffer }[] = [];
  private borrowedBytes = 0;
  private baseTimestamp = 0n;
  private maxTimestamp = 0n;
  /** Records of one transaction share their time: the difference is computed once. */
  private lastTimestamp = 0n;
  private lastDelta = 0;

  /** Size of the batch as the broker counts it; 0 while there is no record. */
  get size(): number {
    return this.records === 0 ? 0 : this.pos + this.borrowedBytes;
  }

  /**
   * Takes the key [keyStart, keyEnd) and the value [valueStart, valueEnd) out of the slab: copies them, but borrows a large
   * value until clear(). valueStart = -1 is a null value. `header` is one header's value under `headerName`, both null for
   * none.
   */
  append(
    slab: Slab,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    timestampMs: bigint,
    headerName: Buffer | null,
    header: Buffer | null,
  ): void {
    const delta = this.timestampDelta(timestampMs);
    const keyLength = keyEnd - keyStart;
    const valueLength = valueStart < 0 ? -1 : valueEnd - valueStart;
    const bodyLength = sizeOfBody(delta, this.records, keyLength, valueLength, headerName, header);
    const borrowed = valueLength >= BORROWED_BYTES;
    this.ensure(bodyLength + RECORD_FRAME_BYTES - (borrowed ? valueLength : 0));

    const { bytes } = this;
    const source = slab.bytes;
    let pos = writeVarint(bytes, this.pos, bodyLength);
    bytes[pos++] = 0;
    pos = writeVarlong(bytes, pos, delta);
    pos = writeVarint(bytes, pos, this.records);
    pos = writeVarint(bytes, pos, keyLength);
    pos += source.copy(bytes, pos, keyStart, keyEnd);
    pos = writeVarint(bytes, pos, valueLength);
    if (borrowed) {
      this.borrowed.push({ at: pos, value: slab.lend().subarray(valueStart, valueEnd) });
      this.borrowedBytes += valueLength;
    } else if (valueLength > 0) pos += source.copy(bytes, pos, valueStart, valueEnd);
    if (headerName && header) {
      pos = writeVarint(bytes, pos, 1);
      pos = writeVarint(bytes, pos, headerName.length);
      pos += headerName.copy(bytes, pos);
      pos = writeVarint(bytes, pos, header.length);
      pos += header.copy(bytes, pos);
    } else {
      bytes[pos++] = 0;
    }
    this.pos = pos;
    this.records++;
  }

  /** Completes the batch for sending and returns it in pieces, valid until clear(), which ends the borrowed ones for good. May be called again. */
  finish({ producerId, epoch }: ProducerIdentity, baseSequence: number): Buffer[] {
    const { bytes } = this;
    bytes.writeBigInt64BE(0n, 0); // base offset: the broker's to fill
    bytes.writeInt32BE(this.size - 12, 8);
    bytes.writeInt32BE(0, 12); // partition leader epoch: the broker's to fill
    bytes.writeInt8(MAGIC, 16);
    bytes.writeInt16BE(0, 21); // attributes: not compressed, create time, not transactional
    bytes.writeInt32BE(this.records - 1, 23);
    bytes.writeBigInt64BE(this.baseTimestamp, 27);
    bytes.writeBigInt64BE(this.maxTimestamp, 35);
    bytes.writeBigInt64BE(producerId, 43);
    bytes.writeInt16BE(epoch, 51);
    bytes.writeInt32BE(baseSequence, 53);
    bytes.writeInt32BE(this.records, 57);
    const pieces = this.pieces();
    const crc = pieces.reduce((crc, piece, i) => crc32c(i === 0 ? piece.subarray(CRC_FROM) : piece, crc), 0);
    bytes.writeUInt32BE(crc, 17);
    return pieces;
  }

  clear(): void {
    this.records = 0;
    this.pos = BATCH_HEADER_BYTES;
    for (const { value } of this.borrowed) free(value);
    this.borrowed = [];
    this.borrowedBytes = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** Our own bytes, with the borrowed values between them. */
  private pieces(): Buffer[] {
    const pieces: Buffer[] = [];
    let from = 0;
    for (const { at, value } of this.borrowed) {
      pieces.push(this.bytes.subarray(from, at), value);
      from = at;
    }
    pieces.push(this.bytes.subarray(from, this.pos));
    return pieces;
  }

  private timestampDelta(timestampMs: bigint): number {
    if (this.records === 0) {
      this.baseTimestamp = timestampMs;
      this.maxTimestamp = timestampMs;
      this.lastDelta = 0;
    } else if (timestampMs !== this.lastTimestamp) {
      this.lastDelta = Number(timestampMs - this.baseTimestamp);
      if (timestampMs > this.maxTimestamp) this.maxTimestamp = timestampMs;
    }
    this.lastTimestamp = timestampMs;
    return this.lastDelta;
  }

  private ensure(more: number): void {
    const needed = this.pos + more;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(grownSize(this.bytes.length, needed));
    this.bytes.copy(grown, 0, 0, this.pos);
    this.bytes = grown;
  }
}

/** Lengths in bytes; a value of -1 is null. */
export interface RecordSizes {
  readonly key: number;
  readonly value: number;
  readonly headerName: Buffer | null;
  readonly header: Buffer | null;
}

/** Size of a batch of these records and no others, all of one time, as the broker counts it. */
export function sizeOfBatch(records: readonly RecordSizes[]): number {
  return records.reduce((size, { key, value, headerName, header }, i) => {
    const body = sizeOfBody(0, i, key, value, headerName, header);
    return size + sizeOfVarint(body) + body;
  }, BATCH_HEADER_BYTES);
}

function sizeOfBody(
  timestampDelta: number,
  offsetDelta: number,
  keyLength: number,
  valueLength: number,
  headerName: Buffer | null,
  header: Buffer | null,
): number {
  const size =
    1 +
    sizeOfVarlong(timestampDelta) +
    sizeOfVarint(offsetDelta) +
    sizeOfVarint(keyLength) +
    keyLength +
    sizeOfVarint(valueLength) +
    Math.max(0, valueLength) +
    1;
  if (!headerName || !header) return size;
  return size + sizeOfVarint(headerName.length) + headerName.length + sizeOfVarint(header.length) + header.length;
}

/** Sequence numbers are int32 and go on at 0 after 2^31 - 1. */
export function nextSequence(sequence: number, records: number): number {
  return (sequence + records) & 0x7fffffff;
}

/** Zigzag varint of a 32-bit integer. */
function sizeOfVarint(value: number): number {
  return SIZE_BY_LEADING_ZEROS[Math.clz32(zigzag(value))]!;
}

function writeVarint(bytes: Buffer, at: number, value: number): number {
  let raw = zigzag(value);
  let pos = at;
  while (raw >= 0x80) {
    bytes[pos++] = (raw & 0x7f) | 0x80;
    raw >>>= 7;
  }
  bytes[pos++] = raw;
  return pos;
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

const SIZE_BY_LEADING_ZEROS = Uint8Array.from({ length: 33 }, (_, zeros) => Math.max(1, Math.ceil((32 - zeros) / 7)));

/** Zigzag varlong of an integer within 2^52; most fit into 31 bits. */
function sizeOfVarlong(value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return sizeOfVarint(value);
  let size = 1;
  for (let raw = zigzagLong(value); raw >= 0x80; raw = Math.floor(raw / 0x80)) size++;
  return size;
}

function writeVarlong(bytes: Buffer, at: number, value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return writeVarint(bytes, at, value);
  let pos = at;
  let raw = zigzagLong(value);
  for (; raw >= 0x80; raw = Math.floor(raw / 0x80)) bytes[pos++] = (raw % 0x80) | 0x80;
  bytes[pos++] = raw;
  return pos;
}

function zigzagLong(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}
