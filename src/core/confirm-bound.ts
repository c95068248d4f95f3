import type { Lsn } from './lsn';

/** A bound that lasts for less than this was too near, one that lasts for longer than six of it too far. */
const LASTS_MS = 10_000;
/** What an idle server writes by itself in hours. */
const LEAST_ROOM = 64n * 1024n;

/**
 * How far the slot may be confirmed: a bound that is recorded before any confirmation beyond what it allows is sent. So the
 * record is never less than what was confirmed, and a slot that is found beyond it was made anew or advanced by others.
 *
 * The bound lies ahead of what is confirmed by as much WAL as comes in some ten seconds, so that it is rarely recorded; a slot
 * that was replaced within that room is not recognised, which is why a clean end records the exact position.
 */
export class ConfirmBound {
  private room = LEAST_ROOM;
  private raisedMs = Number.NEGATIVE_INFINITY;
  private wanted: Lsn | null = null;
  private confirmed: Lsn | null = null;
  private settled = false;

  /** `recorded`: by earlier lives; null = nothing, and nothing may be confirmed yet. */
  constructor(private recorded: Lsn | null) {}

  /** The part of `confirmable` that may be confirmed now. Null: nothing. */
  allows(confirmable: Lsn): Lsn | null {
    if (this.recorded === null || this.settled) return this.confirmed;
    this.confirmed = confirmable < this.recorded ? confirmable : this.recorded;
    return this.confirmed;
  }

  /** The bound to record now, so that `confirmable` may be confirmed; null when it may be, or another is being recorded. */
  raise(confirmable: Lsn, now: number): Lsn | null {
    if (this.settled || this.wanted !== null) return null;
    if (this.recorded !== null && confirmable <= this.recorded) return null;
    const lasted = now - this.raisedMs;
    if (lasted < LASTS_MS) this.room *= 2n;
    else if (lasted > 6 * LASTS_MS && this.room > LEAST_ROOM) this.room /= 2n;
    this.raisedMs = now;
    this.wanted = confirmable + this.room;
    return this.wanted;
  }

  /** What was last asked for is in Kafka. */
  acknowledged(): void {
    this.recorded = this.wanted ?? this.recorded;
    this.wanted = null;
  }

  /** The end: nothing more may be confirmed, so what was confirmed can be recorded exactly. Null = nothing was. */
  settle(): Lsn | null {
    this.settled = true;
    return this.confirmed;
  }
}
