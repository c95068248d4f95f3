import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, type Fault } from '../../chaos/check/check';
import type { TopicContents, TopicRecord } from '../../chaos/check/topics';
import type { AuditedChange, AuditedTable, TextRow, Truth } from '../../chaos/check/truth';

/** Of two partitions kafkajs chooses 1 for t1 and 0 for t2. */
const tenant = (id: string, name: string): TextRow => ({ id, name });
const order = (id: string, tenant_id: string, name: string): TextRow => ({ id, tenant_id, name });
const key = (id: string): TextRow => ({ id, name: null });

const TIME = 1_767_225_600_000_123n;
let n: number;

function change(
  table: string,
  xid: number,
  op: AuditedChange['op'],
  old: TextRow | null,
  row: TextRow | null,
): AuditedChange {
  return { table, n: ++n, xid, op, statement: `of ${xid}`, commitTime: TIME, old, new: row };
}

type Values = Pick<NonNullable<TopicRecord['value']>, 'op'> & Partial<NonNullable<TopicRecord['value']>>;

/** A record at the end of its partition. */
function record(
  contents: TopicRecord[],
  table: string,
  partition: number,
  id: string,
  commitLsn: bigint,
  seq: bigint,
  xid: number | null,
  values: Values | null,
): void {
  const offset = BigInt(contents.length);
  const place = { topic: `ventia.${table}`, partition, offset, timestampMs: Number(TIME / 1000n), key: id };
  const envelope = {
    before: null,
    after: null,
    unchanged: null,
    position: { epoch: 1n, commitLsn, seq },
    xid,
    table,
    commitTime: TIME,
  };
  contents.push({ ...place, value: values && { ...envelope, ...values } });
}

interface Scene {
  truth: Truth;
  topics: Map<string, TopicContents>;
}

/** Transactions 1 to 5 and a first load, as they should be. */
function scene(): Scene {
  n = 0;
  const [o1, o1b, o1c] = [order('o1', 't1', 'a'), order('o1', 't1', 'b'), order('o1', 't2', 'b')];
  const [o2, o3, o4] = [order('o2', 't2', 'x'), order('o3', 't1', 'old'), order('o4', 't2', 'new')];
  const [t1, t1b, t2, t3] = [tenant('t1', 'one'), tenant('t1', 'uno'), tenant('t2', 'two'), tenant('t3', 'three')];
  const changes = [
    change('orders', 1, 'I', null, o1),
    change('orders', 1, 'U', o1, o1b),
    change('tenants', 2, 'U', t1, t1b),
    change('orders', 2, 'U', o1b, o1c),
    change('orders', 2, 'I', null, o2),
    change('orders', 3, 'D', o1c, null),
    change('tenants', 3, 'D', t3, null),
    change('orders', 4, 'T', null, null),
    change('orders', 5, 'I', null, o4),
  ];
  const table = (name: string, replicaIdentity: string, first: TextRow[], last: TextRow[]): AuditedTable => ({
    name,
    tenantColumn: name === 'tenants' ? 'id' : 'tenant_id',
    replicaIdentity,
    first: new Map(first.map((row) => [row.id!, row])),
    last: new Map(last.map((row) => [row.id!, row])),
  });
  const truth = {
    tables: [table('tenants', 'd', [t1, t2, t3], [t1b, t2]), table('orders', 'f', [o3], [o4])],
    changes,
  };

  const orders: TopicRecord[] = [];
  record(orders, 'orders', 0, 'o1', 20n, 2n, 2, { op: 'c', after: o1c });
  record(orders, 'orders', 0, 'o2', 20n, 3n, 2, { op: 'c', after: o2 });
  record(orders, 'orders', 0, 'o1', 30n, 0n, 3, { op: 'd', before: o1c });
  record(orders, 'orders', 0, 'o1', 0n, 0n, null, null);
  record(orders, 'orders', 0, '0', 40n, 0n, 4, { op: 't' });
  record(orders, 'orders', 0, 'o4', 50n, 0n, 5, { op: 'c', after: o4 });
  record(orders, 'orders', 1, 'o1', 10n, 0n, 1, { op: 'c', after: o1 });
  record(orders, 'orders', 1, 'o1', 10n, 1n, 1, { op: 'u', before: o1, after: o1b });
  record(orders, 'orders', 1, 'o3', 15n, 0n, null, { op: 'r', after: o3 });
  record(orders, 'orders', 1, 'o1', 20n, 1n, 2, { op: 'd', before: o1b });
  record(orders, 'orders', 1, 'o1', 0n, 0n, null, null);
  record(orders, 'orders', 1, '0', 40n, 0n, 4, { op: 't' });
  const tenants: TopicRecord[] = [];
  record(tenants, 'tenants', 0, 't2', 15n, 0n, null, { op: 'r', after: t2 });
  record(tenants, 'tenants', 0, 't3', 30n, 1n, 3, { op: 'd', before: key('t3') });
  record(tenants, 'tenants', 0, 't3', 0n, 0n, null, null);
  record(tenants, 'tenants', 1, 't1', 15n, 1n, null, { op: 'r', after: t1 });
  record(tenants, 'tenants', 1, 't1', 20n, 0n, 2, { op: 'u', after: t1b });
  const topics = new Map([
    ['orders', { partitions: 2, records: orders, columns: [] }],
    ['tenants', { partitions: 2, records: tenants, columns: [] }],
  ]);
  return { truth, topics };
}

/** The scene's verdict after `harm` was done to the topic of orders (or tenants). */
function verdictAfter(harm: (records: TopicRecord[], scene: Scene) => TopicRecord[], table = 'orders') {
  const one = scene();
  const contents = one.topics.get(table)!;
  one.topics.set(table, { ...contents, records: harm([...contents.records], one) });
  return check(one.truth, one.topics);
}

const withValue = (record: TopicRecord, values: object): TopicRecord => ({
  ...record,
  value: { ...record.value!, ...values },
});

it('finds nothing wrong with what is right', () => {
  const verdict = verdictAfter((records) => records);
  expect(verdict.first).toEqual([]);
  expect(Object.values(verdict.faults).every((count) => count === 0)).toBe(true);
  // A truncate is in both partitions, a move is two records.
  expect(verdict).toMatchObject({ changes: 9, records: 11, tombstones: 3, loaded: 3, loadedAgain: 0 });
});

const HARMS: readonly [string, Fault, (records: TopicRecord[], scene: Scene) => TopicRecord[], table?: string][] = [
  ['a change is not there', 'missing', (records) => records.toSpliced(5, 1)],
  ['a truncate is not in one of the partitions', 'missing', (records) => records.toSpliced(11, 1)],
  ['a record comes twice in a row', 'doubled', (records) => records.toSpliced(1, 0, records[1]!)],
  ['records come again', 'doubled', (records) => [...records.slice(0, 2), ...records]],
  ['a record is in another partition, too', 'doubled', (records) => [...records, { ...records[5]!, partition: 1 }]],
  ['two records are swapped', 'disordered', (records) => records.toSpliced(6, 2, records[7]!, records[6]!)],
  [
    'a transaction is put behind a later one of the same row',
    'disordered',
    (records) =>
      records.map((record) =>
        record.value?.xid === 1
          ? withValue(record, { position: { ...record.value.position, commitLsn: 60n } })
          : record,
      ),
  ],
  [
    'a transaction has two positions',
    'disordered',
    (records) => records.with(1, withValue(records[1]!, { position: { epoch: 1n, commitLsn: 21n, seq: 3n } })),
  ],
  [
    'a row of after the truncate stands before it',
    'disordered',
    (records) => records.with(5, withValue(records[5]!, { position: { epoch: 1n, commitLsn: 39n, seq: 0n } })),
  ],
  [
    'the new row is another',
    'wrong image',
    (records) => records.with(1, withValue(records[1]!, { after: order('o2', 't2', 'y') })),
  ],
  [
    'a value became null',
    'wrong image',
    (records) => records.with(1, withValue(records[1]!, { after: { id: 'o2', tenant_id: 't2', name: null } })),
  ],
  ['the old row is missing', 'wrong image', (records) => records.with(7, withValue(records[7]!, { before: null }))],
  ['the operation is another', 'wrong image', (records) => records.with(1, withValue(records[1]!, { op: 'u' }))],
  ['the key is another', 'wrong image', (records) => records.with(1, { ...records[1]!, key: 'o9' })],
  ['the commit time is another', 'wrong image', (records) => records.with(1, { ...records[1]!, timestampMs: 1 })],
  [
    'a value is said to be unchanged, and is not',
    'wrong image',
    (records) => {
      const left = withValue(records[4]!, { after: key('t1'), unchanged: ['name'] });
      return records.with(4, left);
    },
    'tenants',
  ],
  [
    'more of a deleted row than its identity',
    'wrong image',
    (records) => records.with(1, withValue(records[1]!, { before: tenant('t3', 'three') })),
    'tenants',
  ],
  [
    'a record is in another partition',
    'wrong partition',
    (records) => [...records.slice(0, 5), ...records.slice(6), { ...records[5]!, partition: 1 }],
  ],
  [
    'what was rolled back is there',
    'never committed',
    (records) => records.with(5, withValue(records[5]!, { xid: 99 })),
  ],
  ['a tombstone is missing', 'without tombstone', (records) => records.toSpliced(3, 1)],
  ['the last tombstone of a partition is missing', 'without tombstone', (records) => records.toSpliced(10, 2)],
  ['a tombstone is for another row', 'without tombstone', (records) => records.with(3, { ...records[3]!, key: 'o2' })],
  ['a tombstone is there without delete', 'without tombstone', (records) => [...records, records[3]!]],
  [
    'the first load brings an older row than the stream',
    'wrong image',
    (records) => [
      ...records,
      { ...records[3]!, value: { ...records[3]!.value!, position: { epoch: 1n, commitLsn: 25n, seq: 0n } } },
    ],
    'tenants',
  ],
  [
    'the first load brings back a deleted row',
    'never committed',
    (records) => {
      const t3 = withValue(records[0]!, {
        after: tenant('t3', 'three'),
        position: { epoch: 1n, commitLsn: 35n, seq: 0n },
      });
      return records.toSpliced(3, 0, { ...t3, key: 't3' });
    },
    'tenants',
  ],
  ['the first load leaves out a row', 'wrong in the end', (records) => records.toSpliced(0, 1), 'tenants'],
];

it.each(HARMS.map(([what, fault, ...harm]) => ({ what, fault, harm })))(
  'sees that $what: $fault',
  ({ fault, harm }) => {
    const verdict = verdictAfter(...harm);
    expect(verdict.faults[fault]).toBeGreaterThan(0);
    expect(verdict.first.some((told) => told.startsWith(fault))).toBe(true);
  },
);

it('takes a large value that is rightly left out', () => {
  const same = tenant('t1', 'one');
  const verdict = verdictAfter((records, { truth }) => {
    (truth.changes as AuditedChange[])[2] = { ...truth.changes[2]!, new: same };
    (truth.tables[0]!.last as Map<string, TextRow>).set('t1', same);
    return records.with(4, withValue(records[4]!, { after: key('t1'), unchanged: ['name'] }));
  }, 'tenants');
  expect(verdict.first).toEqual([]);
});

it('takes a chunk of the first load that comes again', () => {
  const verdict = verdictAfter((records) => {
    const again = withValue(records[0]!, { position: { epoch: 1n, commitLsn: 16n, seq: 0n } });
    return records.toSpliced(1, 0, again);
  }, 'tenants');
  expect(verdict).toMatchObject({ first: [], loaded: 4, loadedAgain: 1 });
});

it('the checker imports nothing of the program that it checks', () => {
  const folder = join(__dirname, '../../chaos/check');
  const imports = readdirSync(folder).flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/from '([^']+)'/g)].map(([, from]) => from!),
  );
  expect(imports.length).toBeGreaterThan(5);
  expect(imports.filter((from) => !/^\.\/\w+$|^(avsc|kafkajs|pg)$/.test(from))).toEqual([]);
});
