import { CdcError } from './errors';
import { formatLsn, type Lsn } from './lsn';
import type { Position } from './position';

/** Last record of a partition: where it stands, and when its transaction was committed. */
export interface Tail extends Position {
  readonly timestampMs: number;
}

/**
 * Proof that the stream tells the history that the topics hold. A source restored from a backup writes other transactions
 * under the LSNs it has used before: held against the tails alone they would be taken for what is there already, and
 * left out in silence (Invariant 4).
 *
 * Every record behind the slot's position comes again, the last one of each partition among them: with the same LSN and, to
 * the millisecond, the same commit time. Where one does not, history forked. Where no record lies behind the slot's position,
 * nothing can be taken for what it is not.
 */
export class HistoryWitness {
  /** Ascending: next to be seen first. */
  private readonly expected: readonly Tail[];
  private seen = 0;

  /** `from`: the slot's position as this stream began. Tails of other epochs belong to histories that are over. */
  constructor(tails: Iterable<Tail>, epoch: bigint, from: Lsn) {
    this.expected = [...tails]
      .filter((tail) => tail.epoch === epoch && tail.commitLsn >= from)
      .sort((a, b) => Number(a.commitLsn - b.commitLsn));
  }

  /** All that was expected has come. */
  get satisfied(): boolean {
    return this.seen === this.expected.length;
  }

  /** `walLsn`: end of the source's WAL, looked up after the stream began: nothing in the topics lies beyond it. */
  judgeEnd(walLsn: Lsn): CdcError | null {
    const last = this.expected.at(-1);
    if (!last || last.commitLsn < walLsn) return null;
    return forked(
      `the topics hold changes up to ${formatLsn(last.commitLsn)}, but its WAL ends at ${formatLsn(walLsn)}`,
    );
  }

  /** The stream's next transaction, `commitTime` in microseconds. */
  judgeTransaction(commitLsn: Lsn, commitTime: bigint): CdcError | null {
    for (; this.expected[this.seen]?.commitLsn === commitLsn; this.seen++)
      if (BigInt(this.expected[this.seen]!.timestampMs) !== commitTime / 1000n)
        return forked(`its transaction at ${formatLsn(commitLsn)} is not the one that the topics hold`);
    return this.judgePassed(commitLsn);
  }

  /** The stream has nothing more before `lsn`. */
  judgePassed(lsn: Lsn): CdcError | null {
    const next = this.expected[this.seen];
    if (!next || next.commitLsn >= lsn) return null;
    return forked(`its WAL has no transaction at ${formatLsn(next.commitLsn)}, of which the topics hold changes`);
  }
}

const forked = (what: string) => new CdcError('source_forked', `the source was restored to an earlier state: ${what}`);
