import type { OrderFact } from './values';

/** Beyond so many orders a contact's are not loaded one by one. */
export const MANY_ORDERS = 100;

/** What a contact takes from the newest order that has it. */
export const NEWEST = [
  'phone',
  'email',
  'name',
  'customerId',
  'orderCount',
] as const satisfies readonly (keyof OrderFact)[];
export type Newest = (typeof NEWEST)[number];

/**
 * What those orders of a contact come to that a batch does not touch: they stay as they are, so that their sum is all that a
 * decision needs. Together with the orders that are loaded it gives what all of them would.
 */
export interface Rest {
  readonly orders: number;
  readonly erased: number;
  /** Not deleted. */
  readonly live: number;
  /** Of the live ones the newest with a value. */
  readonly newest: Readonly<Partial<Record<Newest, OrderFact>>>;
  /** Distinct okeys of live orders that count. */
  readonly counted: number;
  /** Those of them that orders of the batch have too. */
  readonly okeys: ReadonlySet<string>;
}

export const NO_REST: Rest = { orders: 0, erased: 0, live: 0, newest: {}, counted: 0, okeys: new Set() };
