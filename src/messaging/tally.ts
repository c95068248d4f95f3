import type { ChangeEvent } from '../core/change';
import type { ApplyResult, Outcome } from '../core/ports/sink';
import type { Step } from './decide/item';
import { canonicalId } from './decide/values';
import type { Work } from './work';

/** Of the last changes, for a screen. */
const OUTCOMES = 8;

/** Adds up what became of a batch; one tally an attempt, merged when the attempt has succeeded. */
export class Tally {
  applied = 0;
  stale = 0;
  parked = 0;
  placed = 0;
  created = 0;
  updated = 0;
  deadLetters = 0;
  incomplete = 0;
  writes = 0;
  private readonly conflicts: Record<string, number> = {};
  /** The last ones come last; more than are told. */
  private recent: { readonly event: ChangeEvent; readonly what: string }[] = [];

  step({ item, event }: Work, step: Step): void {
    if (step === null) return;
    if (step.what === 'parked') this.parked++;
    if ('incomplete' in step && step.incomplete) this.incomplete++;
    if (item.kind === 'place') {
      this.placed++;
      return;
    }
    if (!event || event.op === 't') return;
    if (step.what === 'stale') this.stale++;
    else this.applied++;
    this.outcome(event, describe(step));
  }

  /** A truncate counts once, however many rows it takes. */
  truncate(event: ChangeEvent, rows: number): void {
    if (rows === 0) this.stale++;
    else this.applied++;
    this.outcome(event, `${rows} rows deleted`);
  }

  conflict(reason: string): void {
    this.conflicts[reason] = (this.conflicts[reason] ?? 0) + 1;
  }

  outcome(event: ChangeEvent, what: string): void {
    this.recent.push({ event, what });
    if (this.recent.length > 100 * OUTCOMES) this.recent = this.recent.slice(-OUTCOMES);
  }

  add(other: Tally): void {
    this.applied += other.applied;
    this.stale += other.stale;
    this.parked += other.parked;
    this.placed += other.placed;
    this.created += other.created;
    this.updated += other.updated;
    this.deadLetters += other.deadLetters;
    this.incomplete += other.incomplete;
    this.writes += other.writes;
    for (const [reason, count] of Object.entries(other.conflicts)) {
      this.conflicts[reason] = (this.conflicts[reason] ?? 0) + count;
    }
    this.recent.push(...other.recent.slice(-OUTCOMES));
  }

  result(): ApplyResult {
    const { applied, stale, parked, placed, created, updated, deadLetters, incomplete, writes, conflicts } = this;
    const outcomes = this.recent.slice(-OUTCOMES).map(({ event: { table, id, op, commitTime }, what }): Outcome => {
      return { table, id: canonicalId(id), op, what, commitTime };
    });
    return { applied, stale, parked, placed, created, updated, deadLetters, incomplete, writes, conflicts, outcomes };
  }
}

function describe(step: NonNullable<Step>): string {
  if (step.what !== 'linked') return step.what;
  const { decision } = step;
  switch (decision.how) {
    case 'stay':
      return 'contact unchanged';
    case 'found':
      return `linked by ${decision.by}`;
    case 'rename':
      return 'contact corrected';
    case 'create':
      return 'contact created';
    case 'none':
      return 'nobody to link';
    case 'gone':
      return 'contact was removed';
  }
}
