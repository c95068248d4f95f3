import fc from 'fast-check';
import { HistoryWitness, type Tail } from '../../../src/core/history-witness';
import { maxLsn } from '../../../src/core/lsn';

const PARTITIONS = 3;

/** A transaction that changed rows of one or more partitions. */
interface Transaction {
  readonly lsn: bigint;
  readonly ms: number;
  readonly partitions: readonly number[];
}

/** LSNs ascend by steps of a few sizes, so that two histories meet at the same ones by chance; times by a millisecond at least. */
const history = fc
  .array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 3 }),
      ms: fc.integer({ min: 1, max: 50 }),
      partitions: fc.uniqueArray(fc.integer({ min: 0, max: PARTITIONS - 1 }), { maxLength: PARTITIONS }),
    }),
    { maxLength: 20 },
  )
  .map((steps) => (startLsn: bigint, startMs: number) => {
    let lsn = startLsn;
    let ms = startMs;
    return steps.map(({ bytes, ms: later, partitions }): Transaction => {
      lsn += BigInt(bytes);
      ms += later;
      return { lsn, ms, partitions };
    });
  });

const tailsOf = (transactions: readonly Transaction[]): Tail[] =>
  Array.from({ length: PARTITIONS }, (_, p) =>
    transactions.findLast(({ partitions }) => partitions.includes(p)),
  ).flatMap((last) => (last ? [{ epoch: 1n, commitLsn: last.lsn, seq: 0n, timestampMs: last.ms }] : []));

/** Streams from `from` on as capture does; true when the fork is told. */
function told(tails: Tail[], stream: readonly Transaction[], from: bigint, walEnd: bigint): boolean {
  const witness = new HistoryWitness(tails, 1n, from);
  if (witness.judgeEnd(walEnd)) return true;
  for (const { lsn, ms, partitions } of stream.filter((t) => t.lsn >= from && t.partitions.length > 0)) {
    if (partitions.length > 0 && witness.judgeTransaction(lsn, BigInt(ms) * 1000n)) return true;
  }
  return witness.judgePassed(walEnd) !== null;
}

/** What capture would leave out, although no topic holds it. */
const lostInSilence = (tails: Tail[], before: readonly Transaction[], after: readonly Transaction[]): boolean => {
  const limit = tails.reduce((most, { commitLsn }) => maxLsn(most, commitLsn), 0n);
  const same = (a: Transaction) => before.some((b) => a.lsn === b.lsn && a.ms === b.ms);
  return after.some((t) => t.partitions.length > 0 && t.lsn <= limit && !same(t));
};

it('a source restored to an earlier state is told whenever something would be lost, or is in the topics and not in the tables', () => {
  let forks = 0;
  fc.assert(
    fc.property(history, history, fc.nat(20), fc.nat(20), (first, second, kept, confirmed) => {
      const before = first(100n, 1000);
      const common = before.slice(0, kept);
      const at = common.at(-1) ?? { lsn: 100n, ms: 1000 };
      // What is restored is younger than everything that was written before.
      const after = [...common, ...second(at.lsn, (before.at(-1)?.ms ?? 1000) + 1)];
      const from = (common.slice(0, confirmed).at(-1)?.lsn ?? 99n) + 1n;
      const tails = tailsOf(before);
      const walEnd = (after.at(-1)?.lsn ?? 100n) + 1n;
      const gone = before.slice(kept).some(({ partitions }) => partitions.length > 0);
      const fork = told(tails, after, from, walEnd);
      if (gone || lostInSilence(tails, before, after)) expect(fork).toBe(true);
      else expect(fork).toBe(false);
      forks += Number(fork);
    }),
    { numRuns: 2000 },
  );
  expect(forks).toBeGreaterThan(200);
});

it('the same history is never taken for another, wherever the slot stands and whatever the topics hold of it', () => {
  fc.assert(
    fc.property(history, fc.nat(20), fc.nat(20), (make, published, confirmed) => {
      const all = make(100n, 1000);
      const tails = tailsOf(all.slice(0, published));
      const from = (all.slice(0, Math.min(published, confirmed)).at(-1)?.lsn ?? 99n) + 1n;
      expect(told(tails, all, from, (all.at(-1)?.lsn ?? 100n) + 1n)).toBe(false);
    }),
    { numRuns: 1000 },
  );
});

it('tails of an earlier epoch say nothing of this history', () => {
  const tail = { epoch: 1n, commitLsn: 500n, seq: 0n, timestampMs: 1 };
  const witness = new HistoryWitness([tail], 2n, 100n);
  expect([witness.satisfied, witness.judgeEnd(200n), witness.judgePassed(900n)]).toEqual([true, null, null]);
});
