import { type Lsn, ZERO_LSN } from './lsn';

/**
 * How far capture is, as three LSNs that only grow (Invariant 3):
 *
 *   received  >=  published  >=  confirmed
 *
 * received: end of the last transaction read. published: end of the last transaction whose records, and those of all
 * before it, Kafka has acknowledged. confirmed: what PostgreSQL may forget; it trails `published` by `trailMs` where an
 * acknowledgement is not yet on a disk.
 *
 * No I/O and no clock: time comes in as an argument (milliseconds).
 */
export class Progress {
  received: Lsn = ZERO_LSN;
  published: Lsn = ZERO_LSN;
  confirmed: Lsn = ZERO_LSN;

  /** Oldest first; each may be confirmed once `at + trailMs` has passed. */
  private readonly trail: { lsn: Lsn; at: number }[] = [];
  /** Acknowledgements of one such span share an entry, so that the trail stays short. */
  private readonly spanMs: number;

  constructor(private readonly trailMs: number) {
    this.spanMs = trailMs / 30;
  }

  /** A transaction's commit was read, and all its records are in the filling batch or before it. */
  transactionRead(end: Lsn): void {
    if (end > this.received) this.received = end;
  }

  /** Everything up to `end`, the value of `received` when the batch was sealed, is acknowledged (Invariant 1). */
  acknowledged(end: Lsn, now: number): void {
    if (end <= this.published) return;
    this.published = end;
    const last = this.trail.at(-1);
    if (last && now < last.at) last.lsn = end;
    else this.trail.push({ lsn: end, at: now + this.spanMs });
  }

  /**
   * The server has sent everything before `walEnd`. Only to be called when nothing is read but unacknowledged: then
   * nothing before `walEnd` is missing in Kafka, and an idle publication must not pin WAL.
   */
  idle(walEnd: Lsn, now: number): void {
    this.transactionRead(walEnd);
    this.acknowledged(walEnd, now);
  }

  /** What may be confirmed at `now`; never less than before. */
  confirmable(now: number): Lsn {
    while (this.trail.length > 0) {
      const oldest = this.trail[0]!;
      if (this.trailMs > 0 && oldest.at + this.trailMs > now) break;
      this.trail.shift();
      this.confirmed = oldest.lsn;
    }
    return this.confirmed;
  }
}
