import { CdcError } from './errors';
import type { Lsn } from './lsn';
import type { SlotFacts } from './ports/source';

/** Older measurements fade with this time constant, so that a burst of a minute shows and one of a second does not. */
const FADE_MS = 60_000;

/** Bytes of WAL a second that the server writes, smoothed. Null before the second measurement. */
export class WalRate {
  private last: { readonly lsn: Lsn; readonly at: number } | null = null;
  private rate: number | null = null;

  /** `now`: milliseconds of a clock that does not jump. */
  measure(lsn: Lsn, now: number): number | null {
    const { last } = this;
    if (last && now <= last.at) return this.rate;
    this.last = { lsn, at: now };
    if (!last) return null;
    const measured = (Math.max(0, Number(lsn - last.lsn)) * 1000) / (now - last.at);
    const fade = this.rate === null ? 0 : Math.exp(-(now - last.at) / FADE_MS);
    this.rate = measured + ((this.rate ?? 0) - measured) * fade;
    return this.rate;
  }
}

/**
 * Seconds until the server may begin to give the slot up, if nothing is confirmed and WAL grows at this rate. Null: no limit is
 * set (max_slot_wal_keep_size), or nothing is written.
 */
export function walBudgetSeconds(safeBytes: bigint | null, bytesPerSecond: number | null): number | null {
  if (safeBytes === null || !bytesPerSecond) return null;
  return Math.max(0, Number(safeBytes)) / bytesPerSecond;
}

/** The time somebody needs to notice and to act. */
const SHORT_SECONDS = 3600;

/**
 * What threatens a slot that is still whole; null = nothing. A short budget alone is none: on a busy server a small limit is short
 * by itself. It is one once more than half of the limit is spent.
 */
export function slotDanger(slot: SlotFacts, budgetSeconds: number | null): CdcError | null {
  const { name, walStatus, retainedBytes, safeWalBytes } = slot;
  if (walStatus === 'unreserved')
    return new CdcError(
      'slot_at_risk',
      `slot ${name} keeps more WAL than max_slot_wal_keep_size: the next checkpoint may remove what it needs`,
    );
  if (budgetSeconds === null || budgetSeconds >= SHORT_SECONDS) return null;
  if (safeWalBytes === null || retainedBytes === null || retainedBytes < safeWalBytes) return null;
  return new CdcError(
    'slot_at_risk',
    `slot ${name} is behind, and at the present rate max_slot_wal_keep_size is reached in less than an hour`,
  );
}
