import type { SnapshotState } from './capture-state';
import { canCancel, isOver, type Load } from './loads';

/** A load as people and programs see it: in the commands' `--json` and over HTTP. */
export interface LoadView {
  readonly id: string;
  /** first: what was there before; repair: after a lost slot; incremental: somebody asked for it. */
  readonly kind: Load['kind'];
  readonly table: string;
  readonly where: string | null;
  /**
   * requested: no capture has taken it up. waiting: it has, others come first. pausing, cancelling: wanted, and not done yet.
   */
  readonly status:
    | 'requested'
    | 'waiting'
    | 'running'
    | 'sweeping'
    | 'pausing'
    | 'paused'
    | 'cancelling'
    | 'cancelled'
    | 'done'
    | 'failed';
  /** Null: nobody, it is needed. */
  readonly requestedBy: string | null;
  readonly requestedAt: string | null;
  readonly startedAt: string | null;
  readonly updatedAt: string | null;
  /** In the topics. */
  readonly rows: number;
  /** Of the table, passed over, and how many it has by the planner's statistics; null = not known yet. */
  readonly scanned: number;
  readonly estimated: number | null;
  readonly chunks: number;
  /** 0 to 1. */
  readonly progress: number;
  /** Null: not at work. */
  readonly rowsPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly error: SnapshotState['error'] | null;
}

export function viewLoad(load: Load): LoadView {
  const { id, kind, table, where, request, state } = load;
  const status = statusOf(load);
  const scanned = state?.scanned ?? state?.rows ?? 0;
  const estimated = state?.estimated === undefined ? null : Math.max(state.estimated, scanned);
  const speed = status === 'running' ? (state?.rowsPerSecond ?? null) : null;
  return {
    id,
    kind,
    table,
    where,
    status,
    requestedBy: kind === 'incremental' ? (request?.by ?? null) : null,
    requestedAt: kind === 'incremental' ? (request?.at ?? null) : null,
    startedAt: state?.startedAt ?? null,
    updatedAt: state?.updatedAt ?? null,
    rows: state?.rows ?? 0,
    scanned,
    estimated,
    chunks: state?.chunks ?? 0,
    progress: progressOf(status, scanned, estimated),
    rowsPerSecond: speed,
    secondsLeft: speed && estimated !== null ? Math.ceil((estimated - scanned) / speed) : null,
    error: state?.error ?? null,
  };
}

function statusOf(load: Load): LoadView['status'] {
  const { kind, desired, state } = load;
  if (state !== null && isOver(load)) return state.status;
  if (desired === 'cancel' && canCancel(load)) return 'cancelling';
  if (desired === 'pause') return state?.paused ? 'paused' : 'pausing';
  if (state === null) return kind === 'incremental' ? 'requested' : 'waiting';
  if (state.status === 'sweeping') return 'sweeping';
  return state.startedAt === undefined && state.chunks === 0 ? 'waiting' : 'running';
}

/** The estimate may be short of the truth: whole is only what is done. */
function progressOf(status: LoadView['status'], scanned: number, estimated: number | null): number {
  if (status === 'done' || status === 'sweeping') return 1;
  return estimated ? Math.min(0.99, scanned / estimated) : 0;
}
