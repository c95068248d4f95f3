import type { Lsn } from '../core/lsn';
import type { TransactionStamp } from '../core/ports/encoding';
import { formatUnsigned, MAX_LONG_BYTES, writeBigint, writeLong } from './long';
import { avroString, copyBytes } from './text';

/** What source.version, connector, name and db say. */
export interface SourceNames {
  readonly version: string;
  readonly connector: string;
  readonly name: string;
  readonly db: string;
}

/**
 * The envelope's `source` and its two times. Nearly all of it is the same for every row of a transaction: it is encoded
 * once and then copied, and only lsn and seq are written row by row.
 *
 * `sequence` is `["<commit_lsn>","<lsn>"]`, decimal. Debezium's first element is the LSN of the last commit before; that of
 * this transaction's own commit orders the changes the same way and does not depend on where the stream was begun.
 */
export class SourceBlock {
  private readonly names: Buffer;
  private readonly place: Buffer;

  private readonly stamp: TransactionStamp = { epoch: -1n, commitLsn: 0n, commitTime: 0n, xid: null, snapshot: null };
  /** version … txId, to headEnd; the beginning of sequence's text, to sequenceEnd; commit_lsn, to commitEnd; epoch. */
  private readonly constant: Buffer;
  private headEnd = 0;
  private sequenceEnd = 0;
  private commitEnd = 0;
  private constantEnd = 0;

  private now = -1n;
  private readonly clock = Buffer.alloc(2 * MAX_LONG_BYTES);
  private clockEnd = 0;

  /** Bytes that {@link writeSource} and {@link writeClock} need together, at most. */
  readonly room: number;

  constructor(source: SourceNames, schema: string, table: string) {
    this.names = Buffer.concat([source.version, source.connector, source.name].map(avroString));
    this.place = Buffer.concat([source.db, schema, table].map(avroString));
    this.constant = Buffer.alloc(this.names.length + this.place.length + 128);
    this.room = this.constant.length + 96;
  }

  /** Before the two writers: what the next record shares with others. */
  begin(stamp: TransactionStamp, now: bigint): void {
    const { stamp: known } = this;
    if (
      stamp.commitLsn !== known.commitLsn ||
      stamp.commitTime !== known.commitTime ||
      stamp.xid !== known.xid ||
      stamp.snapshot !== known.snapshot ||
      stamp.epoch !== known.epoch
    )
      this.encodeConstant(stamp);
    if (now !== this.now) {
      this.clockEnd = writeTimes(this.clock, 0, now);
      this.now = now;
    }
  }

  /** version … epoch. */
  writeSource(out: Buffer, start: number, seq: number, lsn: Lsn): number {
    const { constant } = this;
    let at = copyBytes(out, start, constant, 0, this.headEnd);
    at = writeBigint(out, at, lsn);
    out[at++] = 2;
    // Two numbers of at most 20 digits: their length, zigzag, is one byte, known after them.
    const lengthAt = at++;
    at = copyBytes(out, at, constant, this.headEnd, this.sequenceEnd);
    at = formatUnsigned(out, at, lsn);
    out[at++] = QUOTE;
    out[at++] = CLOSING_BRACKET;
    out[lengthAt] = (at - lengthAt - 1) << 1;
    at = copyBytes(out, at, constant, this.sequenceEnd, this.commitEnd);
    at = writeLong(out, at, seq);
    return copyBytes(out, at, constant, this.commitEnd, this.constantEnd);
  }

  /** ts_ms and ts_us of the envelope. */
  writeClock(out: Buffer, at: number): number {
    return copyBytes(out, at, this.clock, 0, this.clockEnd);
  }

  private encodeConstant(stamp: TransactionStamp): void {
    const { constant, stamp: known } = this;
    known.epoch = stamp.epoch;
    known.commitLsn = stamp.commitLsn;
    known.commitTime = stamp.commitTime;
    known.xid = stamp.xid;
    known.snapshot = stamp.snapshot;
    let at = copyBytes(constant, 0, this.names, 0, this.names.length);
    at = writeTimes(constant, at, stamp.commitTime);
    if (stamp.snapshot === null) constant[at++] = 0;
    else {
      constant[at++] = 2;
      const word = avroString(stamp.snapshot);
      at = copyBytes(constant, at, word, 0, word.length);
    }
    at = copyBytes(constant, at, this.place, 0, this.place.length);
    if (stamp.xid === null) constant[at++] = 0;
    else {
      constant[at++] = 2;
      at = writeLong(constant, at, stamp.xid);
    }
    this.headEnd = at;
    constant[at++] = OPENING_BRACKET;
    constant[at++] = QUOTE;
    at = formatUnsigned(constant, at, stamp.commitLsn);
    constant[at++] = QUOTE;
    constant[at++] = COMMA;
    constant[at++] = QUOTE;
    this.sequenceEnd = at;
    this.commitEnd = writeBigint(constant, at, stamp.commitLsn);
    this.constantEnd = writeBigint(constant, this.commitEnd, stamp.epoch);
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;

/** Milliseconds, then microseconds. */
function writeTimes(out: Buffer, at: number, micros: bigint): number {
  return writeBigint(out, writeBigint(out, at, micros / 1000n), micros);
}
