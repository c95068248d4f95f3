import fc from 'fast-check';
import type { FetchedRecord } from '../../../src/kafka/fetch-response';
import type { Scan } from '../../../src/kafka/scan';
import { positionOf, scanState, scanTail } from '../../../src/kafka/tails';

const fence = { producerId: 7n, epoch: 5 };

/** What may lie at an offset: data, a marker of an epoch, or nothing (compacted away). */
type Entry = { readonly data: string } | { readonly epoch: number } | null;

const record = (offset: bigint, entry: NonNullable<Entry>): FetchedRecord => ({
  offset,
  timestampMs: 0,
  key: 'data' in entry ? Buffer.from(entry.data) : Buffer.alloc(4),
  value: Buffer.from(String(offset)),
  headers: {},
  isControlRecord: !('data' in entry),
  batchContext: {
    producerId: 7n,
    producerEpoch: 'data' in entry ? 1 : entry.epoch,
    inTransaction: false,
    isControlBatch: !('data' in entry),
  },
});

/** A partition that answers fetches of at most `chunk` records, and counts them. */
function run<T>(entries: readonly Entry[], chunk: number, scan: Scan<T>) {
  let fetches = 0;
  let seen = 0;
  for (let step = scan.next(); ; ) {
    if (step.done) return { result: step.value, fetches, seen };
    if (++fetches > 1000) throw new Error('the scan does not end');
    const at = Number(step.value);
    const records: FetchedRecord[] = [];
    for (let offset = at; offset < entries.length && records.length < chunk; offset++) {
      const entry = entries[offset];
      if (entry) records.push(record(BigInt(offset), entry));
    }
    seen += records.length;
    step = scan.next({ records, next: (records.at(-1)?.offset ?? BigInt(at - 1)) + 1n });
  }
}

const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({ data: fc.string({ minLength: 1, maxLength: 2 }) }),
  fc.record({ epoch: fc.integer({ min: 1, max: 4 }) }),
  fc.constant(null),
);

describe('scanTail', () => {
  it('finds the last data record before the fence, whatever lies around it', () => {
    const before = fc.array(entry, { maxLength: 60 });
    // What an older writer got in between our look at the end and the marker.
    const between = fc.array(entry, { maxLength: 5 });
    fc.assert(
      fc.property(before, between, fc.integer({ min: 1, max: 9 }), fc.nat(), (before, between, chunk, cut) => {
        const entries: Entry[] = [...before, ...between, { epoch: 5 }];
        const start = cut % (before.length + 1);
        for (let i = 0; i < start; i++) entries[i] = null;
        const span = { topic: 't', partition: 0, start: BigInt(start), end: BigInt(before.length) };
        const { result } = run(entries, chunk, scanTail(span, fence));
        const expected = entries.findLastIndex((entry) => entry && 'data' in entry);
        expect(result === null ? -1 : Number(result.offset)).toBe(expected);
      }),
    );
  });

  it('costs one fetch where data lie before the marker, however long the partition', () => {
    const entries: Entry[] = [...Array.from({ length: 100_000 }, () => ({ data: 'k' })), { epoch: 5 }];
    const span = { topic: 't', partition: 0, start: 0n, end: 100_000n };
    expect(run(entries, 500, scanTail(span, fence))).toMatchObject({ fetches: 1, seen: 2 });
  });

  it('goes back over a long run of markers in a few fetches', () => {
    const markers = Array.from({ length: 1000 }, () => ({ epoch: 4 }));
    const entries: Entry[] = [...Array.from({ length: 100_000 }, () => ({ data: 'k' })), ...markers, { epoch: 5 }];
    const span = { topic: 't', partition: 0, start: 0n, end: 101_000n };
    const { result, fetches, seen } = run(entries, 10_000, scanTail(span, fence));
    expect(result?.offset).toBe(99_999n);
    expect(fetches).toBeLessThan(8);
    expect(seen).toBeLessThan(8000);
  });

  it('stops at the marker of a newer writer', () => {
    const span = { topic: 't', partition: 0, start: 0n, end: 1n };
    expect(() => run([{ data: 'k' }, { epoch: 6 }], 5, scanTail(span, fence))).toThrow(
      expect.objectContaining({ kind: 'fenced' }),
    );
  });

  it('waits for the marker', () => {
    const scan = scanTail({ topic: 't', partition: 0, start: 0n, end: 0n }, fence);
    expect(scan.next()).toEqual({ done: false, value: 0n });
    expect(scan.next({ records: [], next: 0n })).toEqual({ done: false, value: 0n });
    const late = record(0n, { data: 'late' });
    expect(scan.next({ records: [late], next: 1n })).toEqual({ done: false, value: 1n });
    expect(scan.next({ records: [record(1n, { epoch: 5 })], next: 2n })).toEqual({ done: true, value: late });
  });
});

describe('scanState', () => {
  it('keeps the latest value of each key, and none of a key that ended', () => {
    const scan = scanState({ topic: 's', partition: 0, start: 0n, end: 0n }, fence);
    scan.next();
    const state = (offset: bigint, key: string, value: string | null) => ({
      ...record(offset, { data: key }),
      value: value === null ? null : Buffer.from(value),
    });
    const records = [state(0n, 'a', '1'), state(1n, 'b', '2'), state(2n, 'a', '3'), state(3n, 'b', null)];
    const { value } = scan.next({ records: [...records, record(4n, { epoch: 5 })], next: 5n });
    expect(value).toEqual({ state: new Map([['a', '3']]), end: 4n });
  });
});

describe('positionOf', () => {
  const position = { epoch: 1n, commitLsn: 2n, seq: 3n };
  const ofValue = async () => ({ epoch: 9n, commitLsn: 9n, seq: 9n });
  const tombstone = { ...record(4n, { data: 'k' }), value: null };

  it('takes the header of a tombstone, else asks the value', async () => {
    const headers = { position: Buffer.from('00000001-0000000000000002-00000003') };
    expect(await positionOf({ ...tombstone, headers }, ofValue)).toEqual(position);
    expect(await positionOf(record(4n, { data: 'k' }), ofValue)).toEqual({ epoch: 9n, commitLsn: 9n, seq: 9n });
  });

  it("refuses another program's tombstone", async () => {
    await expect(positionOf(tombstone, ofValue)).rejects.toMatchObject({ kind: 'record_malformed' });
  });
});
