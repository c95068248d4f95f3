import { ConfirmBound } from '../core/confirm-bound';
import type { Lsn } from '../core/lsn';
import type { ReplicationStream } from '../core/ports/source';
import type { Progress } from '../core/progress';

export interface ConfirmationDeps {
  readonly stream: ReplicationStream;
  readonly progress: Progress;
  /** What earlier lives recorded as the most that they might confirm. */
  readonly recorded: Lsn | null;
  /** How long an acknowledgement may not yet be on a disk, milliseconds; 0 = it is as good as there. */
  readonly trailMs: number;
  /** Records a new bound, and what is in Kafka for good; resolves when Kafka has the record. */
  readonly record: (atMost: Lsn, atLeast: Lsn) => Promise<void>;
  readonly onConfirmed: (end: Lsn) => void;
}

/** Tells PostgreSQL what it may forget: only what Kafka has acknowledged, and no more than was announced in the state topic. */
export class Confirmation {
  private readonly bound: ConfirmBound;
  /** Kafka had everything that was acknowledged by then. */
  private heldAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly d: ConfirmationDeps) {
    this.bound = new ConfirmBound(d.recorded, d.trailMs);
  }

  /**
   * Kafka was found to hold, at `at`, all that it had acknowledged before. Where an acknowledgement may be lost in a power cut
   * only this lets anything be confirmed: an idle capture would not notice otherwise that the broker came back with less.
   */
  held(at: number): void {
    this.heldAt = at;
    this.advance();
  }

  /** Invariant 1: only what Kafka has acknowledged, at transaction ends. Called again and again. */
  advance(): void {
    const now = Date.now();
    const { progress, trailMs } = this.d;
    const sureAt = trailMs > 0 ? this.heldAt : now;
    const confirmed = this.bound.allows(progress.confirmable(sureAt), sureAt);
    if (confirmed !== null) {
      this.d.stream.confirm(confirmed);
      this.d.onConfirmed(confirmed);
    }
    const raised = this.bound.raise(progress.published, now);
    if (raised === null) return;
    this.d.record(raised, progress.confirmed).then(
      () => {
        this.bound.acknowledged(Date.now());
        this.advance();
      },
      () => {}, // what kept it from being recorded ends this life
    );
  }

  /** The last word: records exactly what was confirmed. Nothing is confirmed after it. */
  async settle(): Promise<void> {
    const confirmed = this.bound.settle();
    if (confirmed !== null) await this.d.record(confirmed, confirmed);
  }
}
