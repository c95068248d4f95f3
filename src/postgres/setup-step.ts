import type { CdcError } from '../core/errors';

/** One thing that set-up does to the source, as it is shown before it is done. */
export interface SetupStep {
  readonly title: string;
  readonly why: string;
  /** What it costs, where it costs something lasting. */
  readonly price: string | null;
  /** Each runs in a transaction of its own, or outside of any when `kind` is `concurrently`. */
  readonly sql: readonly string[];
  readonly kind: 'transaction' | 'concurrently' | 'slot';
}

export interface Plan {
  /** In an order in which no statement of the application fails at any moment. Empty when all is well. */
  readonly steps: readonly SetupStep[];
  /** What set-up cannot or must not do; nothing is to be applied while there is any. */
  readonly problems: readonly CdcError[];
}

/** How the source is to be set up. */
export interface SourceOptions {
  /** How deletes tell their tenant where the primary key does not; `auto` leaves what suffices alone and else sets FULL. */
  readonly identity: 'auto' | 'full' | 'index';
  /** Whether the publication lists the contract's columns. */
  readonly columns: 'all' | 'contract';
}

export const LIST_PRICE =
  'PostgreSQL refuses ALTER COLUMN TYPE on listed columns, and DROP COLUMN … CASCADE takes the table out of the publication';

export function step(title: string, why: string, sql: readonly string[], price: string | null = null): SetupStep {
  return { title, why, price, sql, kind: 'transaction' };
}
