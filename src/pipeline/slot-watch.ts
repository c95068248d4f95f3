import type { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import type { SourceInspection } from '../core/ports/source';
import type { CaptureStats } from '../core/stats';
import { slotDanger, WalRate, walBudgetSeconds } from '../core/wal-budget';

/** Tells of the slot what each look at the source brings: to the statistics, and a danger, once, to the log. */
export class SlotWatch {
  private readonly rate = new WalRate();
  private said: string | null = null;

  constructor(
    private readonly stats: CaptureStats,
    private readonly log: Logger,
  ) {}

  /** `now`: milliseconds of a clock that does not jump. Returns what threatens the slot; null = nothing. */
  look({ walLsn, slot, standbys }: SourceInspection, now: number): CdcError | null {
    this.stats.standbys = standbys;
    if (walLsn > this.stats.serverLsn) this.stats.serverLsn = walLsn;
    const walBytesPerSecond = this.rate.measure(walLsn, now);
    const budgetSeconds = walBudgetSeconds(slot.safeWalBytes, walBytesPerSecond);
    const { walStatus, retainedBytes, safeWalBytes, sender } = slot;
    this.stats.slot = {
      walStatus,
      active: sender !== null,
      retainedBytes,
      safeWalBytes,
      walBytesPerSecond,
      budgetSeconds,
    };
    const danger = slotDanger(slot, budgetSeconds);
    if (danger && danger.message !== this.said) this.log.warn({ code: danger.code, fix: danger.fix }, danger.message);
    if (!danger && this.said !== null) this.log.info({}, `slot ${slot.name} is out of danger`);
    this.said = danger?.message ?? null;
    return danger;
  }
}
