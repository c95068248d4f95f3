import { crc32c } from '@node-rs/crc32';
import type { ConsumedRecord } from '../core/ports/topics';
import { createErrorFromCode, lookupCodecByAttributes } from './internals';

/** A record as kafkajs's consumer needs it and as our ports hand it on: the same object, made once. */
export interface FetchedRecord extends ConsumedRecord {
  /** Hidden from the consumer's user, but its offset counts. True for transaction markers and for {@link filler}. */
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;
}

export interface BatchContext {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly inTransaction: boolean;
  /** A transaction marker. */
  readonly isControlBatch: boolean;
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly logStartOffset: bigint;
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: string }[];
  readonly preferredReadReplica: number;
  readonly messages: FetchedRecord[];
}

export interface FetchResponse {
  readonly throttleTime: number;
  readonly clientSideThrottleTime: number;
  readonly errorCode: number;
  readonly responses: { readonly topicName: string; readonly partitions: FetchedPartition[] }[];
}

/** Before the records of a batch: base offset and length (12 bytes), leader epoch to record count (49). */
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const COUNT_AT = 57;
const RECORDS_AT = 61;

const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const CORRUPT_MESSAGE = 2;

const NO_HEADERS: Readonly<Record<string, Buffer>> = Object.freeze({});

/**
 * Decodes a Fetch response of version 11 in kafkajs's shape. Instead of kafkajs's own decoder, because that one
 *
 * - forgets how far a batch reaches: of a batch whose last records were compacted away nothing says so, the next fetch gets
 *   the same batch again, and the consumer stands still for ever (tulios/kafkajs#1072);
 * - does not look at checksums;
 * - takes 0.7 us a record of 300 bytes against 0.22 here.
 */
export async function decodeFetchResponse(raw: Buffer): Promise<FetchResponse> {
  const reader = new Reader(raw);
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  reader.int32(); // session id
  const responses: FetchResponse['responses'] = [];
  for (let topics = reader.int32(); topics > 0; topics--) {
    const topicName = reader.string();
    const partitions: FetchedPartition[] = [];
    for (let count = reader.int32(); count > 0; count--) partitions.push(await readPartition(reader));
    responses.push({ topicName, partitions });
  }
  return { throttleTime: 0, clientSideThrottleTime, errorCode, responses };
}

async function readPartition(reader: Reader): Promise<FetchedPartition> {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64().toString();
  reader.int64(); // last stable offset
  const logStartOffset = reader.int64();
  const abortedTransactions = [];
  for (let count = reader.int32(); count > 0; count--)
    abortedTransactions.push({ producerId: reader.int64(), firstOffset: reader.int64().toString() });
  const preferredReadReplica = reader.int32();
  const messages = await decodeBatches(reader.bytes());
  return {
    partition,
    errorCode,
    highWatermark,
    logStartOffset,
    abortedTransactions,
    preferredReadReplica,
    messages,
  };
}

/** The whole batches of a record set; the broker may cut off the last one. */
export async function decodeBatches(set: Buffer): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = [];
  for (let at = 0; at + RECORDS_AT <= set.length; ) {
    const end = at + LENGTH_AT + 4 + set.readInt32BE(at + LENGTH_AT);
    if (end > set.length) break;
    await decodeBatch(set.subarray(at, end), records);
    at = end;
  }
  return records;
}

async function decodeBatch(batch: Buffer, into: FetchedRecord[]): Promise<void> {
  if (batch.readInt8(MAGIC_AT) !== 2) throw new Error('a record batch of a format older than Kafka 0.11');
  if (crc32c(batch.subarray(ATTRIBUTES_AT)) !== batch.readUInt32BE(CRC_AT)) throw createErrorFromCode(CORRUPT_MESSAGE);
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  const isControlRecord = (attributes & CONTROL) !== 0;
  const batchContext: BatchContext = {
    producerId: batch.readBigInt64BE(PRODUCER_ID_AT),
    producerEpoch: batch.readInt16BE(PRODUCER_EPOCH_AT),
    inTransaction: (attributes & TRANSACTIONAL) !== 0,
    isControlBatch: isControlRecord,
  };
  const baseOffset = batch.readBigInt64BE(0);
  const baseTimestamp = Number(batch.readBigInt64BE(BASE_TIMESTAMP_AT));
  const appendTime = (attributes & LOG_APPEND_TIME) === 0 ? null : Number(batch.readBigInt64BE(MAX_TIMESTAMP_AT));
  const codec = (attributes & COMPRESSION) === 0 ? null : lookupCodecByAttributes(attributes);
  const body = batch.subarray(RECORDS_AT);
  const reader = new Reader(codec ? await codec.decompress(body) : body);

  let lastDelta = -1;
  for (let count = batch.readInt32BE(COUNT_AT); count > 0; count--) {
    reader.varint(); // length
    reader.skip(1); // attributes, unused
    const timestampMs = appendTime ?? baseTimestamp + reader.varlong();
    if (appendTime !== null) reader.varlong();
    lastDelta = reader.varint();
    const offset = baseOffset + BigInt(lastDelta);
    const key = reader.varBytes();
    const value = reader.varBytes();
    into.push({ offset, timestampMs, key, value, headers: readHeaders(reader), isControlRecord, batchContext });
  }
  const reach = batch.readInt32BE(LAST_OFFSET_DELTA_AT);
  if (lastDelta < reach) into.push(filler(baseOffset + BigInt(reach), batchContext));
}

function readHeaders(reader: Reader): Readonly<Record<string, Buffer>> {
  let count = reader.varint();
  if (count === 0) return NO_HEADERS;
  const headers: Record<string, Buffer> = {};
  for (; count > 0; count--) {
    const name = reader.varBytes()?.toString() ?? '';
    headers[name] = reader.varBytes() ?? Buffer.alloc(0);
  }
  return headers;
}

/** Stands at the last offset of a batch whose end was compacted away, so that the position moves past it. */
function filler(offset: bigint, batchContext: BatchContext): FetchedRecord {
  return {
    offset,
    timestampMs: 0,
    key: null,
    value: null,
    headers: NO_HEADERS,
    isControlRecord: true,
    batchContext: { ...batchContext, isControlBatch: false },
  };
}

/** Kafka's primitive types, read in order. Byte values are views into the response. */
class Reader {
  private pos = 0;

  constructor(private readonly buffer: Buffer) {}

  skip(bytes: number): void {
    this.pos += bytes;
  }

  int16(): number {
    this.pos += 2;
    return this.buffer.readInt16BE(this.pos - 2);
  }

  int32(): number {
    this.pos += 4;
    return this.buffer.readInt32BE(this.pos - 4);
  }

  int64(): bigint {
    this.pos += 8;
    return this.buffer.readBigInt64BE(this.pos - 8);
  }

  string(): string {
    const length = this.int16();
    this.pos += length;
    return this.buffer.toString('utf8', this.pos - length, this.pos);
  }

  /** Nullable, as an empty view. */
  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    this.pos += length;
    return this.buffer.subarray(this.pos - length, this.pos);
  }

  varBytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    this.pos += length;
    return this.buffer.subarray(this.pos - length, this.pos);
  }

  varint(): number {
    let raw = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.buffer[this.pos++]!;
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1);
    }
  }

  /** Exact within 2^53: milliseconds. */
  varlong(): number {
    let raw = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.buffer[this.pos++]!;
      raw += (byte & 0x7f) * scale;
      if (byte < 0x80) return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
    }
  }
}
