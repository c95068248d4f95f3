import type { Contract } from '../../../src/avro/contract';
import { createEncoderFactory } from '../../../src/avro/encoder-factory';
import { schemasOf } from '../../../src/avro/envelope';
import type { CdcError } from '../../../src/core/errors';
import { partitionOf } from '../../../src/core/partition';
import { Slab } from '../../../src/core/slab';
import type { Relation } from '../../../src/core/tuple';
import {
  avroOracle,
  bytesOf,
  column,
  contractOf,
  encoderOf,
  expectedSource,
  factoryOf,
  NOW,
  relationOf,
  type Sent,
  SOURCE,
  STAMP,
  type TestColumn,
  tupleOf,
  UNCHANGED,
  UUID,
} from '../../support/avro';

const COLUMNS: TestColumn[] = [
  { name: 'status', oid: 1043, avro: 'string' },
  { name: 'notes', oid: 25, avro: 'string' },
];
const ALL = { absentColumns: [] };
const kindOf = (work: () => unknown): string => {
  try {
    return `no error: ${work()}`;
  } catch (error) {
    return `${(error as CdcError).kind}: ${(error as Error).message}`;
  }
};
const optional = (contract: Contract, ...names: string[]): Contract => ({
  ...contract,
  fields: contract.fields.map((f) => ({ ...f, optional: names.includes(f.name) })),
});
const without = (relation: Relation, name: string): Relation => ({
  ...relation,
  columns: relation.columns.filter((c) => c.name !== name),
});
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

describe('compiling', () => {
  test('a table outside the contract has no encoder', () => {
    const factory = factoryOf([contractOf(COLUMNS)]);
    expect(factory.compile({ ...relationOf(COLUMNS), table: 'users' }, ALL)).toBeNull();
    expect(factory.compile({ ...relationOf(COLUMNS), schema: 'other' }, ALL)).toBeNull();
    expect(factory.tables).toEqual(['ventia.orders']);
    expect(factory.columns('ventia.orders')).toEqual(['id', 'tenant_id', 'status', 'notes']);
  });

  test('needs the registered ids', () => {
    const factory = createEncoderFactory({ contracts: [contractOf([])], schemaIds: new Map(), source: SOURCE });
    expect(kindOf(() => factory.compile(relationOf([]), ALL))).toBe(
      'setup_needed: topic ventia.orders: its schemas are not registered',
    );
  });

  test('a column that is missing is an error, unless it is optional and known to be absent', () => {
    const relation = without(relationOf(COLUMNS), 'notes');
    const missing = 'contract_column_missing: column notes of ventia.orders does not exist';
    const strict = factoryOf([contractOf(COLUMNS)]);
    const lenient = factoryOf([optional(contractOf(COLUMNS), 'notes')]);
    expect(kindOf(() => strict.compile(relation, ALL))).toBe(missing);
    expect(kindOf(() => strict.compile(relation, { absentColumns: ['notes'] }))).toBe(missing);
    expect(kindOf(() => lenient.compile(relation, ALL))).toBe(missing);
    const encoder = lenient.compile(relation, { absentColumns: ['notes'] })!;
    const bytes = bytesOf((slab) =>
      encoder.writeValue(slab, 'c', null, tupleOf(['1', '2', 'Pagado']), STAMP, 0, 1n, NOW),
    );
    expect(decode(bytes).after).toMatchObject({ id: 1n, tenant_id: 2n, status: 'Pagado', notes: null });
  });

  test('a column that was absent once and is there now is written', () => {
    const encoder = factoryOf([optional(contractOf(COLUMNS), 'notes')]).compile(relationOf(COLUMNS), {
      absentColumns: ['notes'],
    })!;
    const row = tupleOf(['1', '2', 'Pagado', 'leave at the door']);
    const bytes = bytesOf((slab) => encoder.writeValue(slab, 'c', null, row, STAMP, 0, 1n, NOW));
    expect(decode(bytes).after).toMatchObject({ notes: 'leave at the door' });
  });

  test.each<[oid: number, typeModifier: number, avro: unknown, name: string]>([
    [1700, -1, 'double', 'numeric does not fit double'],
    [20, -1, 'int', 'int8 does not fit int'],
    [701, -1, 'string', 'float8 does not fit string'],
    [1184, -1, 'string', 'timestamptz does not fit string'],
    [
      1184,
      -1,
      { type: 'long', logicalType: 'local-timestamp-micros' },
      'timestamptz does not fit local-timestamp-micros',
    ],
    [25, -1, UUID, 'text does not fit uuid'],
    [16_500, -1, 'long', 'type 16500 does not fit long'],
    [
      1700,
      4 + (14 << 16) + 2,
      { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 },
      'does not fit decimal',
    ],
    [
      1700,
      4 + (12 << 16) + 4,
      { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 },
      'does not fit decimal',
    ],
  ])('type %i with modifier %i is no %j', (oid, typeModifier, avro, name) => {
    const columns = [{ name: 'total', oid, typeModifier, avro }];
    expect(kindOf(() => encoderOf(columns))).toMatch(/^contract_type: column total of ventia\.orders: /);
    expect(kindOf(() => encoderOf(columns))).toContain(name);
  });

  test('a declared numeric fits a decimal that is as wide or wider', () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 };
    for (const typeModifier of [4 + (12 << 16) + 2, 4 + (18 << 16) + 2, 4 + (5 << 16) + 0, 4 + (3 << 16) + 0x7fe, -1])
      expect(kindOf(() => encoderOf([{ name: 'total', oid: 1700, typeModifier, avro: decimal }]))).toMatch(/no error/);
  });
});

describe('replica identity', () => {
  const factory = factoryOf([contractOf(COLUMNS)]);
  const relation = (replicaIdentity: Relation['replicaIdentity'], ...identity: string[]): Relation => ({
    ...relationOf(COLUMNS),
    replicaIdentity,
    columns: relationOf(COLUMNS).columns.map((c) => ({ ...c, identity: identity.includes(c.name) })),
  });

  test.each([
    ['d', ['id'], 'tenant_id (replica identity DEFAULT)'],
    ['n', [], 'id (replica identity NOTHING)'],
    ['i', ['id'], 'tenant_id (replica identity USING INDEX)'],
    ['i', ['tenant_id'], 'id (replica identity USING INDEX)'],
  ] as const)('%s with %j is refused', (identity, columns, what) => {
    expect(kindOf(() => factory.compile(relation(identity, ...columns), ALL))).toBe(
      `replica_identity: table ventia.orders: deletes do not carry ${what}`,
    );
  });

  test('FULL, or an index of id and tenant, will do', () => {
    expect(factory.compile(relation('f'), ALL)).not.toBeNull();
    expect(factory.compile(relation('i', 'id', 'tenant_id'), ALL)).not.toBeNull();
  });

  test('DEFAULT will do where the key is the tenant', () => {
    const contract = { ...contractOf(COLUMNS), tenantColumn: 'id' };
    expect(factoryOf([contract]).compile(relation('d', 'id'), ALL)).not.toBeNull();
  });
});

describe('binary', () => {
  const safe = (oid: number, avro: unknown) => {
    const columns = [{ name: 'x', oid, avro }];
    return factoryOf([contractOf(columns)]).binarySafe(relationOf(columns));
  };
  test('is asked for only when every contract column is understood in it', () => {
    expect(safe(1043, 'string')).toBe(true);
    expect(safe(3802, 'string')).toBe(true);
    for (const [name, oid] of Object.entries({ enum: 16_500, interval: 1186, inet: 869, timetz: 1266, 'text[]': 1009 }))
      expect([name, safe(oid, 'string')]).toEqual([name, false]);
    expect(factoryOf([contractOf([])]).binarySafe(relationOf([{ name: 'x', oid: 1186, avro: 'string' }]))).toBe(true);
  });

  test('what comes in it all the same is refused', () => {
    const columns = [{ name: 'span', oid: 1186, avro: 'string' }];
    expect(kindOf(() => eventOf(columns, ['1', '2', Buffer.alloc(16)]))).toBe(
      'unencodable: column span of ventia.orders: sent in binary form, in which its type is not understood',
    );
    expect(eventOf(columns, ['1', '2', '1 day']).after.span).toBe('1 day');
  });
});

describe('rows', () => {
  test("hold the contract's columns only, in its order, wherever they are in the table", () => {
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
    expect(kindOf(write([null, '2', 'x', 'y']))).toBe('unencodable: column id of ventia.orders: null');
    expect(kindOf(write(['1', null, 'x', 'y']))).toBe('unencodable: column tenant_id of ventia.orders: null');
    expect(kindOf(() => encoder.writeKey(slab, tupleOf([null, '2', 'x', 'y'])))).toMatch(/^unencodable/);
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
