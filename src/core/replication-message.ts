import type { Lsn } from './lsn';
import { free } from './slab';
import type { Relation, Tuple } from './tuple';

/**
 * pgoutput's messages of protocol 1, as the decoder hands them out.
 *
 * The decoder reuses one object and one pair of tuples per kind: a message is valid until the next is read.
 * Times are microseconds since 1970-01-01 UTC.
 */
export type ReplicationMessage =
  | Begin
  | Commit
  | RelationMessage
  | Insert
  | Update
  | Delete
  | Truncate
  | LogicalMessage
  | Ignored;

export interface Begin {
  type: 'begin';
  /** LSN of the commit record: the position's commit_lsn. */
  commitLsn: Lsn;
  commitTime: bigint;
  /** Unsigned 32 bits, without epoch. */
  xid: number;
}
export interface Commit {
  type: 'commit';
  commitLsn: Lsn;
  /** End of the commit record: what may be confirmed once all before it is durable. */
  endLsn: Lsn;
  commitTime: bigint;
}
export interface RelationMessage {
  type: 'relation';
  relation: Relation;
}
export interface Insert {
  type: 'insert';
  relationOid: number;
  after: Tuple;
}
export interface Update {
  type: 'update';
  relationOid: number;
  /** K = identity columns only (the others are null), O = whole old row, null = identity unchanged and not sent. */
  beforeKind: 'K' | 'O' | null;
  before: Tuple;
  after: Tuple;
}
export interface Delete {
  type: 'delete';
  relationOid: number;
  beforeKind: 'K' | 'O';
  before: Tuple;
}
export interface Truncate {
  type: 'truncate';
  relationOids: readonly number[];
  cascade: boolean;
  restartIdentity: boolean;
}
/** pg_logical_emit_message. Content is copied. */
export interface LogicalMessage {
  type: 'message';
  transactional: boolean;
  lsn: Lsn;
  prefix: string;
  content: Buffer;
}
/** Origin, Type, and PostgreSQL 18's unsolicited stream abort: nothing to do. */
export interface Ignored {
  type: 'ignored';
  tag: number;
}

/** A message of this size comes in a buffer of its own. */
const LARGE_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** Frees a large message that was handled: the decoder's tuples are reused, and would hold it until the next of its kind. */
export function releaseMessage(message: ReplicationMessage, payload: Buffer): void {
  if (payload.length <= LARGE_BYTES) return;
  if ('before' in message) message.before.bytes = NOTHING;
  if ('after' in message) message.after.bytes = NOTHING;
  free(payload);
}
