import fc from 'fast-check';
import { ChangeDecoder } from '../../../src/avro/decoder';
import { schemasOf } from '../../../src/avro/envelope';
import { CdcError } from '../../../src/core/errors';
import { Slab } from '../../../src/core/slab';
import { bytesOf, contractOf, encoderOf, KEY_SCHEMA_ID, NOW, type Sent, STAMP, tupleOf } from '../../support/avro';
import { PG_TYPES, type PgValue } from '../../support/pg-values';

const schemas = schemasOf(contractOf(PG_TYPES));
const encoder = encoderOf(PG_TYPES);
const decoder = new ChangeDecoder({
  schemaById: async (id) => (id === KEY_SCHEMA_ID ? schemas.key : schemas.value),
});
const KEY = bytesOf((slab) => encoder.writeKey(slab, tupleOf(['1', '2', ...PG_TYPES.map(() => null)])));
const nulls: Sent[] = ['1', '2', ...PG_TYPES.map(() => null)];

/** Random bytes, and bytes that nearly are a value. */
const hostile = fc.integer({ min: 0, max: PG_TYPES.length - 1 }).chain((index) =>
  fc.record({
    index: fc.constant(index),
    binary: fc.boolean(),
    damage: fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => () => Buffer.from(bytes)),
      fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => (bytes: Buffer) => {
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        return bytes;
      }),
      fc.nat().map((length) => (bytes: Buffer) => bytes.subarray(0, length % (bytes.length + 1))),
      fc.uint8Array({ maxLength: 8 }).map((more) => (bytes: Buffer) => Buffer.concat([bytes, more])),
    ),
    original: PG_TYPES[index]!.values,
  }),
);

test('a value that is none is refused by name, without a trace; what is written can be read', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async ({ index, binary, damage, original }) => {
      const bytes = damage(Buffer.from(binary ? original.binary : original.text));
      const row: Sent[] = [...nulls];
      row[index + 2] = binary ? bytes : bytes.toString('latin1');
      const slab = new Slab(16);
      slab.pos = 7;
      try {
        encoder.writeValue(slab, 'c', null, tupleOf(row), STAMP, 0, 1n, NOW);
      } catch (error) {
        expect(error).toBeInstanceOf(CdcError);
        expect((error as CdcError).kind).toBe('unencodable');
        expect((error as CdcError).message).toContain(`column ${PG_TYPES[index]!.name} of ventia.orders: `);
        expect(slab.pos).toBe(7);
        return;
      }
      expect(slab.pos).toBeLessThanOrEqual(slab.bytes.length);
      const value = slab.bytes.subarray(7, slab.pos);
      const [event] = await decoder.decode([{ key: KEY, value }]);
      expect(event!.after![PG_TYPES[index]!.name]).not.toBeNull();
    }),
    { numRuns: 5000 },
  );
});

const rows = fc
  .tuple(...PG_TYPES.map(({ values }) => fc.option(values, { freq: 4 })))
  .map((values) => values as (PgValue | null)[]);

test('the bytes do not depend on how much room the slab had, nor on what else lies beside the row', () => {
  fc.assert(
    fc.property(rows, fc.boolean(), fc.boolean(), fc.nat({ max: 3000 }), fc.nat({ max: 300 }), (...drawn) => {
      const [row, binary, inChunk, size, offset] = drawn;
      const tuple = tupleOf(['1', '2', ...row.map((v) => v && (binary ? v.binary : v.text))]);
      if (inChunk) tuple.bytes = Buffer.concat([tuple.bytes, Buffer.alloc(100_000)]);
      const encode = (slab: Slab, from: number) => {
        slab.pos = from;
        encoder.writeValue(slab, 'u', tuple, tuple, STAMP, 0, 1n, NOW);
        return slab.bytes.toString('hex', from, slab.pos);
      };
      const slab = new Slab(Math.max(size, offset, 1));
      expect(encode(slab, offset)).toBe(encode(new Slab(1 << 20), 0));
    }),
    { numRuns: 300 },
  );
});

const whole = bytesOf((slab) => encoder.writeValue(slab, 'c', null, tupleOf(nulls), STAMP, 0, 1n, NOW));
const outcomeOf = (value: Buffer) => decoder.decode([{ key: KEY, value }]).catch((error: CdcError) => error.kind);

test('a record cut short or followed by more is malformed', async () => {
  for (let length = 0; length < whole.length; length++)
    expect(await outcomeOf(whole.subarray(0, length))).toBe('record_malformed');
  for (let more = 0; more < 256; more++)
    expect(await outcomeOf(Buffer.concat([whole, Buffer.from([more])]))).toBe('record_malformed');
});

test('any bytes are a change or malformed, and nothing else happens', async () => {
  const damaged = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.concat([whole.subarray(0, 5), bytes])),
    fc.tuple(fc.integer({ min: 5, max: whole.length - 1 }), fc.nat(255)).map(([at, byte]) => {
      const bytes = Buffer.from(whole);
      bytes[at] = byte;
      return bytes;
    }),
  );
  await fc.assert(
    fc.asyncProperty(damaged, async (value) => {
      const outcome = await outcomeOf(value);
      if (outcome !== 'record_malformed')
        expect(outcome).toEqual([expect.objectContaining({ table: expect.any(String) })]);
    }),
    { numRuns: 2000 },
  );
});
