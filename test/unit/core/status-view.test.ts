import { statusText } from '../../../src/commands/status-text';
import type { LoadView } from '../../../src/core/load-view';
import type { CaptureReport, ProcessReport, SinkReport, TaskReport } from '../../../src/core/process-report';
import type { ConnectorFacts, ConnectorStatus, GroupPartition, StatusFacts } from '../../../src/core/status';
import { viewStatus } from '../../../src/core/status-view';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();
const SOURCE = 'ventia-source';
const SINK = 'contacts-sink';
const TOPIC = 'ventia.orders';

const lsn = { server: '0/3000', received: '0/3000', published: '0/2000', confirmed: '0/1000' };
const capture = (given: Partial<CaptureReport> = {}): CaptureReport => ({
  kind: 'capture',
  connector: SOURCE,
  readiness: { ready: true },
  lastError: null,
  reconnects: 0,
  progressAt: ago(1),
  epoch: '1',
  lsn,
  freshUntil: { receive: ago(1), publish: ago(2), confirm: ago(3) },
  slot: null,
  changes: 10,
  deadLetters: 0,
  unaccounted: 0,
  ...given,
});
const sink = (given: Partial<SinkReport> = {}): SinkReport => ({
  kind: 'sink',
  connector: SINK,
  readiness: { ready: true },
  lastError: null,
  reconnects: 0,
  progressAt: ago(1),
  freshUntil: ago(4),
  partitions: { [`${TOPIC}/0`]: ago(90) },
  applied: 5,
  conflicts: {},
  backlog: null,
  ...given,
});
const process = (name: string, task: TaskReport, at = ago(3)): ProcessReport => ({
  process: name,
  version: '1',
  url: 'http://127.0.0.1:8083',
  startedAt: ago(500),
  at,
  tasks: [task],
});
const partition = (lag: bigint): GroupPartition => ({ topic: TOPIC, partition: 0, committed: 5n, end: 5n + lag, lag });
const slot = {
  name: 'ventia_cdc',
  walStatus: 'reserved',
  retainedBytes: 100n,
  safeWalBytes: 3600n,
  sender: null,
  decoded: null,
};

const facts = (given: Partial<StatusFacts> = {}, lag = 0n): StatusFacts => ({
  nowMs: NOW,
  connectors: [
    { name: SOURCE, kind: 'capture', partitions: null, backlog: null },
    { name: SINK, kind: 'sink', partitions: [partition(lag)], backlog: null },
  ],
  reports: [process('a:1', capture()), process('b:1', sink())],
  heartbeat: { untilMs: NOW - 2000, ends: new Map() },
  source: { walBytesPerSecond: 1, slot: { ...slot, confirmedLsn: 0x1000n }, holder: 'process 7' },
  slotName: 'ventia_cdc',
  loads: [],
  unknown: [],
  ...given,
});
const connector = (name: string, given: StatusFacts): ConnectorStatus =>
  viewStatus(given).connectors.find((one) => one.name === name)!;
const withTasks = (...reports: ProcessReport[]) => facts({ reports });

test('all well: every figure in its place', () => {
  const view = viewStatus(facts());
  expect(view.state).toBe('running');
  expect(view.connectors[0]).toMatchObject({
    state: 'running',
    why: null,
    positions: lsn,
    lagBytes: 0x1000,
    freshness: { receive: 1, publish: 2, confirm: 3 },
    tasks: [{ process: 'a:1', state: 'working', heardSecondsAgo: 3 }],
  });
  expect(view.connectors[1]).toMatchObject({
    state: 'running',
    freshness: { apply: 4 },
    lagRecords: 0,
    partitions: [
      { topic: TOPIC, partition: 0, committed: '5', end: '5', lagRecords: 0, lagSeconds: 0, process: 'b:1' },
    ],
  });
  expect(view.slot).toMatchObject({ holder: 'process 7', confirmedLsn: '0/1000', safeBytes: 3600, secondsLeft: 3600 });
});

describe('capture', () => {
  test('behind: what is in Kafka is old, and capture moves', () => {
    const view = connector(SOURCE, facts({ heartbeat: { untilMs: NOW - 60_000, ends: new Map() } }));
    expect(view).toMatchObject({ state: 'behind', why: 'what is in Kafka is 60 s old, 4096 bytes of WAL behind' });
  });

  test('stalled: it says itself why', () => {
    const readiness = { ready: false, code: 'CDC-902', reason: 'nothing moves', fix: 'look' } as const;
    const view = connector(SOURCE, withTasks(process('a:1', capture({ readiness }))));
    expect(view).toMatchObject({ state: 'stalled', why: 'nothing moves', code: 'CDC-902', fix: 'look' });
  });

  test('stopped: nobody runs it, it was killed, or somebody unknown holds the slot', () => {
    expect(connector(SOURCE, withTasks())).toMatchObject({ state: 'stopped', why: 'no process runs it' });
    const killed = connector(SOURCE, withTasks(process('a:1', capture(), ago(60))));
    expect(killed).toMatchObject({ state: 'stopped', fix: `ventia-cdc run ${SOURCE}`, tasks: [{ state: 'silent' }] });
    expect(killed.why).toContain('a:1 was last heard of 60 s ago');
    const readiness = { ready: false, code: 'CDC-211', reason: 'held', fix: 'wait' } as const;
    const waiting = connector(SOURCE, withTasks(process('a:1', capture({ readiness }))));
    expect(waiting).toMatchObject({ state: 'stopped', why: 'it stands by while the slot is held by process 7' });
  });

  test('one works, the other stands by', () => {
    const readiness = { ready: false, code: 'CDC-211', reason: 'held', fix: 'wait' } as const;
    const view = connector(SOURCE, withTasks(process('b:2', capture({ readiness })), process('a:1', capture())));
    expect(view.state).toBe('running');
    expect(view.tasks.map(({ state }) => state)).toEqual(['standing by', 'working']);
  });

  test('one that was killed long ago is not shown', () => {
    expect(connector(SOURCE, withTasks(process('a:1', capture(), ago(3600)))).tasks).toEqual([]);
  });

  test('where the source cannot be asked, capture tells of the slot', () => {
    const told = { walStatus: 'extended', retainedBytes: 7, safeBytes: 8, walBytesPerSecond: 2, secondsLeft: 4 };
    const view = viewStatus(facts({ source: null, reports: [process('a:1', capture({ slot: told }))] }));
    expect(view.slot).toEqual({ name: 'ventia_cdc', holder: 'a:1', confirmedLsn: '0/1000', ...told });
  });
});

describe('a sink', () => {
  test('a few records that wait are no news while Messaging is fresh', () => {
    expect(connector(SINK, facts({}, 3n))).toMatchObject({ state: 'running', lagRecords: 3 });
  });

  test('behind: records wait, and it moves; how old the partition is', () => {
    const reports = [process('b:1', sink({ freshUntil: ago(90) }))];
    const view = connector(SINK, facts({ reports }, 700n));
    expect(view).toMatchObject({ state: 'behind', why: '700 records wait, and are being applied' });
    expect(view.partitions[0]).toMatchObject({ lagRecords: 700, lagSeconds: 90 });
  });

  test('stalled: records wait, and nothing was applied', () => {
    const reports = [process('b:1', sink({ freshUntil: ago(90), progressAt: ago(90) }))];
    expect(connector(SINK, facts({ reports }, 7n))).toMatchObject({
      state: 'stalled',
      why: '7 records wait, and nothing was applied lately',
    });
    const orphan = [process('b:1', sink({ partitions: {}, progressAt: null }))];
    expect(connector(SINK, facts({ reports: orphan }, 7n)).why).toBe(`7 records wait, and nobody reads ${TOPIC}-0`);
  });

  test('freshness is that of the process that is furthest behind, and not known where one does not know', () => {
    const two = (freshUntil: string | null) => withTasks(process('b:1', sink()), process('b:2', sink({ freshUntil })));
    expect(connector(SINK, two(ago(50))).freshness).toEqual({ apply: 50 });
    expect(connector(SINK, two(null)).freshness).toEqual({ apply: null });
  });

  test('what it set aside: by the ledger, else as the process was told; conflicts added up', () => {
    const told = { deadLetters: 2, deadLettersSinceMs: 1, parked: 3, parkedSinceMs: 1 };
    const reports = [
      process('b:1', sink({ backlog: told, conflicts: { a: 1 } })),
      process('b:2', sink({ conflicts: { a: 2, b: 1 } })),
    ];
    expect(connector(SINK, facts({ reports }))).toMatchObject({ deadLetters: 2, parked: 3, conflicts: { a: 3, b: 1 } });
    const asked: ConnectorFacts = { name: SINK, kind: 'sink', partitions: [], backlog: { ...told, parked: 0 } };
    expect(connector(SINK, facts({ reports, connectors: [asked] }))).toMatchObject({ parked: 0 });
  });

  test('the last error of all its processes, with what to do', () => {
    const error = (at: string) => ({ code: 'CDC-500', reason: at, fix: 'wait', at }) as const;
    const reports = [
      process('b:1', sink({ lastError: error(ago(9)) })),
      process('b:2', sink({ lastError: error(ago(5)) })),
    ];
    expect(connector(SINK, facts({ reports })).lastError).toMatchObject({ reason: ago(5) });
  });
});

test('the whole is as the worst: stalled, then stopped, then behind', () => {
  const behind = facts({ heartbeat: { untilMs: NOW - 60_000, ends: new Map() } });
  expect(viewStatus(behind).state).toBe('behind');
  expect(viewStatus({ ...behind, reports: behind.reports.slice(0, 1) }).state).toBe('stopped');
});

test("the screen says it all, without colour in a pipe, and never a snapshot's condition", () => {
  const load = { id: 'orders-1', table: 'ventia.orders', where: "customer_email = 'ana@correo.pe'", status: 'running' };
  const figures = { rows: 5, scanned: 5, estimated: 10, chunks: 1, progress: 0.5, rowsPerSecond: 5, secondsLeft: 1 };
  const loads = [{ ...load, ...figures, error: null } as unknown as LoadView];
  const unknown = [{ what: 'the registry', code: 'CDC-400', reason: 'away', fix: 'start it' } as const];
  const error = { code: 'CDC-305', reason: 'not acknowledged', fix: 'Nothing to do.', at: ago(120) } as const;
  const reports = [process('a:1', capture({ lastError: error })), process('b:1', sink())];
  const view = viewStatus(facts({ loads, unknown, reports }, 700n));
  const text = statusText(view, false);
  for (const part of [
    'Ventia CDC  running  2026-03-01 12:00:00 UTC',
    'positions     received 0/3000, published 0/2000, confirmed 0/1000 of 0/3000, 4.1 kB behind',
    'freshness     receive 1 s, publish 2 s, confirm 3 s',
    'last error    2 min ago: CDC-305  not acknowledged',
    'partition        committed  end  lag  age    process',
    'ventia.orders-0  5          705  700  2 min  b:1',
    '3.6 kB may still be written, enough for 1 h 0 min without capture',
    'snapshot  orders-1  running   50 %',
    'not asked: the registry  CDC-400  away',
  ])
    expect(text).toContain(part);
  expect(`${text}${JSON.stringify(view)}`).not.toContain('ana@correo.pe');
  expect(text).not.toContain('\x1b');
  expect(statusText(view, true)).toContain('\x1b[32mrunning');
});
