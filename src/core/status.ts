import type { Heartbeat } from './heartbeat';
import type { LoadView } from './load-view';
import type { Lsn } from './lsn';
import type { Backlog } from './ports/sink';
import type { SlotFacts } from './ports/source';
import type { CaptureReport, ProcessReport, SlotReport, TaskReport } from './process-report';
import type { Notice } from './readiness';

/** What was found when everybody was asked; null = it was not asked, or `unknown` says why it did not answer. */
export interface StatusFacts {
  readonly nowMs: number;
  readonly connectors: readonly ConnectorFacts[];
  readonly reports: readonly ProcessReport[];
  readonly heartbeat: Heartbeat | null;
  readonly source: SourceFacts | null;
  /** Null: no connector captures. */
  readonly slotName: string | null;
  readonly loads: readonly LoadView[];
  readonly unknown: readonly Unknown[];
}

export interface ConnectorFacts {
  readonly name: string;
  readonly kind: 'capture' | 'sink';
  /** Of a sink's group. */
  readonly partitions: readonly GroupPartition[] | null;
  /** Of a sink. */
  readonly backlog: Backlog | null;
}

export interface GroupPartition {
  readonly topic: string;
  readonly partition: number;
  /** Null = none. */
  readonly committed: bigint | null;
  readonly end: bigint;
  readonly lag: bigint;
}

export interface SourceFacts {
  readonly walBytesPerSecond: number | null;
  /** Null = there is none. */
  readonly slot: (SlotFacts & { readonly confirmedLsn: Lsn | null }) | null;
  /** Who streams from it. */
  readonly holder: string | null;
}

export interface Unknown extends Notice {
  readonly what: string;
}

/**
 * running: it does its work and has done all there is, or nearly. behind: it has some way to go, and moves. stalled: it has
 * something to do and does not move. stopped: no process runs it.
 */
export type State = 'running' | 'behind' | 'stalled' | 'stopped';

/** All of it on one screen; also what `--json` and `/api/status` give. Holds no row value. */
export interface StatusView {
  readonly at: string;
  /** Of the connector that is worst off. */
  readonly state: State;
  readonly connectors: readonly ConnectorStatus[];
  readonly slot: SlotStatus | null;
  readonly snapshots: readonly Omit<LoadView, 'where'>[];
  /** Who could not be asked. */
  readonly unknown: readonly Unknown[];
}

export interface ConnectorStatus {
  readonly name: string;
  readonly kind: 'capture' | 'sink';
  readonly state: State;
  /** Null where it runs. */
  readonly why: string | null;
  readonly code: string | null;
  readonly fix: string | null;
  readonly warnings: readonly Notice[];
  readonly tasks: readonly TaskStatus[];
  /** Age in seconds of what has passed each stage last; null = not known. */
  readonly freshness: Readonly<Record<string, number | null>>;
  readonly positions: CaptureReport['lsn'] | null;
  readonly lagBytes: number | null;
  readonly partitions: readonly PartitionStatus[];
  readonly lagRecords: number | null;
  readonly deadLetters: number | null;
  readonly parked: number | null;
  readonly conflicts: Readonly<Record<string, number>>;
  /** Changes that nobody accounts for: must be 0. */
  readonly unaccounted: number;
  readonly lastError: TaskReport['lastError'];
}

export interface TaskStatus {
  readonly process: string;
  readonly url: string;
  readonly version: string;
  /** silent: it was killed, or cannot reach Kafka. */
  readonly state: 'working' | 'standing by' | 'not ready' | 'silent';
  readonly heardSecondsAgo: number;
  readonly reconnects: number;
}

export interface PartitionStatus {
  readonly topic: string;
  readonly partition: number;
  readonly committed: string | null;
  readonly end: string;
  readonly lagRecords: number;
  /** Age of what was applied last, where records wait; 0 where none do. */
  readonly lagSeconds: number | null;
  /** Who applies it; null = nobody. */
  readonly process: string | null;
}

export interface SlotStatus extends SlotReport {
  readonly name: string;
  readonly holder: string | null;
  readonly confirmedLsn: string | null;
}
