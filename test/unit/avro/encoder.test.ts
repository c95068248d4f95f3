import { schemasOf } from '../../../src/avro/envelope';
import { partitionOf } from '../../../src/core/partition';
import { Slab } from '../../../src/core/slab';
import type { Relation } from '../../../src/core/tuple';
import {
  avroOracle,
  bytesOf,
  column,
  contractOf,
  encoderOf,
  errorOf,
  expectedSource,
  factoryOf,
  NOW,
  relationOf,
  type Sent,
  STAMP,
  type TestColumn,
  tupleOf,
  UNCHANGED,
} from '../../support/avro';

const COLUMNS: TestColumn[] = [
  { name: 'status', oid: 1043, avro: 'string' },
  { name: 'notes', oid: 25, avro: 'string' },
];
const ALL = { absentColumns: [] };
const decode = (bytes: Buffer, columns = COLUMNS) =>
  avroOracle(schemasOf(contractOf(columns)).value).fromBuffer(bytes.subarray(5));
const eventOf = (columns: TestColumn[], sent: Sent[], op: 'c' | 'u' | 'd' = 'c') => {
  const tuple = tupleOf(sent);
  return decode(
    bytesOf((slab) =>
      encoderOf(columns).writeValue(slab, op, op === 'd' ? tuple : null, op === 'd' ? null : tuple, STAMP, 5, 99n, NOW),
    ),
    columns,
  );
};

describe('rows', () => {
  test("hold the contract's columns only (Invariant 8), in its order, wherever they are in the table", () => {
    const relation: Relation = {
      ...relationOf([]),
      columns: [
        column('settings', 114),
        column('status', 25),
        column('tenant_id', 23),
        column('secret', 25),
        column('notes', 25),
        column('id', 20),
      ],
    };
    const encoder = factoryOf([contractOf(COLUMNS)]).compile(relation, ALL)!;
    const row = tupleOf(['{"token":"s3cr3t"}', 'Pagado', '2', 's3cr3t', null, '1']);
    const bytes = bytesOf((slab) => encoder.writeValue(slab, 'u', row, row, STAMP, 0, 1n, NOW));
    expect(decode(bytes).after).toEqual({ id: 1n, tenant_id: 2n, status: 'Pagado', notes: null });
    expect(bytes.includes('s3cr3t')).toBe(false);
  });

  test('an unchanged value is null and named', () => {
    const event = eventOf(COLUMNS, ['1', '2', 'Pagado', UNCHANGED]);
    expect(event.after.notes).toBeNull();
    expect(event.unchanged).toEqual(['notes']);
    expect(eventOf(COLUMNS, ['1', '2', 'Pagado', null]).unchanged).toBeNull();
    const encoder = encoderOf(COLUMNS);
    expect(encoder.hasUnchanged(tupleOf(['1', '2', 'Pagado', UNCHANGED]))).toBe(true);
    expect(encoder.hasUnchanged(tupleOf(['1', '2', 'Pagado', null]))).toBe(false);
  });

  test('a delete has what the identity gives', () => {
    const event = eventOf(COLUMNS, ['1', '2', null, null], 'd');
    expect(event).toMatchObject({ op: 'd', before: { id: 1n, tenant_id: 2n, status: null, notes: null }, after: null });
  });

  test('without key or tenant there is no record, and the slab is as it was', () => {
    const encoder = encoderOf(COLUMNS);
    const slab = new Slab();
    slab.pos = 100;
    const write = (sent: Sent[]) => () => encoder.writeValue(slab, 'c', null, tupleOf(sent), STAMP, 0, 1n, NOW);
    expect(errorOf(write([null, '2', 'x', 'y']))).toBe('unencodable: column id of ventia.orders: null');
    expect(errorOf(write(['1', null, 'x', 'y']))).toBe('unencodable: column tenant_id of ventia.orders: null');
    expect(errorOf(() => encoder.writeKey(slab, tupleOf([null, '2', 'x', 'y'])))).toMatch(/^unencodable/);
    expect(slab.pos).toBe(100);
  });

  test('a truncate has the nil id and no rows', () => {
    const encoder = encoderOf(COLUMNS);
    const bytes = bytesOf((slab) => encoder.writeValue(slab, 't', null, null, STAMP, 3, 7n, NOW));
    expect(decode(bytes)).toMatchObject({ op: 't', before: null, after: null, unchanged: null });
    expect(bytesOf((slab) => encoder.writeTruncateKey(slab)).toString('hex')).toBe('000000000b00');

    const uuids = {
      ...contractOf(COLUMNS),
      fields: [
        { name: 'id', type: { kind: 'uuid' as const, precision: 0, scale: 0 }, doc: '-', optional: false },
        ...contractOf(COLUMNS).fields.slice(1),
      ],
    };
    const relation = { ...relationOf(COLUMNS), columns: [column('id', 2950), ...relationOf(COLUMNS).columns.slice(1)] };
    const key = bytesOf((slab) => factoryOf([uuids]).compile(relation, ALL)!.writeTruncateKey(slab));
    expect(key.subarray(6).toString()).toBe('00000000-0000-0000-0000-000000000000');
  });
});

describe('source', () => {
  test('follows every change of the stamp and the clock, one instance or another', () => {
    const encoder = encoderOf(COLUMNS);
    const row = tupleOf(['1', '2', 'Pagado', null]);
    const stamp = { ...STAMP };
    const written = (seq: number, lsn: bigint, now: bigint) =>
      decode(bytesOf((slab) => encoder.writeValue(slab, 'c', null, row, stamp, seq, lsn, now)));
    const check = (seq: number, lsn: bigint, now = NOW) => {
      expect(written(seq, lsn, now)).toMatchObject({
        source: expectedSource(stamp, seq, lsn),
        ts_ms: now / 1000n,
        ts_us: now,
      });
    };
    check(0, 100n);
    check(1, 101n, NOW + 1n);
    stamp.commitLsn = 0xffff_ffff_ffff_ffffn;
    check(2, 0xffff_ffff_ffff_fffen);
    stamp.commitTime += 1n;
    check(2 ** 31, 0n);
    stamp.xid = 0;
    check(3, 1n);
    stamp.xid = null;
    check(4, 1n);
    stamp.snapshot = 'incremental';
    check(5, 1n);
    stamp.epoch = 2n ** 40n;
    check(6, 1n);
  });
});

describe('placing', () => {
  const tenant = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
  const expected = partitionOf(Buffer.from(tenant), 0, 36, 1000);

  test("is by the tenant's text form, in whichever form it came", () => {
    const uuidTenant = {
      ...contractOf([]),
      fields: [
        contractOf([]).fields[0]!,
        { name: 'tenant_id', type: { kind: 'uuid' as const, precision: 0, scale: 0 }, doc: '-', optional: false },
      ],
    };
    const encoder = factoryOf([uuidTenant]).compile(
      { ...relationOf([]), columns: [column('id', 20), column('tenant_id', 2950)] },
      ALL,
    )!;
    expect(encoder.partition(tupleOf(['1', tenant]), 1000)).toBe(expected);
    expect(encoder.partition(tupleOf(['1', Buffer.from(tenant.replaceAll('-', ''), 'hex')]), 1000)).toBe(expected);
    expect(encoder.partition(tupleOf(['1', null]), 1000)).toBe(-1);
    expect(encoder.partition(tupleOf(['1', UNCHANGED]), 1000)).toBe(-1);
  });

  test('of integers, too', () => {
    const encoder = encoderOf([]);
    const eight = Buffer.alloc(8);
    eight.writeBigInt64BE(-9_007_199_254_740_993n);
    const text = '-9007199254740993';
    expect(encoder.partition(tupleOf(['1', text]), 1000)).toBe(partitionOf(Buffer.from(text), 0, text.length, 1000));
    expect(encoder.partition(tupleOf(['1', eight]), 1000)).toBe(encoder.partition(tupleOf(['1', text]), 1000));
  });

  test('a row moves with its id or its tenant, and only then', () => {
    const encoder = encoderOf(COLUMNS);
    const before = tupleOf(['1', '2', 'Pagado', null]);
    expect(encoder.moved(before, tupleOf(['1', '2', 'Enviado', 'x']))).toBe(false);
    expect(encoder.moved(before, tupleOf(['3', '2', 'Pagado', null]))).toBe(true);
    expect(encoder.moved(before, tupleOf(['1', '4', 'Pagado', null]))).toBe(true);
  });
});
