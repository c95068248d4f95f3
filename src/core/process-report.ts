import { formatLsn } from './lsn';
import type { Backlog } from './ports/sink';
import type { Notice, Readiness } from './readiness';
import {
  type CaptureStage,
  type CaptureStats,
  conservationDifference,
  type SinkStats,
  type SlotStats,
  sumCounts,
} from './stats';

/**
 * What a process says of itself, in the state topic: so `status` sees all of them from any machine. Written every few seconds
 * by whoever runs connectors, without a fence, and ended when it ends in good order. Times are ISO 8601, by its own clock.
 */
export interface ProcessReport {
  /** Host and process id. */
  readonly process: string;
  readonly version: string;
  /** Where it serves HTTP. */
  readonly url: string;
  readonly startedAt: string;
  readonly at: string;
  readonly tasks: readonly TaskReport[];
}

interface Task {
  readonly connector: string;
  readonly readiness: Readiness;
  readonly lastError: (Notice & { readonly at: string }) | null;
  /** Lives that ended with an error. */
  readonly reconnects: number;
  /** When something was last acknowledged or committed; null = not yet. */
  readonly progressAt: string | null;
}

export interface CaptureReport extends Task {
  readonly kind: 'capture';
  readonly epoch: string;
  readonly lsn: Readonly<Record<'server' | 'received' | 'published' | 'confirmed', string>>;
  /** Everything committed before is through the stage; null = not known. */
  readonly freshUntil: Readonly<Record<CaptureStage, string | null>>;
  /** As it was last looked at; null = not yet. */
  readonly slot: SlotReport | null;
  readonly changes: number;
  readonly deadLetters: number;
  /** Must be 0. */
  readonly unaccounted: number;
}

export interface SlotReport {
  readonly walStatus: string | null;
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
  readonly walBytesPerSecond: number | null;
  /** Until max_slot_wal_keep_size is spent, if nothing is confirmed; null = no limit, or nothing is written. */
  readonly secondsLeft: number | null;
}

export interface SinkReport extends Task {
  readonly kind: 'sink';
  readonly freshUntil: string | null;
  /** Those held (`topic/partition`), with the commit time of the last record applied; null = none yet. */
  readonly partitions: Readonly<Record<string, string | null>>;
  readonly applied: number;
  readonly conflicts: Readonly<Record<string, number>>;
  readonly backlog: Backlog | null;
}

export type TaskReport = CaptureReport | SinkReport;

const PREFIX = 'process/';

export const processKey = (process: string): string => `${PREFIX}${process}`;

/** Those that the state topic holds; what is not understood is left out. */
export function readProcesses(state: ReadonlyMap<string, string>): ProcessReport[] {
  return [...state].flatMap(([key, text]) => {
    if (!key.startsWith(PREFIX)) return [];
    try {
      const report = JSON.parse(text) as ProcessReport;
      return Array.isArray(report.tasks) && !Number.isNaN(Date.parse(report.at)) ? [report] : [];
    } catch {
      return [];
    }
  });
}

/** A process that was killed does not end its record. */
const FORGET_MS = 24 * 3_600_000;

/** Records of processes that have said nothing for a day, to be ended by whoever sees them. */
export const forgotten = (reports: readonly ProcessReport[], nowMs: number): string[] =>
  reports.filter(({ at }) => nowMs - Date.parse(at) > FORGET_MS).map(({ process }) => process);

export function reportCapture(connector: string, stats: CaptureStats, readiness: Readiness): CaptureReport {
  const tables = [...stats.tables.values()];
  const sum = (count: (table: (typeof tables)[number]) => number) => tables.reduce((all, one) => all + count(one), 0);
  const { serverLsn, receivedLsn, publishedLsn, confirmedLsn, freshUntilMs } = stats;
  return {
    ...common(connector, stats, readiness),
    kind: 'capture',
    epoch: String(stats.epoch),
    lsn: {
      server: formatLsn(serverLsn),
      received: formatLsn(receivedLsn),
      published: formatLsn(publishedLsn),
      confirmed: formatLsn(confirmedLsn),
    },
    freshUntil: {
      receive: iso(freshUntilMs.receive),
      publish: iso(freshUntilMs.publish),
      confirm: iso(freshUntilMs.confirm),
    },
    slot: stats.slot && reportSlot(stats.slot),
    changes: sum(({ published }) => sumCounts(published)),
    deadLetters: sum(({ deadLettered }) => sumCounts(deadLettered)),
    unaccounted: sum(conservationDifference),
  };
}

function reportSlot({
  walStatus,
  retainedBytes,
  safeWalBytes,
  walBytesPerSecond,
  budgetSeconds,
}: SlotStats): SlotReport {
  return {
    walStatus,
    retainedBytes: retainedBytes === null ? null : Number(retainedBytes),
    safeBytes: safeWalBytes === null ? null : Number(safeWalBytes),
    walBytesPerSecond,
    secondsLeft: budgetSeconds,
  };
}

export function reportSink(connector: string, stats: SinkStats, readiness: Readiness): SinkReport {
  return {
    ...common(connector, stats, readiness),
    kind: 'sink',
    freshUntil: iso(stats.freshUntilMs),
    partitions: Object.fromEntries(
      [...stats.partitions.values()].map(({ topic, partition, commitTime }) => [
        `${topic}/${partition}`,
        iso(Number(commitTime / 1000n)),
      ]),
    ),
    applied: stats.applied,
    conflicts: Object.fromEntries(stats.conflictsByReason),
    backlog: stats.backlog,
  };
}

function common(
  connector: string,
  { lastError, reconnects, lastProgressMs }: Pick<CaptureStats, 'lastError' | 'reconnects' | 'lastProgressMs'>,
  readiness: Readiness,
): Task {
  const error = lastError && {
    code: lastError.code,
    reason: lastError.reason,
    fix: lastError.fix,
    at: new Date(lastError.atMs).toISOString(),
  };
  return { connector, readiness, lastError: error, reconnects, progressAt: iso(lastProgressMs) };
}

const iso = (ms: number) => (ms > 0 ? new Date(ms).toISOString() : null);
