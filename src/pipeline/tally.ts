import type { Op } from '../core/change';
import { addCounts, newOpCounts, type OpCounts, type TableStats } from '../core/stats';

type Outcome = 'published' | 'deadLettered';

/**
 * What the changes in one batch will have become once it is acknowledged: keeps the conservation count exact
 * (decoded = published + filtered + dead-lettered + skipped + abandoned + pending, Invariant 4).
 */
export class Tally {
  private readonly counts = {
    published: new Map<TableStats, OpCounts>(),
    deadLettered: new Map<TableStats, OpCounts>(),
  };

  add(table: TableStats, op: Op, outcome: Outcome): void {
    let ops = this.counts[outcome].get(table);
    if (!ops) {
      ops = newOpCounts();
      this.counts[outcome].set(table, ops);
    }
    ops[op]++;
    table.pending[op]++;
  }

  acknowledged(): void {
    this.settle((table, outcome, ops) => addCounts(table[outcome], ops));
  }

  abandoned(): void {
    this.settle((table, _, ops) => addCounts(table.abandoned, ops));
  }

  private settle(book: (table: TableStats, outcome: Outcome, ops: OpCounts) => void): void {
    for (const outcome of ['published', 'deadLettered'] as const) {
      for (const [table, ops] of this.counts[outcome]) {
        book(table, outcome, ops);
        for (const op of Object.keys(ops) as Op[]) {
          table.pending[op] -= ops[op];
          ops[op] = 0;
        }
      }
    }
  }
}
