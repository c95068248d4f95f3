import fc from 'fast-check';
import { KIND_NULL } from '../../../src/core/tuple';
import { CopyRows } from '../../../src/postgres/copy-rows';

type Row = readonly (string | null)[];

/** The format as PostgreSQL's documentation of COPY describes it. */
function encode(rows: readonly Row[]): Buffer {
  const parts = [Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)];
  for (const row of rows) {
    parts.push(int16(row.length));
    for (const value of row) {
      const bytes = Buffer.from(value ?? '');
      parts.push(int32(value === null ? -1 : bytes.length), bytes);
    }
  }
  return Buffer.concat([...parts, int16(-1)]);
}

const int16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

function decode(chunks: readonly Buffer[]): Row[] {
  const rows: Row[] = [];
  const parser = new CopyRows((row) => {
    const value = (i: number) =>
      row.kinds[i] === KIND_NULL ? null : row.bytes.toString('utf8', row.starts[i], row.ends[i]);
    rows.push(Array.from({ length: row.count }, (_, i) => value(i)));
  });
  for (const chunk of chunks) parser.push(chunk);
  return rows;
}

const table = fc
  .integer({ min: 0, max: 5 })
  .chain((columns) =>
    fc.array(
      fc.array(fc.option(fc.string({ unit: 'binary', maxLength: 40 })), { minLength: columns, maxLength: columns }),
    ),
  );

describe('CopyRows', () => {
  it('gives out every row whole, however the bytes arrive', () => {
    fc.assert(
      fc.property(table, fc.array(fc.nat({ max: 60 })), (rows, cuts) => {
        const bytes = encode(rows);
        const chunks: Buffer[] = [];
        let start = 0;
        for (const cut of [...cuts, bytes.length]) {
          chunks.push(bytes.subarray(start, start + cut));
          start += cut;
        }
        expect(decode(chunks)).toEqual(rows);
      }),
    );
  });

  it('copies a large row once, not once a chunk', () => {
    const bytes = encode([['x'.repeat(1_000_000)]]);
    const concat = jest.spyOn(Buffer, 'concat');
    const chunks = Array.from({ length: 250 }, (_, i) => bytes.subarray(i * 4096, (i + 1) * 4096));
    expect(decode(chunks)).toHaveLength(1);
    // The header, the row's length fields, and the row.
    expect(concat.mock.calls.length).toBeLessThan(6);
    concat.mockRestore();
  });
});
