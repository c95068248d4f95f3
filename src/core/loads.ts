import { readState, type SnapshotState, stateKeys } from './capture-state';
import type { CdcError } from './errors';

/**
 * Loads of tables as they are kept in the state topic: what is wanted, and how far each is.
 *
 * Two records a load, each with one kind of writer, so that nobody overwrites what another wrote: the request, by whoever asks
 * (any process, not fenced, the last word counts), and the progress, by capture (fenced). Capture touches a request only to
 * forget it when the load has been over for long.
 */

export type Desired = 'run' | 'pause' | 'cancel';

/** For a table's first load, and the one after a lost slot, which nobody asked for, it only says whether they shall pause. */
export interface LoadRequest {
  /** `schema.table` */
  readonly table: string;
  /** A condition in SQL; null = all rows. May hold personal data: never logged. */
  readonly where: string | null;
  /** Who asked, and when: ISO 8601. */
  readonly by: string;
  readonly at: string;
  readonly desired: Desired;
}

export interface Load {
  /** The table's name for what nobody asked for; a request's own id else, which has no dot. */
  readonly id: string;
  readonly kind: 'first' | 'repair' | 'repartition' | 'incremental';
  readonly table: string;
  readonly where: string | null;
  readonly request: LoadRequest | null;
  readonly desired: Desired;
  /** Null: capture has not taken it up. */
  readonly state: SnapshotState | null;
}

type State = ReadonlyMap<string, string>;

/**
 * All loads in the order of work: what nobody asked for first, parents before children (the order of `tables`), then the
 * oldest. In mode `never` tables that were never loaded need none. What is not understood is left out.
 */
export function readLoads(
  state: State,
  connector: string,
  tables: readonly string[],
  mode: 'initial' | 'never',
): Load[] {
  const requests = readRequests(state, connector);
  const own = tables.flatMap((table): Load[] => {
    const progress = readState<SnapshotState>(state, stateKeys.snapshot(connector, table));
    if (progress === null && mode === 'never') return [];
    const kind = progress?.kind ?? 'first';
    const request = requests.get(table) ?? null;
    return [{ id: table, kind, table, where: null, request, desired: request?.desired ?? 'run', state: progress }];
  });
  const rank = (table: string) => (tables.includes(table) ? tables.indexOf(table) : tables.length);
  const asked = [...requests]
    .filter(([id]) => !id.includes('.'))
    .map(([id, request]): Load => {
      const { table, where, desired } = request;
      const progress = readState<SnapshotState>(state, stateKeys.load(connector, id));
      return { id, kind: 'incremental', table, where, request, desired, state: progress };
    })
    .sort((a, b) => rank(a.table) - rank(b.table) || compare(a.request!.at, b.request!.at) || compare(a.id, b.id));
  return [...own, ...asked];
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

function readRequests(state: State, connector: string): Map<string, LoadRequest> {
  const prefix = stateKeys.loadRequest(connector, '');
  const requests = new Map<string, LoadRequest>();
  for (const [key, text] of state) {
    if (!key.startsWith(prefix)) continue;
    const request = parseRequest(text);
    if (request) requests.set(key.slice(prefix.length), request);
  }
  return requests;
}

/** Other programs may write to the topic: null for what is no request. */
function parseRequest(text: string): LoadRequest | null {
  try {
    const { table, where, by, at, desired } = JSON.parse(text) as Record<string, unknown>;
    const texts = [table, by, at].every((value) => typeof value === 'string');
    const fits = texts && (where === null || typeof where === 'string');
    return fits && ['run', 'pause', 'cancel'].includes(desired as string)
      ? ({ table, where, by, at, desired } as LoadRequest)
      : null;
  } catch {
    return null;
  }
}

export const isOver = ({ state }: Load): boolean =>
  state !== null && state.status !== 'running' && state.status !== 'sweeping';

/** Where the load's progress is recorded. */
export function progressKey(connector: string, { id, kind, table }: Load): string {
  return kind === 'incremental' ? stateKeys.load(connector, id) : stateKeys.snapshot(connector, table);
}

const BEGUN: SnapshotState = { status: 'running', lastKey: null, rows: 0, chunks: 0 };

/** What is recorded of a load when nothing is done yet. */
export function begun({ kind }: Load): SnapshotState {
  return kind === 'first' ? BEGUN : { ...BEGUN, kind };
}

/** What capture is to do next about its loads. */
export type LoadStep =
  | { readonly do: 'work'; readonly load: Load }
  | { readonly do: 'record'; readonly load: Load; readonly state: SnapshotState }
  | { readonly do: 'forget'; readonly loads: readonly Load[] };

/** Requests that are over are kept for people to look at: this many. */
const KEPT = 20;

/** Null: nothing, until something is asked for or a load has `rested` enough after a failure. */
export function nextStep(loads: readonly Load[], rested: (id: string) => boolean): LoadStep | null {
  for (const load of loads) {
    const change = isOver(load) ? null : settled(load);
    if (change) return { do: 'record', load, state: change };
  }
  const old = loads
    .filter((load) => load.kind === 'incremental' && isOver(load))
    .sort((a, b) => compare(b.state!.updatedAt ?? '', a.state!.updatedAt ?? ''))
    .slice(KEPT);
  const forgotten = [...old, ...loads.filter((load) => load.kind !== 'incremental' && load.request && isOver(load))];
  if (forgotten.length > 0) return { do: 'forget', loads: forgotten };
  const load = loads.find((one) => !isOver(one) && wantsToRun(one) && rested(one.id));
  return load ? { do: 'work', load } : null;
}

/** Not a repair, and not the sweep that follows more partitions: the topics would stay wrong. */
export const canCancel = ({ kind, state }: Load): boolean =>
  kind !== 'repair' && !(kind === 'repartition' && state?.status === 'sweeping');

export const wantsToRun = (load: Load): boolean =>
  load.desired === 'run' || (load.desired === 'cancel' && !canCancel(load));

/** The record that says that a wish was seen; null = it is recorded. */
function settled(load: Load): SnapshotState | null {
  const { kind, desired, state } = load;
  const { paused, ...known } = state ?? begun(load);
  if (desired === 'cancel' && canCancel(load))
    return { ...known, status: kind === 'repartition' ? 'sweeping' : 'cancelled' };
  if (desired === 'pause') return paused ? null : { ...known, paused: true };
  return paused || (state === null && kind === 'incremental') ? known : null;
}

/** Statements that no repetition mends: data that does not fit, and what is wrong with the statement itself. */
const HOPELESS = /^(0A|21|22|2F|38|39|42)/;

/**
 * Whether a load is failed for good by the error. What nobody asked for is needed and never given up; a request is, where the
 * error does not mend itself.
 */
export function givesUp({ kind }: Load, error: CdcError): boolean {
  if (kind !== 'incremental') return false;
  if (error.retry !== 'timed' || error.kind === 'internal') return true;
  return error.kind === 'source_query' && HOPELESS.test(error.sqlState ?? '');
}
