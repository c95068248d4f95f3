import { type Contract, parseContract } from '../../../src/avro/contract';
import { ChangeDecoder } from '../../../src/avro/decoder';
import { schemasOf } from '../../../src/avro/envelope';
import { CdcError } from '../../../src/core/errors';
import {
  avroOracle,
  bytesOf,
  contractOf,
  encoderOf,
  expectedSource,
  KEY_SCHEMA_ID,
  NOW,
  STAMP,
  tupleOf,
  VALUE_SCHEMA_ID,
} from '../../support/avro';

const COLUMNS = [
  { name: 'status', oid: 1043, avro: 'string' },
  { name: 'total', oid: 1700, avro: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
];
const contract = contractOf(COLUMNS);
const encoder = encoderOf(COLUMNS);
const row = tupleOf(['7', '2', 'Pagado', '12.5']);
const key = bytesOf((slab) => encoder.writeKey(slab, row));
const value = bytesOf((slab) => encoder.writeValue(slab, 'c', null, row, STAMP, 4, 9n, NOW));

/** A registry that holds these texts and counts how often it is asked. */
function holding(schemas: Record<number, string>) {
  const source = {
    asked: 0,
    schemaById: async (id: number) => {
      source.asked++;
      const text = schemas[id];
      if (text === undefined) throw new CdcError('schema_unknown', `no schema has the id ${id}`);
      return text;
    },
  };
  return source;
}
const ours = (c: Contract = contract) => ({ [KEY_SCHEMA_ID]: schemasOf(c).key, [VALUE_SCHEMA_ID]: schemasOf(c).value });
const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: CdcError) => `${error.kind}: ${error.message}`,
  );

test('asks for a schema once', async () => {
  const registry = holding(ours());
  const decoder = new ChangeDecoder(registry);
  const records = Array.from({ length: 10 }, () => ({ key, value }));
  expect(await decoder.decode(records)).toHaveLength(10);
  await decoder.decode(records);
  await decoder.positionOf(value);
  expect(registry.asked).toBe(2);
});

test('leaves tombstones out', async () => {
  const decoder = new ChangeDecoder(holding(ours()));
  const events = await decoder.decode([
    { key, value: null },
    { key, value },
    { key: null, value: null },
  ]);
  expect(events.map(({ id }) => id)).toEqual(['7']);
  expect(await decoder.keyOf(key)).toBe('7');
});

test('reads the columns asked for; what the record does not have is null', async () => {
  const decoder = new ChangeDecoder(holding(ours()), ['status', 'customer_phone']);
  const [event] = await decoder.decode([{ key, value }]);
  expect(event!.after).toEqual({ status: 'Pagado', customer_phone: null });
});

test('reads what any version of the contract wrote', async () => {
  const field = (name: string, type: unknown) => ({ name, type: ['null', type], default: null, doc: '-' });
  const other = (...fields: object[]): Contract => ({
    ...parseContract(
      JSON.stringify({
        type: 'record',
        name: 'Value',
        namespace: 'ventia.orders',
        table: 'orders',
        tenant: 'tenant_id',
        doc: '-',
        fields: [{ name: 'id', type: 'long', doc: '-' }, field('tenant_id', 'long'), ...fields],
      }),
      'x',
    ),
    schema: 'ventia',
    topic: 'ventia.orders',
  });
  const written = async (version: Contract, after: object) => {
    const body = avroOracle(schemasOf(version).value).toBuffer({
      before: null,
      after: { id: 7n, tenant_id: 2n, ...after },
      source: expectedSource(STAMP, 4, 9n),
      op: 'c',
      ts_ms: 1n,
      ts_us: 1000n,
      transaction: null,
      unchanged: null,
    });
    const decoder = new ChangeDecoder(holding(ours(version)), ['id', 'status', 'total', 'visits']);
    const [event] = await decoder.decode([{ key, value: Buffer.concat([value.subarray(0, 5), body]) }]);
    return event!.after;
  };
  expect(await written(other(), {})).toEqual({ id: 7n, status: null, total: null, visits: null });
  const int = other(field('visits', 'int'), field('city', 'string'), field('status', 'string'));
  expect(await written(int, { visits: 3, city: 'Lima', status: 'Enviado' })).toEqual({
    id: 7n,
    status: 'Enviado',
    total: null,
    visits: 3n,
  });
  const long = other(field('status', 'string'), field('visits', 'long'));
  expect(await written(long, { visits: 3n, status: null })).toEqual({ id: 7n, status: null, total: null, visits: 3n });
});

test('skips whatever another schema has between our fields', async () => {
  const schema = JSON.parse(schemasOf(contract).value);
  const strange = [
    { name: 'labels', type: { type: 'map', values: ['null', 'int'] } },
    {
      name: 'lines',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'Line',
          fields: [
            { name: 'next', type: ['null', 'Line'] },
            { name: 'n', type: 'float' },
          ],
        },
      },
    },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 3 } },
    { name: 'flag', type: 'boolean' },
    { name: 'blob', type: 'bytes' },
    { name: 'again', type: 'ventia.orders.Kind' },
  ];
  schema.fields.splice(1, 0, ...strange);
  const oracle = avroOracle(JSON.stringify(schema));
  const body = oracle.toBuffer({
    before: null,
    labels: { a: 1, b: null },
    lines: [{ next: { next: null, n: 1 }, n: 2 }],
    kind: 'B',
    hash: Buffer.from('abc'),
    flag: true,
    blob: Buffer.from('xyz'),
    again: 'A',
    after: null,
    source: expectedSource(STAMP, 4, 9n),
    op: 't',
    ts_ms: 1n,
    ts_us: 1n,
    transaction: null,
    unchanged: null,
  });
  const decoder = new ChangeDecoder(holding({ ...ours(), [VALUE_SCHEMA_ID]: JSON.stringify(schema) }));
  const record = Buffer.concat([value.subarray(0, 5), body]);
  const [event] = await decoder.decode([{ key, value: record }]);
  expect(event).toMatchObject({ op: 't', after: null, table: 'orders', position: { seq: 4n } });
  expect(await decoder.positionOf(record)).toEqual(event!.position);
});

test('array blocks with their size in front', async () => {
  const decoder = new ChangeDecoder(holding(ours()));
  // unchanged: branch 1, a block of -1 items (1 item) of 7 bytes, "status", end
  const record = Buffer.concat([value.subarray(0, -1), Buffer.from('02010e0c73746174757300', 'hex')]);
  const [event] = await decoder.decode([{ key, value: record }]);
  expect(event!.unchanged).toEqual(['status']);
});

test('what is not ours is malformed, and says so', async () => {
  const decode = (k: Buffer | null, v: Buffer, schemas: Record<number, string> = ours()) =>
    errorOf(new ChangeDecoder(holding(schemas)).decode([{ key: k, value: v }]));
  expect(await decode(key, Buffer.from('{"a":1}'))).toBe(
    'record_malformed: not in the wire format of the schema registry',
  );
  expect(await decode(key, Buffer.alloc(3))).toBe('record_malformed: not in the wire format of the schema registry');
  expect(await decode(null, value)).toBe('record_malformed: a change without key');
  expect(await decode(key, value, { [KEY_SCHEMA_ID]: ours()[KEY_SCHEMA_ID]! })).toBe(
    `schema_unknown: no schema has the id ${VALUE_SCHEMA_ID}`,
  );
  expect(await decode(key, value, { ...ours(), [VALUE_SCHEMA_ID]: '"string"' })).toMatch(
    /^record_malformed: schema \d+ is not of a change/,
  );
  expect(await decode(key, value, { ...ours(), [KEY_SCHEMA_ID]: schemasOf(contract).value })).toMatch(
    /^record_malformed: schema 11 is not of a key/,
  );
  expect(await decode(key, value, { ...ours(), [VALUE_SCHEMA_ID]: '{"type":"nonsense"}' })).toMatch(
    /^record_malformed: not an Avro schema/,
  );
  const otherOp = Buffer.from(value);
  otherOp[otherOp.lastIndexOf(Buffer.from('\u0002c')) + 1] = 'x'.charCodeAt(0);
  expect(await decode(key, otherOp)).toBe('record_malformed: an operation that does not exist');
});
