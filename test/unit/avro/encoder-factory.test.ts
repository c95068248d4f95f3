import type { Contract } from '../../../src/avro/contract';
import { createEncoderFactory, readsBinary } from '../../../src/avro/encoder-factory';
import { schemasOf } from '../../../src/avro/envelope';
import type { Relation } from '../../../src/core/tuple';
import {
  avroOracle,
  bytesOf,
  contractOf,
  encoderOf,
  errorOf,
  factoryOf,
  NOW,
  relationOf,
  type Sent,
  SOURCE,
  STAMP,
  type TestColumn,
  tupleOf,
  UUID,
} from '../../support/avro';

const COLUMNS: TestColumn[] = [
  { name: 'status', oid: 1043, avro: 'string' },
  { name: 'notes', oid: 25, avro: 'string' },
];
const ALL = { absentColumns: [] };
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
/** `after` of one row. */
const rowOf = (columns: TestColumn[], sent: Sent[]) =>
  decode(
    bytesOf((slab) => encoderOf(columns).writeValue(slab, 'c', null, tupleOf(sent), STAMP, 0, 1n, NOW)),
    columns,
  ).after;

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
    expect(errorOf(() => factory.compile(relationOf([]), ALL))).toBe(
      'setup_needed: topic ventia.orders: its schemas are not registered',
    );
  });

  test('a column that is missing is an error, unless it is optional and known to be absent', () => {
    const relation = without(relationOf(COLUMNS), 'notes');
    const missing = 'contract_column_missing: column notes of ventia.orders does not exist';
    const strict = factoryOf([contractOf(COLUMNS)]);
    const lenient = factoryOf([optional(contractOf(COLUMNS), 'notes')]);
    expect(errorOf(() => strict.compile(relation, ALL))).toBe(missing);
    expect(errorOf(() => strict.compile(relation, { absentColumns: ['notes'] }))).toBe(missing);
    expect(errorOf(() => lenient.compile(relation, ALL))).toBe(missing);
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
    expect(errorOf(() => encoderOf(columns))).toMatch(/^contract_type: column total of ventia\.orders: /);
    expect(errorOf(() => encoderOf(columns))).toContain(name);
  });

  test('a declared numeric fits a decimal that is as wide or wider', () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 };
    for (const typeModifier of [4 + (12 << 16) + 2, 4 + (18 << 16) + 2, 4 + (5 << 16) + 0, 4 + (3 << 16) + 0x7fe, -1])
      expect(errorOf(() => encoderOf([{ name: 'total', oid: 1700, typeModifier, avro: decimal }]))).toMatch(/no error/);
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
  ] as const)('%s with %j is said: inserts can be told, updates and deletes not', (identity, columns, what) => {
    expect(factory.compile(relation(identity, ...columns), ALL)?.lacksIdentity).toMatchObject({
      kind: 'replica_identity',
      message: `table ventia.orders: deletes do not carry ${what}`,
    });
  });

  test('FULL, or an index of id and tenant, will do', () => {
    expect(factory.compile(relation('f'), ALL)?.lacksIdentity).toBeNull();
    expect(factory.compile(relation('i', 'id', 'tenant_id'), ALL)?.lacksIdentity).toBeNull();
  });

  test('DEFAULT will do where the key is the tenant', () => {
    const contract = { ...contractOf(COLUMNS), tenantColumn: 'id' };
    expect(factoryOf([contract]).compile(relation('d', 'id'), ALL)?.lacksIdentity).toBeNull();
  });
});

describe('binary', () => {
  const safe = (oid: number, avro: unknown) => {
    const columns = [{ name: 'x', oid, avro }];
    return readsBinary(contractOf(columns), relationOf(columns));
  };
  test('is asked for only when every contract column is understood in it', () => {
    expect(safe(1043, 'string')).toBe(true);
    expect(safe(3802, 'string')).toBe(true);
    for (const [name, oid] of Object.entries({ enum: 16_500, interval: 1186, inet: 869, timetz: 1266, 'text[]': 1009 }))
      expect([name, safe(oid, 'string')]).toEqual([name, false]);
    expect(readsBinary(contractOf([]), relationOf([{ name: 'x', oid: 1186, avro: 'string' }]))).toBe(true);
  });

  test('what comes in it all the same asks for text', () => {
    const columns = [{ name: 'span', oid: 1186, avro: 'string' }];
    expect(errorOf(() => rowOf(columns, ['1', '2', Buffer.alloc(16)]))).toBe(
      'text_needed: column span of ventia.orders: its type is understood as text only',
    );
    expect(rowOf(columns, ['1', '2', '1 day']).span).toBe('1 day');
  });
});
