import { ConfirmBound } from '../core/confirm-bound';
import type { Lsn } from '../core/lsn';
import type { ReplicationStream } from '../core/ports/source';
import type { Progress } from '../core/progress';

export interface ConfirmationDeps {
  readonly stream: ReplicationStream;
  readonly progress: Progress;
  /** What earlier lives recorded as the most that they might confirm. */
  readonly recorded: Lsn | null;
  /** Records a new bound; resolves when Kafka has it. */
  readonly record: (atMost: Lsn) => Promise<void>;
  readonly onConfirmed: (end: Lsn) => void;
}

/** Tells PostgreSQL what it may forget: only what Kafka has acknowledged, and no more than was announced in the state topic. */
export class Confirmation {
  private readonly bound: ConfirmBound;

  constructor(private readonly d: ConfirmationDeps) {
    this.bound = new ConfirmBound(d.recorded);
  }

  /** Invariant 1: only what Kafka has acknowledged, at transaction ends. Called again and again. */
  advance(): void {
    const now = Date.now();
    const confirmable = this.d.progress.confirmable(now);
    const confirmed = this.bound.allows(confirmable);
    if (confirmed !== null) {
      this.d.stream.confirm(confirmed);
      this.d.onConfirmed(confirmed);
    }
    const raised = this.bound.raise(confirmable, now);
    if (raised === null) return;
    this.d.record(raised).then(
      () => {
        this.bound.acknowledged();
        this.advance();
      },
      () => {}, // what kept it from being recorded ends this life
    );
  }

  /** The last word: records exactly what was confirmed. Nothing is confirmed after it. */
  async settle(): Promise<void> {
    const confirmed = this.bound.settle();
    if (confirmed !== null) await this.d.record(confirmed);
  }
}
