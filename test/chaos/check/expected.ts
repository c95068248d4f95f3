import { Partitioners } from 'kafkajs';
import type { AuditedChange, AuditedTable, TextRow, Truth } from './truth';

/** One record that has to be in a topic, once, because the source committed the change. */
export interface Expected {
  readonly table: string;
  readonly xid: number;
  /** Ordinal in its transaction. */
  readonly seq: number;
  readonly op: 'c' | 'u' | 'd' | 't';
  /** Null for a truncate, which is in every partition. */
  readonly key: string | null;
  readonly partition: number | null;
  readonly before: TextRow | null;
  readonly after: TextRow | null;
  readonly commitTime: bigint;
  /** The row before and after in the source, whatever of it is published. */
  readonly old: TextRow | null;
  readonly new: TextRow | null;
}

/** In the audit's order: that of all changes of a row, and of all changes in a transaction. */
export function expectedRecords(truth: Truth, partitions: number): Expected[] {
  const place = javaPartitioner(partitions);
  const tables = new Map(truth.tables.map((table) => [table.name, table]));
  const next = new Map<number, number>();
  const expected: Expected[] = [];
  let truncate: AuditedChange | null = null;
  for (const change of truth.changes) {
    const table = tables.get(change.table)!;
    const first = next.get(change.xid) ?? 0;
    const together =
      change.op === 'T' && truncate?.xid === change.xid && truncate.statement === change.statement ? first - 1 : first;
    const records = recordsOf(change, table, together, place);
    expected.push(...records);
    next.set(change.xid, together + records.length);
    truncate = change.op === 'T' ? change : null;
  }
  return expected;
}

function recordsOf(
  change: AuditedChange,
  table: AuditedTable,
  seq: number,
  place: (tenant: string) => number,
): Expected[] {
  const { xid, commitTime, old } = change;
  const base = { table: table.name, xid, seq, commitTime, old, new: change.new };
  const partitionOf = (row: TextRow) => place(row[table.tenantColumn]!);
  const gone = (row: TextRow): Expected => {
    const before = table.replicaIdentity === 'f' ? row : onlyKey(row);
    return { ...base, op: 'd', key: row.id!, partition: partitionOf(row), before, after: null };
  };
  const there = (row: TextRow, op: 'c' | 'u', before: TextRow | null): Expected => {
    return { ...base, op, key: row.id!, partition: partitionOf(row), before, after: row };
  };
  switch (change.op) {
    case 'I':
      return [there(change.new!, 'c', null)];
    case 'D':
      return [gone(old!)];
    case 'T':
      return [{ ...base, op: 't', key: null, partition: null, before: null, after: null }];
    case 'U': {
      const row = change.new!;
      const moved = old!.id !== row.id || old![table.tenantColumn] !== row[table.tenantColumn];
      if (moved) return [gone(old!), { ...there(row, 'c', null), seq: seq + 1 }];
      return [there(row, 'u', table.replicaIdentity === 'f' ? old : null)];
    }
  }
}

const onlyKey = (row: TextRow): TextRow =>
  Object.fromEntries(Object.entries(row).map(([column, value]) => [column, column === 'id' ? value : null]));

/** Where Java's clients, and kafkajs as they do, put a record with this key. */
function javaPartitioner(partitions: number): (key: string) => number {
  const partitioner = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));
  const known = new Map<string, number>();
  return (key) => {
    const partition = known.get(key) ?? partitioner({ topic: '', partitionMetadata, message: { key, value: null } });
    known.set(key, partition);
    return partition;
  };
}
