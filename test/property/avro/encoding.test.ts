import fc from 'fast-check';
import { ChangeDecoder } from '../../../src/avro/decoder';
import { schemasOf } from '../../../src/avro/envelope';
import type { Op } from '../../../src/core/change';
import {
  avroOracle,
  bytesOf,
  contractOf,
  encoderOf,
  expectedSource,
  KEY_SCHEMA_ID,
  NOW,
  type Sent,
  STAMP,
  tupleOf,
  UNCHANGED,
  VALUE_SCHEMA_ID,
} from '../../support/avro';
import { PG_TYPES, type PgValue } from '../../support/pg-values';

const contract = contractOf(PG_TYPES);
const schemas = schemasOf(contract);
const encoder = encoderOf(PG_TYPES);
const value = avroOracle(schemas.value);
const key = avroOracle(schemas.key);
const decoder = new ChangeDecoder({
  schemaById: async (id) => (id === KEY_SCHEMA_ID ? schemas.key : schemas.value),
});

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const eightBytes = (n: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(n);
  return bytes;
};
const idOf = (n: bigint): PgValue => ({ text: String(n), binary: eightBytes(n), avro: n, read: n });

/** Null and a value of each column; which of them are sent is drawn with them. */
const rows = fc
  .tuple(int64.map(idOf), int64.map(idOf), ...PG_TYPES.map(({ values }) => fc.option(values, { freq: 4 })))
  .map((values) => values as (PgValue | null)[]);

const names = ['id', 'tenant_id', ...PG_TYPES.map(({ name }) => name)];
const record = (row: readonly (PgValue | null)[], form: 'avro' | 'read') =>
  Object.fromEntries(names.map((name, i) => [name, row[i]?.[form] ?? null]));

const changes = fc.record({
  op: fc.constantFrom<Op>('c', 'u', 'd', 'r'),
  before: fc.option(rows),
  after: rows,
  /** Columns of `after` that were not sent, ids excepted. */
  unchanged: fc.uniqueArray(fc.integer({ min: 2, max: names.length - 1 }), { maxLength: 4 }),
  /** Which columns come in binary. */
  binary: fc.array(fc.boolean(), { minLength: names.length, maxLength: names.length }),
  seq: fc.nat(),
  lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  commitLsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  epoch: fc.bigInt({ min: 1n, max: 2n ** 31n }),
  commitTime: fc.bigInt({ min: 0n, max: 2n ** 60n }),
  xid: fc.option(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  snapshot: fc.constantFrom(null, 'first' as const, 'incremental' as const, 'repair' as const),
});

const forms = (row: readonly (PgValue | null)[], binary: readonly boolean[]): Sent[] =>
  row.map((v, i) => v && (binary[i] ? v.binary : v.text));

test('our bytes are those of another Avro implementation, and read back as they were', async () => {
  await fc.assert(
    fc.asyncProperty(changes, async ({ op, before, after, unchanged, binary, seq, lsn, ...stampParts }) => {
      const stamp = { ...STAMP, ...stampParts };
      const sent = forms(after, binary);
      for (const i of unchanged) sent[i] = UNCHANGED;
      const seen = after.map((v, i) => (unchanged.includes(i) ? null : v));
      const unchangedNames = unchanged.length === 0 ? null : names.filter((_, i) => unchanged.includes(i));
      const beforeTuple = before && tupleOf(forms(before, binary));
      const afterTuple = tupleOf(sent);

      const actual = bytesOf((slab) => encoder.writeValue(slab, op, beforeTuple, afterTuple, stamp, seq, lsn, NOW));
      const expected = value.toBuffer({
        before: before && record(before, 'avro'),
        after: record(seen, 'avro'),
        source: expectedSource(stamp, seq, lsn),
        op,
        ts_ms: NOW / 1000n,
        ts_us: NOW,
        transaction: null,
        unchanged: unchangedNames,
      });
      expect(actual.readInt8(0)).toBe(0);
      expect(actual.readInt32BE(1)).toBe(VALUE_SCHEMA_ID);
      expect(actual.subarray(5).toString('hex')).toBe(expected.toString('hex'));

      const keyBytes = bytesOf((slab) => encoder.writeKey(slab, afterTuple));
      expect(keyBytes.subarray(5).toString('hex')).toBe(key.toBuffer({ id: after[0]!.avro }).toString('hex'));

      const [event] = await decoder.decode([{ key: keyBytes, value: actual }]);
      expect(event).toEqual({
        op,
        id: after[0]!.text,
        position: { epoch: stamp.epoch, commitLsn: stamp.commitLsn, seq: BigInt(seq) },
        before: before && record(before, 'read'),
        after: record(seen, 'read'),
        unchanged: unchangedNames,
        commitTime: stamp.commitTime,
        table: 'orders',
      });
      expect(await decoder.positionOf(actual)).toEqual(event!.position);
    }),
    { numRuns: 300 },
  );
});

test('text and binary give equal bytes', () => {
  fc.assert(
    fc.property(rows, (row) => {
      const encode = (binary: boolean) =>
        bytesOf((slab) => {
          const tuple = tupleOf(
            forms(
              row,
              row.map(() => binary),
            ),
          );
          encoder.writeKey(slab, tuple);
          encoder.writeValue(slab, 'c', null, tuple, STAMP, 0, 1n, NOW);
          slab.ensure(4);
          slab.pos = slab.bytes.writeInt32BE(encoder.partition(tuple, 6), slab.pos);
        });
      expect(encode(true).toString('hex')).toBe(encode(false).toString('hex'));
    }),
    { numRuns: 200 },
  );
});
