import fc from 'fast-check';
import { KIND_NULL, KIND_TEXT, newTuple, type Tuple } from '../../../src/core/tuple';
import { ChangedKeys, ChunkRows, DecodedXids, seesAll, widenXid } from '../../../src/core/watermark';

function tupleOf(values: (string | null)[]): Tuple {
  const tuple = newTuple(values.length);
  tuple.bytes = Buffer.from(values.map((v) => v ?? '').join(''));
  tuple.count = values.length;
  let pos = 0;
  values.forEach((value, i) => {
    tuple.kinds[i] = value === null ? KIND_NULL : KIND_TEXT;
    tuple.starts[i] = pos;
    pos += Buffer.byteLength(value ?? '');
    tuple.ends[i] = pos;
  });
  return tuple;
}

function valuesOf(tuple: Tuple): (string | null)[] {
  return Array.from({ length: tuple.count }, (_, i) =>
    tuple.kinds[i] === KIND_NULL ? null : tuple.bytes.toString('utf8', tuple.starts[i], tuple.ends[i]),
  );
}

describe('ChunkRows', () => {
  it('gives back the rows it was given', () => {
    const row = fc.tuple(fc.option(fc.string()), fc.option(fc.string({ unit: 'grapheme' })), fc.constant('x'));
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        const chunk = new ChunkRows();
        for (const values of rows) chunk.add(tupleOf(values));
        const into = newTuple();
        const read = rows.map((_, i) => {
          chunk.read(i, into);
          return valuesOf(into);
        });
        expect(read).toEqual(rows);
      }),
    );
  });
});

describe('ChangedKeys', () => {
  it('holds single keys, or all after a truncate', () => {
    const keys = new ChangedKeys();
    keys.add('a');
    expect([keys.has('a'), keys.has('b')]).toEqual([true, false]);
    keys.addAll();
    expect(keys.has('b')).toBe(true);
  });
});

describe('widenXid', () => {
  it.each([
    [5, 10n, 5n],
    [0xfffffff0, 0x1_0000_0005n, 0xfffffff0n],
    [7, 0x1_0000_0005n, 0x1_0000_0007n],
    [3, 0xfffffff0n, 0x1_0000_0003n],
  ])('xid %d near %d is %d', (xid, reference, expected) => {
    expect(widenXid(xid, reference)).toBe(expected);
  });
});

describe('seesAll', () => {
  const snapshot = { xmin: 100n, xmax: 110n, running: [100n, 105n] };
  it.each([
    ['ended long ago', [50], true],
    ['ended, between running ones', [103, 109], true],
    ['still running for readers', [105], false],
    ['begun after the snapshot', [110], false],
    ['none', [], true],
  ])('%s', (_, decoded, expected) => {
    expect(seesAll(snapshot, decoded)).toBe(expected);
  });

  it('agrees with the definition across the wrap of 32 bits', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 3n, max: 1n << 40n }),
        fc.array(fc.bigInt({ min: 0n, max: 1000n }), { maxLength: 8 }),
        fc.bigInt({ min: -1000n, max: 1000n }),
        (xmax, back, distance) => {
          const running = back.map((d) => xmax - d - 1n).filter((x) => x > 0n);
          const xid = xmax + distance;
          fc.pre(xid > 0n);
          const sees = xid < xmax && !running.includes(xid);
          expect(seesAll({ xmin: 1n, xmax, running }, [Number(xid & 0xffffffffn)])).toBe(sees);
        },
      ),
    );
  });
});

describe('DecodedXids', () => {
  it('forgets what a snapshot sees, though an older transaction goes on for long', () => {
    const decoded = new DecodedXids();
    for (const xid of [90, 99, 100, 105, 120]) decoded.add(xid);
    decoded.forget({ xmin: 99n, xmax: 110n, running: [99n, 105n] });
    expect([...decoded.values()]).toEqual([99, 105, 120]);
  });
});
