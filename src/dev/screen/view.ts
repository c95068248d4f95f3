import type { Readiness } from '../../core/readiness';

/** Everything the screen shows, as plain values. */
export interface DevView {
  readonly profile: string;
  readonly upSeconds: number;
  readonly readiness: Readiness;
  readonly stages: readonly StageView[];
  /** Newest first. */
  readonly changes: readonly ChangeView[];
  readonly totals: readonly { readonly label: string; readonly count: number }[];
  readonly hints: readonly { readonly label: string; readonly command: string }[];
}

export interface StageView {
  readonly name: string;
  readonly perSecond: number;
  readonly total: number;
  /** With its unit; null where nothing can wait. */
  readonly behind: string | null;
  /** Milliseconds since the commit in Ventia; null before the first. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** What the latency is measured to. */
  readonly until: string;
}

export interface ChangeView {
  /** Of its commit, milliseconds since 1970. */
  readonly atMs: number;
  readonly table: string;
  readonly op: string;
  readonly id: string;
  readonly became: string;
}
