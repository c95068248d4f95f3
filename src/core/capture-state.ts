import { CdcError } from './errors';

/**
 * What capture keeps in the state topic, one compacted record per key. Everything else it needs is in the slot and in the
 * tails of the topics.
 */
export interface SourceState {
  readonly systemId: string;
  readonly timeline: number;
  readonly epoch: number;
}

export interface TopicsState {
  readonly partitions: number;
}

export interface ColumnsState {
  /** Contract columns that the table never had: written as null. All others may not disappear. */
  readonly absent: readonly string[];
}

export interface SnapshotState {
  readonly status: 'running' | 'done';
  /** Largest key whose chunk is in the topics; null before the first. */
  readonly lastKey: string | null;
  readonly rows: number;
  readonly chunks: number;
}

export const stateKeys = {
  source: (connector: string) => `${connector}/source`,
  topics: (connector: string) => `${connector}/topics`,
  columns: (connector: string, table: string) => `${connector}/columns/${table}`,
  snapshot: (connector: string, table: string) => `${connector}/snapshot/${table}`,
};

/** The value under `key`, or null when there is none. Throws record_malformed when it is no JSON object. */
export function readState<T extends object>(state: ReadonlyMap<string, string>, key: string): T | null {
  const text = state.get(key);
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // falls through: one error for both
  }
  throw new CdcError('record_malformed', `state record "${key}" is not a JSON object`);
}

/**
 * The epoch to write with: the recorded one while cluster and timeline are the recorded ones, 1 at the very first start.
 * Null when history forked, which nobody may decide in silence.
 */
export function epochFor(recorded: SourceState | null, systemId: string, timeline: number): number | null {
  if (!recorded) return 1;
  return recorded.systemId === systemId && recorded.timeline === timeline ? recorded.epoch : null;
}
