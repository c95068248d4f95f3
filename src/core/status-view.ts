import { formatLsn, parseLsn } from './lsn';
import type { CaptureReport, SinkReport, TaskReport } from './process-report';
import type {
  ConnectorFacts,
  ConnectorStatus,
  GroupPartition,
  PartitionStatus,
  SlotStatus,
  State,
  StatusFacts,
  StatusView,
  TaskStatus,
} from './status';
import { walBudgetSeconds } from './wal-budget';

/** Three reports that did not come. */
const SILENT_MS = 35_000;
/** A killed process is shown for this long. */
const SHOWN_MS = 600_000;
/** Heartbeats come every few seconds: what is older is behind. */
const FRESH_SECONDS = 20;
/** Records wait, and nothing was applied for this long. */
const STALL_SECONDS = 30;

/** The screen, from what was found. */
export function viewStatus(facts: StatusFacts): StatusView {
  const connectors = facts.connectors.map((connector) =>
    connector.kind === 'capture' ? viewCapture(connector, facts) : viewSink(connector, facts),
  );
  const worst = WORST.find((state) => connectors.some((connector) => connector.state === state));
  return {
    at: new Date(facts.nowMs).toISOString(),
    state: worst ?? 'running',
    connectors,
    slot: viewSlot(facts),
    snapshots: facts.loads.map(({ where: _personal, ...load }) => load),
    unknown: facts.unknown,
  };
}

const WORST: readonly State[] = ['stalled', 'stopped', 'behind'];

interface HeardTask<T extends TaskReport> {
  readonly status: TaskStatus;
  readonly task: T;
}

function tasksOf<T extends TaskReport>(name: string, { reports, nowMs }: StatusFacts): HeardTask<T>[] {
  return reports.flatMap(({ process, url, version, at, tasks }) => {
    const task = tasks.find(({ connector }) => connector === name) as T | undefined;
    const silentMs = nowMs - Date.parse(at);
    if (!task || silentMs > SHOWN_MS) return [];
    const state = silentMs > SILENT_MS ? 'silent' : stateOf(task);
    const heardSecondsAgo = Math.max(0, Math.round(silentMs / 1000));
    return [{ task, status: { process, url, version, state, heardSecondsAgo, reconnects: task.reconnects } }];
  });
}

function stateOf({ readiness }: TaskReport): TaskStatus['state'] {
  if (readiness.ready) return 'working';
  return readiness.code === STANDING_BY ? 'standing by' : 'not ready';
}

const STANDING_BY = 'CDC-211';

type Verdict = Pick<ConnectorStatus, 'state' | 'why' | 'code' | 'fix'>;

const RUNNING: Verdict = { state: 'running', why: null, code: null, fix: null };
const verdict = (state: State, why: string, fix: string | null = null, code: string | null = null): Verdict => ({
  state,
  why,
  code,
  fix,
});

/** What is wrong before anybody looks how far it is: nobody runs it, or whoever does says why it does not go on. */
function troubleOf(name: string, tasks: readonly HeardTask<TaskReport>[]): Verdict | null {
  const heard = tasks.filter(({ status }) => status.state !== 'silent');
  const [silent] = tasks;
  if (heard.length === 0)
    return verdict(
      'stopped',
      silent
        ? `${silent.status.process} was last heard of ${silent.status.heardSecondsAgo} s ago: killed, or without Kafka`
        : 'no process runs it',
      `ventia-cdc run ${name}`,
    );
  const troubled = heard.find(({ status }) => status.state === 'not ready');
  if (troubled && !troubled.task.readiness.ready) {
    const { code, reason, fix } = troubled.task.readiness;
    return verdict('stalled', reason, fix, code);
  }
  return null;
}

function viewCapture({ name, kind }: ConnectorFacts, facts: StatusFacts): ConnectorStatus {
  const { nowMs, source, heartbeat } = facts;
  const tasks = tasksOf<CaptureReport>(name, facts);
  const active = tasks.find(({ status }) => status.state === 'working') ?? null;
  const lsn = active?.task.lsn ?? null;
  // Both as capture saw them at one moment: the server's WAL has grown since.
  const lagBytes = lsn && Math.max(0, Number(parseLsn(lsn.server) - parseLsn(lsn.published)));
  const seconds = age(nowMs, heartbeat?.untilMs);
  const judge = (): Verdict => {
    const trouble = troubleOf(name, tasks);
    if (trouble) return trouble;
    if (!active) {
      const holder = source?.holder ?? 'a process that says nothing of itself';
      return verdict('stopped', `it stands by while the slot is held by ${holder}`);
    }
    if (seconds === null || seconds <= FRESH_SECONDS) return RUNNING;
    const bytes = lagBytes === null ? '' : `, ${lagBytes} bytes of WAL behind`;
    return verdict('behind', `what is in Kafka is ${Math.round(seconds)} s old${bytes}`);
  };
  const { freshUntil } = active?.task ?? {};
  return {
    ...summary(name, kind, tasks),
    ...judge(),
    freshness: {
      receive: age(nowMs, freshUntil?.receive),
      publish: seconds,
      confirm: age(nowMs, freshUntil?.confirm),
    },
    positions: lsn,
    lagBytes,
    partitions: [],
    lagRecords: null,
    deadLetters: sum(tasks, ({ deadLetters }) => deadLetters),
    parked: null,
    conflicts: {},
    unaccounted: sum(tasks, ({ unaccounted }) => unaccounted),
  };
}

function viewSink({ name, kind, partitions, backlog }: ConnectorFacts, facts: StatusFacts): ConnectorStatus {
  const { nowMs } = facts;
  const tasks = tasksOf<SinkReport>(name, facts);
  const heard = tasks.filter(({ status }) => status.state !== 'silent');
  const viewed = (partitions ?? []).map((partition) => viewPartition(partition, heard, nowMs));
  const lagRecords = partitions && viewed.reduce((all, partition) => all + partition.lagRecords, 0);
  const apply = heard.length === 0 ? null : oldest(heard.map(({ task }) => age(nowMs, task.freshUntil)));
  const judge = (): Verdict => {
    const trouble = troubleOf(name, tasks);
    if (trouble) return trouble;
    if (!lagRecords) return RUNNING;
    const idle = Math.min(...heard.map(({ task }) => age(nowMs, task.progressAt) ?? Number.POSITIVE_INFINITY));
    const orphan = viewed.find(({ lagRecords, process }) => lagRecords > 0 && process === null);
    const waiting = `${lagRecords} records wait`;
    if (idle > STALL_SECONDS) {
      const where = orphan ? `nobody reads ${orphan.topic}-${orphan.partition}` : 'nothing was applied lately';
      return verdict('stalled', `${waiting}, and ${where}`, `ventia-cdc run ${name}`);
    }
    return apply !== null && apply <= FRESH_SECONDS ? RUNNING : verdict('behind', `${waiting}, and are being applied`);
  };
  const known = backlog ?? heard.find(({ task }) => task.backlog)?.task.backlog ?? null;
  return {
    ...summary(name, kind, tasks),
    ...judge(),
    freshness: { apply },
    positions: null,
    lagBytes: null,
    partitions: viewed,
    lagRecords,
    deadLetters: known?.deadLetters ?? null,
    parked: known?.parked ?? null,
    conflicts: addUp(heard.map(({ task }) => task.conflicts)),
    unaccounted: 0,
  };
}

function summary(name: string, kind: ConnectorStatus['kind'], tasks: readonly HeardTask<TaskReport>[]) {
  const errors = tasks.flatMap(({ task }) => task.lastError ?? []);
  const warnings = tasks.flatMap(({ task }) => (task.readiness.ready ? (task.readiness.warnings ?? []) : []));
  const lastError = errors.reduce<TaskReport['lastError']>(
    (last, one) => (last && last.at > one.at ? last : one),
    null,
  );
  return { name, kind, tasks: tasks.map(({ status }) => status), warnings, lastError };
}

function viewPartition(
  { topic, partition, committed, end, lag }: GroupPartition,
  tasks: readonly HeardTask<SinkReport>[],
  nowMs: number,
): PartitionStatus {
  const key = `${topic}/${partition}`;
  const holder = tasks.find(({ task }) => task.partitions[key] !== undefined);
  return {
    topic,
    partition,
    committed: committed === null ? null : String(committed),
    end: String(end),
    lagRecords: Number(lag),
    lagSeconds: lag === 0n ? 0 : age(nowMs, holder?.task.partitions[key]),
    process: holder?.status.process ?? null,
  };
}

/** As the server was found; where it could not be asked, as capture says. */
function viewSlot({ source, slotName, connectors, reports, nowMs }: StatusFacts): SlotStatus | null {
  if (!slotName) return null;
  if (source) {
    const { slot, holder, walBytesPerSecond } = source;
    if (!slot) return null;
    return {
      name: slotName,
      holder,
      confirmedLsn: slot.confirmedLsn === null ? null : formatLsn(slot.confirmedLsn),
      walStatus: slot.walStatus,
      retainedBytes: asNumber(slot.retainedBytes),
      safeBytes: asNumber(slot.safeWalBytes),
      walBytesPerSecond,
      secondsLeft: walBudgetSeconds(slot.safeWalBytes, walBytesPerSecond),
    };
  }
  const name = connectors.find(({ kind }) => kind === 'capture')?.name ?? '';
  const told = reports
    .filter(({ at }) => nowMs - Date.parse(at) <= SILENT_MS)
    .flatMap(({ process, tasks }) => tasks.map((task) => ({ process, task })))
    .find(({ task }) => task.connector === name && task.readiness.ready);
  if (told?.task.kind !== 'capture' || !told.task.slot) return null;
  return { name: slotName, holder: told.process, confirmedLsn: told.task.lsn.confirmed, ...told.task.slot };
}

const asNumber = (bytes: bigint | null) => (bytes === null ? null : Number(bytes));

function age(nowMs: number, since: string | number | null | undefined): number | null {
  if (since == null) return null;
  const ms = typeof since === 'number' ? since : Date.parse(since);
  return Math.max(0, nowMs - ms) / 1000;
}

/** Null where one is not known: then the whole is not. */
const oldest = (ages: readonly (number | null)[]): number | null =>
  ages.reduce((worst, one) => (worst === null || one === null ? null : Math.max(worst, one)), 0);

const sum = <T extends TaskReport>(tasks: readonly HeardTask<T>[], read: (task: T) => number): number =>
  tasks.reduce((all, { task }) => all + read(task), 0);

function addUp(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const one of counts) for (const [reason, by] of Object.entries(one)) total[reason] = (total[reason] ?? 0) + by;
  return total;
}
