import { CAPTURE, RECVLOGICAL } from './contenders';
import { CONNECT, DEBEZIUM_AVRO, DEBEZIUM_JSON } from './debezium';
import { ONE_ROW_TRANSACTIONS, ONE_TRANSACTION } from './parts/drain';
import { VISIBLE, WHOLE_PATH, WHO as WHOLE_SERVICE } from './parts/e2e';
import { IDLE, SERVICE, SINKS } from './parts/idle';
import { latencyAt } from './parts/latency';
import { sinkOf } from './parts/sink';
import { SNAPSHOT } from './parts/snapshot';
import { START } from './parts/start';
import { figure, median, type PartResult, type Series } from './results';

/** One line of the table. `than`: the measured value divided by that contender's, same figure and unit. */
interface Goal {
  readonly title: string;
  readonly what: string;
  readonly who: string;
  readonly unit: string;
  readonly atLeast?: number;
  readonly below?: number;
  readonly than?: string;
  /** Whose value stands in the last column. */
  readonly peer?: string;
}

const RATE = 'rows/s';
const SINK_PROFILE = 'profile seed';

function drains(what: string, rate: number, times: number): Goal[] {
  const ours = { what, who: CAPTURE, unit: RATE };
  return [
    { ...ours, title: what, atLeast: rate, peer: DEBEZIUM_AVRO },
    { ...ours, title: 'against pg_recvlogical', atLeast: times, than: RECVLOGICAL },
    { ...ours, title: 'against Debezium with Avro, warm', atLeast: 5, than: DEBEZIUM_AVRO },
  ];
}

function latencies(rate: number, p50: number, p99: number): Goal[] {
  const ours = { what: latencyAt(rate), who: CAPTURE, peer: DEBEZIUM_JSON };
  return [
    {
      ...ours,
      title: `commit to record in Kafka, ${rate.toLocaleString('en')} transactions/s, p50`,
      unit: 'ms p50',
      below: p50,
    },
    { ...ours, title: 'p99', unit: 'ms p99', below: p99 },
  ];
}

export const GOALS: readonly Goal[] = [
  ...drains(ONE_TRANSACTION, 140_000, 1.6),
  ...drains(ONE_ROW_TRANSACTIONS, 90_000, 2),
  { title: 'snapshot', what: SNAPSHOT, who: CAPTURE, unit: RATE, atLeast: 140_000, peer: DEBEZIUM_AVRO },
  {
    title: 'against Debezium with Avro, warm',
    what: SNAPSHOT,
    who: CAPTURE,
    unit: RATE,
    atLeast: 5,
    than: DEBEZIUM_AVRO,
  },
  ...latencies(1000, 2, 8),
  ...latencies(4000, 3, 12),
  { title: 'commit to contact, 500 transactions/s, p50', what: VISIBLE, who: WHOLE_SERVICE, unit: 'ms p50', below: 12 },
  { title: 'p99', what: VISIBLE, who: WHOLE_SERVICE, unit: 'ms p99', below: 50 },
  {
    title: 'contacts sink, new contacts',
    what: sinkOf('new contacts'),
    who: SINK_PROFILE,
    unit: RATE,
    atLeast: 30_000,
  },
  {
    title: 'contacts sink, known contacts',
    what: sinkOf('new orders of known contacts'),
    who: SINK_PROFILE,
    unit: RATE,
    atLeast: 40_000,
  },
  { title: 'whole path', what: WHOLE_PATH, who: WHOLE_SERVICE, unit: RATE, atLeast: 25_000 },
  {
    title: 'memory of capture, draining',
    what: ONE_TRANSACTION,
    who: CAPTURE,
    unit: 'peak MB',
    below: 150,
    peer: DEBEZIUM_AVRO,
  },
  {
    title: 'memory of capture, idle',
    what: IDLE,
    who: CAPTURE,
    unit: 'MB',
    below: 100,
    peer: `${DEBEZIUM_AVRO}: ${CONNECT}`,
  },
  { title: 'memory of the sinks, idle', what: IDLE, who: SINKS, unit: 'MB', below: 100 },
  {
    title: 'CPU of the whole service, idle',
    what: IDLE,
    who: SERVICE,
    unit: '% of a core',
    below: 0.5,
    peer: `${DEBEZIUM_AVRO}: ${CONNECT}`,
  },
  {
    title: 'CPU of capture for a million changes',
    what: ONE_TRANSACTION,
    who: CAPTURE,
    unit: 'CPU s/M',
    below: 6,
    peer: `${DEBEZIUM_AVRO}: ${CONNECT}`,
  },
  { title: 'start to the first record', what: START, who: CAPTURE, unit: 'ms', below: 1000 },
];

/** The table of docs/performance.md. What was not measured says so. */
export function goalsTable(results: readonly PartResult[]): string {
  const all = results.flatMap(({ series }) => series);
  const lines = GOALS.map((goal) => {
    const ours = find(all, goal, goal.who);
    const theirs = goal.peer === undefined ? undefined : find(all, goal, goal.peer);
    const than = goal.than === undefined ? undefined : find(all, goal, goal.than);
    const measured = measuredOf(goal, ours, than);
    const cells = [
      goal.title,
      wanted(goal),
      told(goal, measured, ours),
      verdict(goal, measured),
      told(goal, theirs && median(theirs.values), theirs),
    ];
    if (goal.peer === undefined) cells[4] = '';
    return `| ${cells.join(' | ')} |`;
  });
  return ['| figure | goal | measured | met | Debezium |', '| --- | --- | --- | --- | --- |', ...lines].join('\n');
}

const find = (all: readonly Series[], { what, unit }: Goal, who: string): Series | undefined =>
  all.find((series) => series.what === what && series.who === who && series.unit === unit);

function measuredOf({ than: other }: Goal, ours: Series | undefined, than: Series | undefined): number | undefined {
  if (!ours || (other !== undefined && !than)) return undefined;
  return than ? median(ours.values) / median(than.values) : median(ours.values);
}

function wanted({ atLeast, below, than, unit }: Goal): string {
  const unitOf = than === undefined ? short(unit) : 'x';
  return atLeast === undefined ? `< ${figure(below!)} ${unitOf}` : `>= ${figure(atLeast)} ${unitOf}`;
}

function told({ than }: Goal, value: number | undefined, series: Series | undefined): string {
  if (value === undefined || !series) return 'not measured';
  if (than !== undefined) return `${value.toFixed(2)} x`;
  const { values, unit } = series;
  const range = values.length > 1 ? ` (${figure(Math.min(...values))} - ${figure(Math.max(...values))})` : '';
  return `${figure(value)} ${short(unit)}${range}`;
}

function verdict({ atLeast, below }: Goal, value: number | undefined): string {
  if (value === undefined) return '';
  return value >= (atLeast ?? 0) && value < (below ?? Number.POSITIVE_INFINITY) ? 'yes' : '**no**';
}

/** The title says which percentile, or that it is a peak. */
const short = (unit: string): string =>
  unit
    .replace(/^ms p\d+$/, 'ms')
    .replace('peak ', '')
    .replace('CPU s/M', 's');
