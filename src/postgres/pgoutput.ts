import { CdcError } from '../core/errors';
import type {
  Begin,
  Commit,
  Delete,
  Ignored,
  Insert,
  LogicalMessage,
  RelationMessage,
  ReplicationMessage,
  Truncate,
  Update,
} from '../core/replication-message';
import { type Column, KIND_BINARY, KIND_NULL, KIND_TEXT, KIND_UNCHANGED, newTuple, type Tuple } from '../core/tuple';
import { BoundedReader, describeMessage, trailing, truncated } from './bounded-reader';

const BEGIN = 0x42; // B
const COMMIT = 0x43; // C
const RELATION = 0x52; // R
const INSERT = 0x49; // I
const UPDATE = 0x55; // U
const DELETE = 0x44; // D
const TRUNCATE = 0x54; // T
const MESSAGE = 0x4d; // M
const ORIGIN = 0x4f; // O
const TYPE = 0x59; // Y
const STREAM_ABORT = 0x41; // A

const KEY = 0x4b; // K
const OLD = 0x4f; // O
const NEW = 0x4e; // N

const PG_EPOCH_MICROS = 946_684_800_000_000n;

/**
 * Decoder of pgoutput, protocol version 1.
 *
 * Rows are not decoded but located: a tuple is the payload and the offsets of its columns. One object and one pair of
 * tuples per kind of message is reused, so a row allocates nothing: 0.05 us a row of 12 columns (test/bench/stream.ts, Node 24),
 * against 3.9 us for the parser of pg-logical-replication, which also loses microseconds and digits.
 */
export class PgoutputDecoder {
  private readonly reader = new BoundedReader();
  private readonly begin: Begin = { type: 'begin', commitLsn: 0n, commitTime: 0n, xid: 0 };
  private readonly commit: Commit = { type: 'commit', commitLsn: 0n, endLsn: 0n, commitTime: 0n };
  private readonly insert: Insert = { type: 'insert', relationOid: 0, after: newTuple() };
  private readonly update: Update = {
    type: 'update',
    relationOid: 0,
    beforeKind: null,
    before: newTuple(),
    after: newTuple(),
  };
  private readonly deletion: Delete = { type: 'delete', relationOid: 0, beforeKind: 'K', before: newTuple() };
  private readonly ignored: Ignored = { type: 'ignored', tag: 0 };

  /**
   * One message. The result and its tuples are valid until the next call and as long as `payload`'s bytes are.
   * Throws CdcError `protocol` on anything that is not a message of protocol 1, never another error.
   */
  decode(payload: Buffer): ReplicationMessage {
    const tag = payload[0];
    switch (tag) {
      case INSERT:
        return this.decodeInsert(payload);
      case UPDATE:
        return this.decodeUpdate(payload);
      case DELETE:
        return this.decodeDelete(payload);
    }
    this.reader.start(payload, 1);
    switch (tag) {
      case BEGIN:
        return this.decodeBegin();
      case COMMIT:
        return this.decodeCommit();
      case RELATION:
        return this.decodeRelation();
      case TRUNCATE:
        return this.decodeTruncate();
      case MESSAGE:
        return this.decodeMessage();
      case ORIGIN:
      case TYPE:
      // Belongs to protocol 2, yet PostgreSQL 18 can send it unasked.
      case STREAM_ABORT:
        this.ignored.tag = tag;
        return this.ignored;
      default:
        throw new CdcError('protocol', `pgoutput ${describeMessage(payload)} is not of protocol version 1`);
    }
  }

  private decodeInsert(payload: Buffer): Insert {
    const message = this.insert;
    message.relationOid = relationOid(payload);
    if (payload[5] !== NEW) throw malformed(payload);
    finish(payload, readTuple(payload, 6, message.after));
    return message;
  }

  private decodeUpdate(payload: Buffer): Update {
    const message = this.update;
    message.relationOid = relationOid(payload);
    message.beforeKind = null;
    let at = 5;
    const part = payload[at];
    if (part === KEY || part === OLD) {
      message.beforeKind = part === KEY ? 'K' : 'O';
      at = readTuple(payload, at + 1, message.before);
    }
    if (payload[at] !== NEW) throw malformed(payload);
    finish(payload, readTuple(payload, at + 1, message.after));
    return message;
  }

  private decodeDelete(payload: Buffer): Delete {
    const message = this.deletion;
    message.relationOid = relationOid(payload);
    const part = payload[5];
    if (part !== KEY && part !== OLD) throw malformed(payload);
    message.beforeKind = part === KEY ? 'K' : 'O';
    finish(payload, readTuple(payload, 6, message.before));
    return message;
  }

  private decodeBegin(): Begin {
    const { reader, begin } = this;
    begin.commitLsn = reader.uint64();
    begin.commitTime = reader.int64() + PG_EPOCH_MICROS;
    begin.xid = reader.uint32();
    reader.finish();
    return begin;
  }

  private decodeCommit(): Commit {
    const { reader, commit } = this;
    reader.uint8(); // flags, unused
    commit.commitLsn = reader.uint64();
    commit.endLsn = reader.uint64();
    commit.commitTime = reader.int64() + PG_EPOCH_MICROS;
    reader.finish();
    return commit;
  }

  /** Rare, and kept by whoever gets it: a new object. */
  private decodeRelation(): RelationMessage {
    const { reader } = this;
    const oid = reader.uint32();
    const schema = reader.text() || 'pg_catalog';
    const table = reader.text();
    const replicaIdentity = identityOf(reader.uint8());
    const count = reader.uint16();
    const columns: Column[] = [];
    for (let i = 0; i < count; i++) {
      const identity = (reader.uint8() & 1) === 1;
      columns.push({ name: reader.text(), typeOid: reader.uint32(), typeModifier: reader.int32(), identity });
    }
    reader.finish();
    return { type: 'relation', relation: { oid, schema, table, replicaIdentity, columns } };
  }

  private decodeTruncate(): Truncate {
    const { reader } = this;
    const count = reader.int32();
    const flags = reader.uint8();
    const relationOids: number[] = [];
    for (let i = 0; i < count; i++) relationOids.push(reader.uint32());
    reader.finish();
    return { type: 'truncate', relationOids, cascade: (flags & 1) !== 0, restartIdentity: (flags & 2) !== 0 };
  }

  private decodeMessage(): LogicalMessage {
    const { reader } = this;
    const transactional = (reader.uint8() & 1) !== 0;
    const lsn = reader.uint64();
    const prefix = reader.text();
    const content = reader.copy(reader.int32());
    reader.finish();
    return { type: 'message', transactional, lsn, prefix, content };
  }
}

/** The four bytes after the tag; OIDs are unsigned. */
function relationOid(payload: Buffer): number {
  return ((payload[1]! << 24) | (payload[2]! << 16) | (payload[3]! << 8) | payload[4]!) >>> 0;
}

/**
 * Locates the columns of the tuple that begins at `at`; returns the offset after it. The hot loop: no call, no allocation.
 * A byte beyond the payload reads as undefined, which is no kind of column; a length cut short is larger than what is left.
 */
function readTuple(payload: Buffer, at: number, tuple: Tuple): number {
  const end = payload.length;
  const count = (payload[at]! << 8) | payload[at + 1]!;
  const { kinds, starts, ends } = tuple;
  if (count > kinds.length) throw malformed(payload);
  let p = at + 2;
  for (let i = 0; i < count; i++) {
    const kind = payload[p++]!;
    kinds[i] = kind;
    if (kind === KIND_TEXT || kind === KIND_BINARY) {
      const length = (payload[p]! << 24) | (payload[p + 1]! << 16) | (payload[p + 2]! << 8) | payload[p + 3]!;
      p += 4;
      if (length < 0 || length > end - p) throw truncated(payload);
      starts[i] = p;
      p += length;
      ends[i] = p;
    } else if (kind !== KIND_NULL && kind !== KIND_UNCHANGED) throw malformed(payload);
  }
  tuple.bytes = payload;
  tuple.count = count;
  return p;
}

/** A message ends where its last part ends. */
function finish(payload: Buffer, at: number): void {
  if (at > payload.length) throw truncated(payload);
  if (at < payload.length) throw trailing(payload);
}

function malformed(payload: Buffer): CdcError {
  return new CdcError('protocol', `pgoutput ${describeMessage(payload)} is malformed`);
}

function identityOf(byte: number): 'd' | 'n' | 'f' | 'i' {
  const letter = String.fromCharCode(byte);
  if (letter === 'd' || letter === 'n' || letter === 'f' || letter === 'i') return letter;
  throw new CdcError('protocol', `pgoutput relation with unknown replica identity 0x${byte.toString(16)}`);
}
