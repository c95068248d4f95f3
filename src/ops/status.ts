import { CdcError, toCdcError } from '../core/errors';
import { type Heartbeat, heartbeatKey, readHeartbeat } from '../core/heartbeat';
import { viewLoad } from '../core/load-view';
import { isOver, readLoads } from '../core/loads';
import type { Backlog } from '../core/ports/sink';
import { type ProcessReport, readProcesses } from '../core/process-report';
import type { ConnectorFacts, GroupPartition, SourceFacts, StatusView, Unknown } from '../core/status';
import { viewStatus } from '../core/status-view';

export interface StatusSink {
  readonly name: string;
  readonly group: string;
  readonly topics: readonly string[];
  readonly table: 'tenants' | 'orders';
}

export interface StatusDeps {
  /** Null: no file captures. `tables`: `schema.table`, parents before children. */
  readonly capture: {
    readonly name: string;
    readonly slot: string;
    readonly tables: readonly string[];
    readonly mode: 'initial' | 'never';
  } | null;
  readonly sinks: readonly StatusSink[];
  /** Of the process that is asked; null = it runs no connectors. */
  own(): ProcessReport | null;
  /** The state topic as it is now. */
  readState(): Promise<ReadonlyMap<string, string>>;
  groupLag(group: string, topics: readonly string[]): Promise<readonly GroupPartition[]>;
  /** Null: we have no address of it. */
  lookAtSource(): Promise<SourceFacts | null>;
  backlog(table: StatusSink['table']): Promise<Backlog | null>;
  clock(): Date;
}

/** What answered in time. */
const PATIENCE_MS = 8_000;

/** Asks everybody at the same time; who does not answer is named in `unknown`, and the rest is shown. */
export async function readStatus(d: StatusDeps): Promise<StatusView> {
  const unknown: Unknown[] = [];
  const ask = async <T>(what: string, answer: Promise<T>): Promise<T | null> => {
    try {
      return await inTime(answer);
    } catch (error) {
      const { code, message: reason, fix } = toCdcError(error);
      if (!unknown.some((one) => one.what === what)) unknown.push({ what, code, reason, fix });
      return null;
    }
  };
  const viewSink = async ({ name, group, topics, table }: StatusSink): Promise<ConnectorFacts> => {
    const [partitions, backlog] = await Promise.all([
      ask('Kafka', d.groupLag(group, topics)),
      ask("Messaging's database", d.backlog(table)),
    ]);
    return { name, kind: 'sink', partitions, backlog };
  };
  const [state, source, ...sinks] = await Promise.all([
    ask('Kafka', d.readState()),
    d.capture && ask('the source', d.lookAtSource()),
    ...d.sinks.map(viewSink),
  ]);
  const { capture } = d;
  return viewStatus({
    nowMs: d.clock().getTime(),
    connectors: [
      ...(capture ? [{ name: capture.name, kind: 'capture', partitions: null, backlog: null } as const] : []),
      ...sinks,
    ],
    reports: withOwn(state ? readProcesses(state) : [], d.own()),
    heartbeat: capture && state ? heartbeatIn(state, capture.name) : null,
    source,
    slotName: capture?.slot ?? null,
    loads: capture && state ? openLoads(state, capture) : [],
    unknown,
  });
}

function withOwn(reports: readonly ProcessReport[], own: ProcessReport | null): ProcessReport[] {
  return own ? [...reports.filter(({ process }) => process !== own.process), own] : [...reports];
}

function heartbeatIn(state: ReadonlyMap<string, string>, connector: string): Heartbeat | null {
  const key = heartbeatKey(connector);
  return readHeartbeat(key, state.get(key) ?? null);
}

/** Those that are not over, and those that did not end well. */
function openLoads(state: ReadonlyMap<string, string>, { name, tables, mode }: NonNullable<StatusDeps['capture']>) {
  return readLoads(state, name, tables, mode)
    .filter((load) => !isOver(load) || load.state?.status === 'failed')
    .map(viewLoad);
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new CdcError('internal', `no answer within ${PATIENCE_MS / 1000} s`, { fix: 'Ask again.' })),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
