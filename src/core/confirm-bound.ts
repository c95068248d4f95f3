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
 *
 * Where an acknowledgement is not yet on a disk the record of the bound could be lost as any other: it counts after `trailMs`,
 * and is asked for as soon as something is published, so that nothing waits for it longer than it would anyway.
 */
export class ConfirmBound {
  private room = LEAST_ROOM;
  private raisedMs = Number.NEGATIVE_INFINITY;
  private wanted: Lsn | null = null;
  /** Acknowledged, oldest first; each counts from its time on. */
  private readonly trail: { readonly bound: Lsn; readonly from: number }[] = [];
  private confirmed: Lsn | null = null;
  private settled = false;

  /** `recorded`: by earlier lives; null = nothing, and nothing may be confirmed yet. */
  constructor(
    private recorded: Lsn | null,
    private readonly trailMs = 0,
  ) {}

  /** The part of `confirmable` that may be confirmed at `now`. Null: nothing. */
  allows(confirmable: Lsn, now: number): Lsn | null {
    while (this.trail[0] && this.trail[0].from <= now) this.recorded = this.trail.shift()!.bound;
    if (this.recorded === null || this.settled) return this.confirmed;
    this.confirmed = confirmable < this.recorded ? confirmable : this.recorded;
    return this.confirmed;
  }

  /** The bound to record now, so that `published` may be confirmed some day; null when it may, or another is being recorded. */
  raise(published: Lsn, now: number): Lsn | null {
    if (this.settled || this.wanted !== null) return null;
    const newest = this.trail.at(-1)?.bound ?? this.recorded;
    if (newest !== null && published <= newest) return null;
    const lasted = now - this.raisedMs;
    if (lasted < LASTS_MS) this.room *= 2n;
    else if (lasted > 6 * LASTS_MS && this.room > LEAST_ROOM) this.room /= 2n;
    this.raisedMs = now;
    this.wanted = published + this.room;
    return this.wanted;
  }

  /** What was last asked for is in Kafka. */
  acknowledged(now: number): void {
    if (this.wanted !== null) this.trail.push({ bound: this.wanted, from: now + this.trailMs });
    this.wanted = null;
  }

  /** The end: nothing more may be confirmed, so what was confirmed can be recorded exactly. Null = nothing was. */
  settle(): Lsn | null {
    this.settled = true;
    return this.confirmed;
  }
}
