import type { CaptureStats, OpCounts, SinkStats } from '../core/stats';

/** Label values in the order of the family's labels, and the value. */
export type Sample = readonly [labels: readonly string[], value: number];

/** A metric that is read from the counters when somebody asks. Every sample also has the label `connector`. */
export interface Family {
  /** Without the prefix `ventia_cdc_`. */
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  readonly capture?: (stats: CaptureStats, nowMs: number) => readonly Sample[];
  readonly sink?: (stats: SinkStats, nowMs: number) => readonly Sample[];
}

export const single = (value: number): Sample[] => [[[], value]];

/** No sample where nothing is known. */
export const given = (value: number | bigint | null | undefined): Sample[] =>
  value == null ? [] : single(Number(value));

export const perKey = (counters: ReadonlyMap<string, number>): Sample[] =>
  [...counters].map(([key, value]) => [[key], value]);

export const perOp = (table: string, counts: OpCounts, ...more: string[]): Sample[] =>
  Object.entries(counts).map(([op, value]) => [[table, op, ...more], value]);
