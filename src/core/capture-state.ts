import { CdcError } from './errors';
import { formatLsn, type Lsn, parseLsn } from './lsn';
import type { DecodedCount, SlotHistory } from './ports/source';
import type { TableMark } from './table-mark';

/**
 * What capture keeps in the state topic, one compacted record per key. Everything else it needs is in the slot and in the
 * tails of the topics.
 */
export interface SourceState {
  readonly systemId: string;
  readonly timeline: number;
  readonly epoch: number;
  /** Why the stream is known not to tell this history any more; absent = it does. */
  readonly forked?: string;
  /** Why the slot is known to be another one; absent = it is not. */
  readonly replaced?: string;
}

export interface TopicsState {
  readonly partitions: number;
}

export interface TableState {
  /** As it was when the life that wrote this began: what the topic's records are held against. */
  readonly mark: TableMark;
  /** End of the WAL then. */
  readonly seen: string;
  /** In which the LSNs here count. */
  readonly epoch: number;
  /** Contract columns that were added since the first start: a change before the LSN lacks them by right, and has null. */
  readonly added?: Readonly<Record<string, string>>;
  /** A change before this LSN that cannot be told is left out: the table was loaded again after it. */
  readonly excused?: string;
}

/** How far one load is: of a table's first load, of the one after a lost slot, or of an operator's request. */
export interface SnapshotState {
  /**
   * sweeping: all rows are in the topic, keys that are gone in the source, or lie in a wrong partition, are being looked
   * for. The last three are for good.
   */
  readonly status: 'running' | 'sweeping' | 'done' | 'cancelled' | 'failed';
  /** Somebody wanted it to wait, and it does. */
  readonly paused?: true;
  /** Largest key whose chunk is in the topics; null before the first. */
  readonly lastKey: string | null;
  readonly rows: number;
  readonly chunks: number;
  /** Absent: the first load. */
  readonly kind?: 'repair' | 'incremental' | 'repartition';
  /** Of a repair: what happened, and between which LSNs changes may be missing. */
  readonly why?: string;
  readonly from?: string;
  readonly to?: string;
  /** Of a repair: the first chunk's closing watermark. A key whose last record is older is looked for in the source. */
  readonly horizon?: string;
  /** Partitions swept, and deletes they brought. */
  readonly swept?: number;
  readonly gone?: number;
  /** Rows of the table passed over: more than `rows` under a condition. */
  readonly scanned?: number;
  /** Rows of the table by the planner's statistics when the load began. */
  readonly estimated?: number;
  /** Rows passed over in a second, of late. */
  readonly rowsPerSecond?: number;
  /** ISO 8601: when the first chunk was begun, and when this was written. */
  readonly startedAt?: string;
  readonly updatedAt?: string;
  /** What made it fail, or what it is tried again after. */
  readonly error?: { readonly code: string; readonly reason: string; readonly fix: string };
  /**
   * Where an acknowledgement is not yet on a disk: true as long as the partitions end no earlier than this, else what was
   * surely on a disk counts (null: nothing).
   */
  readonly relies?: { readonly ends: Readonly<Record<string, string>>; readonly sure: SnapshotState | null };
}

/** A schema of the registry, under its id. */
export interface SchemaState {
  readonly subject: string;
  readonly schema: string;
}

/** What was ever confirmed to the server, at most: a slot that stands further on was not moved by us. */
export interface ConfirmedState {
  readonly atMost: string;
  /** Transactions whose commit record lies before are in the topics for good, whatever the slot brings again. */
  readonly atLeast?: string;
  /** Of the slot when it was last looked at. */
  readonly decoded?: DecodedCount;
}

/** The number of partitions is being raised. */
export interface RepartitionState {
  readonly partitions: number;
  /** ISO 8601. */
  readonly since: string;
  /** Content of a message in the WAL: capture writes what comes before it, and stops there. */
  readonly mark: string;
  /** The mark's LSN: capture has come to it, and the topics hold all before. */
  readonly reached?: string;
}

/** A lost slot and its mending. */
export interface RepairState {
  /**
   * slot: begun, the slot may be the old one, a new one or missing. load: it is a new one, tables are loaded again and swept.
   * done: the topics are the source's tables again.
   */
  readonly phase: 'slot' | 'load' | 'done';
  /** When it was begun and, if it is done, when it was done: ISO 8601. */
  readonly since: string;
  readonly until?: string;
  /** The new one. */
  readonly epoch: number;
  /** Changes between these LSNs did not come by the stream; null where it is not known. */
  readonly from: string | null;
  readonly to: string | null;
}

export const stateKeys = {
  source: (connector: string) => `${connector}/source`,
  topics: (connector: string) => `${connector}/topics`,
  confirmed: (connector: string) => `${connector}/confirmed`,
  repair: (connector: string) => `${connector}/repair`,
  table: (connector: string, table: string) => `${connector}/table/${table}`,
  schema: (connector: string, id: number | '') => `${connector}/schema/${id}`,
  repartition: (connector: string) => `${connector}/repartition`,
  /** How far the first load of a table is, or a repair's. Written by capture and by the repair of a slot. */
  snapshot: (connector: string, table: string) => `${connector}/snapshot/${table}`,
  /** What somebody wants of a load. Written by any process; by capture only to forget it. */
  loadRequest: (connector: string, id: string) => `${connector}/request/snapshot/${id}`,
  /** How far a requested load is. Written by capture only. */
  load: (connector: string, id: string) => `${connector}/load/${id}`,
};

type State = ReadonlyMap<string, string>;

/** The value under `key`, or null when there is none. Throws record_malformed when it is no JSON object. */
export function readState<T extends object>(state: State, key: string): T | null {
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

/** Whether the connector captured before: a slot that is missing then is a loss, not a first start. */
export function capturedBefore(state: State, connector: string): boolean {
  return state.has(stateKeys.source(connector));
}

/** What was ever confirmed, at most; null = not known. */
export function confirmedAtMost(state: State, connector: string): Lsn | null {
  const recorded = readState<ConfirmedState>(state, stateKeys.confirmed(connector));
  return recorded && parseLsn(recorded.atMost);
}

/** {@link ConfirmedState.atLeast}; null = not known. */
export function heldAtLeast(state: State, connector: string): Lsn | null {
  const recorded = readState<ConfirmedState>(state, stateKeys.confirmed(connector))?.atLeast;
  return recorded === undefined ? null : parseLsn(recorded);
}

/**
 * Why what was captured before cannot be continued from the slot as it was found: source_forked, slot_replaced, or null. The
 * slot must have been looked at before the state was read, because a capture elsewhere may be moving both.
 */
export function judgeHistory(state: State, connector: string, found: SlotHistory): CdcError | null {
  const source = readState<SourceState>(state, stateKeys.source(connector));
  const repair = readState<RepairState>(state, stateKeys.repair(connector));
  const atMost = confirmedAtMost(state, connector);
  if (source && (source.systemId !== found.systemId || source.timeline !== found.timeline))
    return new CdcError(
      'source_forked',
      `the source is system ${found.systemId} timeline ${found.timeline}, captured was ${source.systemId} timeline ${source.timeline}`,
    );
  if (source?.forked !== undefined) return new CdcError('source_forked', source.forked);
  if (source?.replaced !== undefined) return new CdcError('slot_replaced', source.replaced);
  if (repair?.phase === 'slot')
    return new CdcError('slot_replaced', `a repair of the slot was begun at ${repair.since} and did not end`);
  if (atMost !== null && found.confirmedLsn > atMost)
    return new CdcError(
      'slot_replaced',
      `the slot stands at ${formatLsn(found.confirmedLsn)}, but no more than ${formatLsn(atMost)} was ever confirmed`,
    );
  return null;
}

/**
 * Whether the slot was made anew since it was last looked at, however near to where it stood: it has decoded less then. `found`
 * must have been seen while the slot was ours, so that nobody else counted on meanwhile.
 */
export function judgeDecoded(state: State, connector: string, found: DecodedCount | null): CdcError | null {
  const known = readState<ConfirmedState>(state, stateKeys.confirmed(connector))?.decoded;
  if (!known || known.since !== found?.since || found.transactions >= known.transactions) return null;
  const what = `${found.transactions} transactions were decoded through the slot, and ${known.transactions} before: it was made anew`;
  return new CdcError('slot_replaced', what);
}
