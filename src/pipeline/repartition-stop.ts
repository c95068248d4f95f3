import { type RepartitionState, stateKeys } from '../core/capture-state';
import { type Deferred, deferred } from '../core/deferred';
import { type CdcError, toCdcError } from '../core/errors';
import { formatLsn, type Lsn } from '../core/lsn';
import type { SaveState } from './capture-ports';
import type { Flusher } from './flusher';
import { isRepartitioning } from './recorded-state';

export interface RepartitionStopDeps {
  readonly connector: string;
  /** What this life has found in the state topic; null = nobody raises the number. */
  readonly pending: RepartitionState | null;
  /** How long an acknowledgement may not be on a disk, milliseconds. */
  readonly trailMs: number;
  readonly flusher: Flusher;
  readonly save: SaveState;
  /** Ends this life of capture. */
  fail(error: CdcError): void;
}

/**
 * Capture's part in raising the number of partitions: everything before the mark in the WAL is written to the partitions that
 * there were, nothing behind it, and the state topic says when that much is there for good.
 */
export class RepartitionStop {
  private waiting: { readonly until: number; readonly done: Deferred<void> } | null = null;

  constructor(private readonly d: RepartitionStopDeps) {}

  /** True = this life ends here. `lsn`: of the mark's commit record. */
  onMark(mark: string, lsn: Lsn): boolean {
    const { pending, flusher } = this.d;
    if (pending?.mark !== mark) {
      // Perhaps this life was fenced by whoever has set the mark, and does not know yet, having nothing to write.
      flusher.renewFence();
      return false;
    }
    this.reach(pending, lsn).catch((error: unknown) => this.d.fail(toCdcError(error)));
    return true;
  }

  /** Kafka was found to hold, at `at`, all that it had acknowledged before. */
  held(at: number): void {
    if (this.waiting && this.waiting.until <= at) this.waiting.done.resolve();
  }

  private async reach(pending: RepartitionState, lsn: Lsn): Promise<void> {
    const { connector, trailMs, flusher, save, fail } = this.d;
    await flusher.durable();
    if (trailMs > 0) {
      this.waiting = { until: Date.now() + trailMs, done: deferred() };
      await this.waiting.done.promise;
    }
    const reached: RepartitionState = { ...pending, reached: formatLsn(lsn) };
    await save([[stateKeys.repartition(connector), reached]]);
    fail(isRepartitioning(reached));
  }
}
