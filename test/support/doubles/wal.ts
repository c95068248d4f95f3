import { partitionOfTenant } from '../../../src/core/partition';
import type { EncoderFactory, RowEncoder } from '../../../src/core/ports/encoding';
import type { ReplicationMessage } from '../../../src/core/replication-message';
import type { Slab } from '../../../src/core/slab';
import { KIND_TEXT, newTuple, type Relation, type Tuple } from '../../../src/core/tuple';

/** A pretended WAL of one table (id, tenant_id, version): messages addressed by index, so that a payload is four bytes. */
export interface FakeChange {
  readonly op: 'c' | 'u' | 'd' | 't';
  readonly id: number;
  readonly tenant: number;
  /** For u: the tenant before; another one is a move. */
  readonly oldTenant: number;
}

export interface FakeTransaction {
  readonly commitLsn: bigint;
  readonly endLsn: bigint;
  readonly changes: readonly FakeChange[];
}

const column = (name: string) => ({ name, typeOid: 20, typeModifier: -1, identity: true });
export const RELATION: Relation = {
  oid: 1,
  schema: 'ventia',
  table: 'orders',
  replicaIdentity: 'f',
  columns: [column('id'), column('tenant_id'), column('version')],
};

export function row(id: number, tenant: number, version = 0): Tuple {
  const tuple = newTuple(3);
  const texts = [String(id), String(tenant), String(version)];
  tuple.bytes = Buffer.from(texts.join(''));
  tuple.count = texts.length;
  tuple.kinds.fill(KIND_TEXT);
  texts.forEach((text, i) => {
    tuple.starts[i] = i === 0 ? 0 : tuple.ends[i - 1]!;
    tuple.ends[i] = tuple.starts[i]! + text.length;
  });
  return tuple;
}

/** A clock that is set back and ahead all the time: nothing may depend on times for order. Microseconds. */
export const jumpingClock = (lsn: bigint): bigint => ((lsn * 7_919n) % 997n) * 1_000_000n;

/** All messages of the transactions, in order, with the index of the transaction each belongs to. */
export function messagesOf(transactions: readonly FakeTransaction[]): { tx: number; message: ReplicationMessage }[] {
  return transactions.flatMap(({ commitLsn, endLsn, changes }, tx) => {
    const commitTime = jumpingClock(commitLsn);
    const messages: ReplicationMessage[] = [{ type: 'begin', commitLsn, commitTime, xid: tx + 1 }];
    messages.push({ type: 'relation', relation: RELATION });
    for (const { op, id, tenant, oldTenant } of changes) {
      const after = row(id, tenant);
      const before = row(id, op === 'u' ? oldTenant : tenant);
      if (op === 'c') messages.push({ type: 'insert', relationOid: 1, after });
      if (op === 'u') messages.push({ type: 'update', relationOid: 1, beforeKind: 'O', before, after });
      if (op === 'd') messages.push({ type: 'delete', relationOid: 1, beforeKind: 'O', before });
      if (op === 't') messages.push({ type: 'truncate', relationOids: [1], cascade: false, restartIdentity: false });
    }
    messages.push({ type: 'commit', commitLsn, endLsn, commitTime });
    return messages.map((message) => ({ tx, message }));
  });
}

const textOf = (tuple: Tuple, i: number) => tuple.bytes.toString('latin1', tuple.starts[i], tuple.ends[i]);
const put = (slab: Slab, text: string) => {
  slab.ensure(text.length);
  slab.pos += slab.bytes.write(text, slab.pos, 'latin1');
};

/** Keys are the id's text, values JSON; the partition is the real one of the tenant's text. */
export const fakeEncoder: RowEncoder = {
  topic: 'ventia.orders',
  table: 'ventia.orders',
  relation: RELATION,
  lacksIdentity: null,
  writeKey: (slab, tuple) => put(slab, textOf(tuple, 0)),
  writeTruncateKey: (slab) => put(slab, '0'),
  writeValue: (slab, op, before, after, stamp, seq) => {
    const position = { lsn: Number(stamp.commitLsn), seq, epoch: Number(stamp.epoch) };
    const tuple = after ?? before;
    const values = tuple && { tenant: textOf(tuple, 1), version: Number(textOf(tuple, 2)) };
    put(slab, JSON.stringify({ op, ...position, snapshot: stamp.snapshot, ...values }));
  },
  partition: (tuple, partitions) => partitionOfTenant(textOf(tuple, 1), partitions),
  moved: (before, after) => textOf(before, 1) !== textOf(after, 1) || textOf(before, 0) !== textOf(after, 0),
  hasUnchanged: () => false,
  idText: (tuple) => textOf(tuple, 0),
};

/** Tables that nobody alters. */
export const plainTables = { named: (relation: Relation) => relation, absentColumns: () => [], excused: () => false };

/** One table, and its encoder. */
export const fakeEncoders: EncoderFactory = {
  tables: ['ventia.orders'],
  columns: () => ['id', 'tenant_id', 'version'],
  tenantColumn: () => 'tenant_id',
  compile: () => fakeEncoder,
};

/** What the topics must hold in the end: every record once, by position, in the order of each partition. */
export function expectedRecords(transactions: readonly FakeTransaction[], partitions: number): string[] {
  const expected: string[] = [];
  const expect = (partition: number, lsn: bigint, seq: number, op: string | null, key: number) =>
    expected.push(`${partition} ${lsn} ${seq} ${op} ${key}`);
  for (const { commitLsn, changes } of transactions) {
    let seq = 0;
    for (const { op, id, tenant, oldTenant } of changes) {
      const moved = op === 'u' && tenant !== oldTenant;
      if (op === 't') for (let p = 0; p < partitions; p++) expect(p, commitLsn, seq, 't', 0);
      if (op === 'd' || moved) {
        expect(partitionOfTenant(String(moved ? oldTenant : tenant), partitions), commitLsn, seq, 'd', id);
        expect(partitionOfTenant(String(moved ? oldTenant : tenant), partitions), commitLsn, seq, null, id);
      }
      if (op === 'c' || op === 'u')
        expect(partitionOfTenant(String(tenant), partitions), commitLsn, moved ? seq + 1 : seq, moved ? 'c' : op, id);
      seq += moved ? 2 : 1;
    }
  }
  return expected;
}
