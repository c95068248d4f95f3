import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alerts, CONFIG_FILE, RULES_FILE } from '../../support/monitoring';
import { describeWithTool } from '../../support/tools';

/** Series -> values, one every 30 s, in promtool's notation. */
type Series = Readonly<Record<string, string>>;

const on = (name: string, connector: string, more = '', instance = 'a:1') =>
  `${name}{job="ventia-cdc",instance="${instance}",connector="${connector}"${more}}`;
const CAPTURE = (name: string, more = '', instance = 'a:1') =>
  on(`ventia_cdc_${name}`, 'ventia-source', more, instance);
const SINK = (name: string, more = '', instance = 'b:1') => on(`ventia_cdc_${name}`, 'contacts-sink', more, instance);
const PROCESS = (name: string) => `${name}{job="ventia-cdc",instance="a:1"}`;

/** A capture, one that stands by, and a sink; all well for an hour. */
const WELL: Series = {
  [CAPTURE('slot_active')]: '1x120',
  [CAPTURE('ready')]: '1x120',
  [CAPTURE('ready', '', 'c:1')]: '0x120',
  [CAPTURE('epoch')]: '1x120',
  [CAPTURE('epoch', '', 'c:1')]: '0x120',
  [CAPTURE('last_progress_timestamp_seconds')]: '0+30x120',
  [CAPTURE('last_progress_timestamp_seconds', '', 'c:1')]: '0x120',
  [CAPTURE('lag_bytes', ',stage="published"')]: '500x120',
  [CAPTURE('freshness_seconds', ',stage="publish"')]: '5x120',
  [CAPTURE('freshness_seconds', ',stage="confirm"')]: '65x120',
  [CAPTURE('slot_wal_status', ',status="reserved"')]: '1x120',
  [CAPTURE('slot_wal_status', ',status="lost"')]: '0x120',
  [CAPTURE('slot_wal_budget_seconds')]: '90000x120',
  [CAPTURE('slot_retained_bytes')]: '10x120',
  [CAPTURE('slot_safe_bytes')]: '1000x120',
  [CAPTURE('standby_lag_bytes', ',standby="replica"')]: '1e8x120',
  [CAPTURE('dead_letters_total')]: '3x120',
  [CAPTURE('conservation_difference', ',table="orders"')]: '0x120',
  [SINK('ready')]: '1x120',
  [SINK('events_applied_total')]: '0+10x120',
  [SINK('last_progress_timestamp_seconds')]: '0x120',
  [SINK('lag_records', ',topic="ventia.orders",partition="0"')]: '0x120',
  [SINK('freshness_seconds', ',stage="apply"')]: '8x120',
  [SINK('dead_letters_open')]: '0x120',
  [SINK('parked_oldest_seconds')]: '3000x120',
  [PROCESS('process_start_time_seconds')]: '7x120',
  [PROCESS('ventia_cdc_build_info')]: '1x120',
};

interface Case {
  readonly title: string;
  /** Over WELL; from the beginning. */
  readonly but: Series;
  /** Seconds until it is told, and what is then, exactly; before it nothing is, `quiet` seconds after the start. */
  readonly at: number;
  readonly tells: readonly string[];
  readonly quiet?: number;
}

const LAG = SINK('lag_records', ',topic="ventia.orders",partition="0"');

const CASES: readonly Case[] = [
  { title: 'all well', but: {}, at: 3600, tells: [] },
  {
    title: 'nobody reads the slot',
    but: { [CAPTURE('slot_active')]: '_x120' },
    quiet: 30,
    at: 120,
    tells: ['NoCapture'],
  },
  {
    title: 'no sink runs',
    but: { [SINK('events_applied_total')]: '_x120', [SINK('ready')]: '_x120' },
    quiet: 30,
    at: 120,
    tells: ['NoSink'],
  },
  { title: 'capture is halted', but: { [CAPTURE('ready')]: '0x120' }, quiet: 90, at: 180, tells: ['NotReady'] },
  {
    title: 'one of two sinks is halted',
    but: { [SINK('ready', '', 'd:1')]: '0x120', [SINK('events_applied_total', '', 'd:1')]: '0x120' },
    quiet: 90,
    at: 180,
    tells: ['NotReady'],
  },
  {
    title: 'records wait, and the sink stands',
    but: { [LAG]: '7x120' },
    quiet: 60,
    at: 180,
    tells: ['ProgressStopped'],
  },
  {
    title: 'records wait, and the sink moves',
    but: { [LAG]: '7x120', [SINK('last_progress_timestamp_seconds')]: '0+30x120' },
    at: 600,
    tells: [],
  },
  {
    title: 'WAL waits, and capture stands',
    but: { [CAPTURE('last_progress_timestamp_seconds')]: '0x120' },
    quiet: 60,
    at: 180,
    tells: ['ProgressStopped'],
  },
  {
    title: 'Messaging is stale',
    but: { [SINK('freshness_seconds', ',stage="apply"')]: '31x120' },
    quiet: 30,
    at: 120,
    tells: ['Freshness'],
  },
  {
    title: 'Kafka is stale',
    but: { [CAPTURE('freshness_seconds', ',stage="publish"')]: '31x120' },
    quiet: 30,
    at: 120,
    tells: ['Freshness'],
  },
  {
    title: 'the slot is unreserved',
    but: { [CAPTURE('slot_wal_status', ',status="unreserved"')]: '1x120' },
    at: 60,
    tells: ['SlotAtRisk'],
  },
  {
    title: 'more than half of the WAL is spent, less than an hour left',
    but: { [CAPTURE('slot_wal_budget_seconds')]: '3000x120', [CAPTURE('slot_retained_bytes')]: '2000x120' },
    at: 60,
    tells: ['SlotAtRisk'],
  },
  {
    title: "less than a day's WAL",
    but: { [CAPTURE('slot_wal_budget_seconds')]: '86000x120' },
    quiet: 1700,
    at: 1900,
    tells: ['SlotWalBudget'],
  },
  {
    title: 'a stand-by is far behind',
    but: { [CAPTURE('standby_lag_bytes', ',standby="replica"')]: '2e9x120' },
    quiet: 240,
    at: 360,
    tells: ['StandbyLag'],
  },
  {
    title: 'a change of the sink is set aside',
    but: { [SINK('dead_letters_open')]: '0x20 1x100' },
    quiet: 300,
    at: 690,
    tells: ['DeadLetters'],
  },
  {
    title: 'capture set a change aside',
    but: { [CAPTURE('dead_letters_total')]: '0x20 1x100' },
    quiet: 300,
    at: 690,
    tells: ['DeadLetters'],
  },
  {
    title: 'a change is lost',
    but: { [CAPTURE('conservation_difference', ',table="orders"')]: '-1x120' },
    quiet: 30,
    at: 120,
    tells: ['Conservation'],
  },
  {
    title: 'an order waits for too long',
    but: { [SINK('parked_oldest_seconds')]: '3700x120' },
    at: 60,
    tells: ['ParkedTooOld'],
  },
  {
    title: 'a process starts again and again',
    but: { [PROCESS('process_start_time_seconds')]: '7 7 8 8 9 9 10 10 11x100' },
    quiet: 60,
    at: 270,
    tells: ['RestartLoop'],
  },
  {
    title: 'a connector begins again and again',
    but: { [SINK('ready')]: '1 0 1 0 1 0 1 0 1x110' },
    at: 900,
    tells: ['RestartLoop'],
  },
];

const EXPR = 'count by (alertname) (ALERTS{alertstate="firing"})';

const samples = (names: readonly string[]) =>
  names.map((name) => ({ labels: `{alertname="VentiaCdc${name}"}`, value: 1 }));

describeWithTool('promtool', 'alerts', (promtool) => {
  const folder = mkdtempSync(join(tmpdir(), 'ventia-alerts-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...args: string[]) => execFileSync(promtool, args, { encoding: 'utf8', stdio: 'pipe' });

  test('rules and configuration are valid', () => {
    expect(run('check', 'rules', RULES_FILE)).toContain(`${alerts().length} rules found`);
    expect(run('check', 'config', CONFIG_FILE)).toContain('SUCCESS');
  });

  // JSON is YAML.
  test.each(CASES)('$title', ({ but, at, tells, quiet }) => {
    const input = Object.entries({ ...WELL, ...but }).map(([series, values]) => ({ series, values }));
    const told = (seconds: number, names: readonly string[]) => ({
      expr: EXPR,
      eval_time: `${seconds}s`,
      exp_samples: samples(names),
    });
    const checks = [...(quiet === undefined ? [] : [told(quiet, [])]), told(at, tells)];
    const file = join(folder, 'case.json');
    const tests = [{ interval: '30s', input_series: input, promql_expr_test: checks }];
    writeFileSync(file, JSON.stringify({ rule_files: [RULES_FILE], evaluation_interval: '30s', tests }));
    run('test', 'rules', file);
  });

  test('every alert has a case in which it alone is told', () => {
    const told = CASES.filter(({ tells }) => tells.length === 1).map(({ tells }) => `VentiaCdc${tells[0]}`);
    expect([...new Set(told)].sort()).toEqual(
      alerts()
        .map(({ name }) => name)
        .sort(),
    );
  });
});
