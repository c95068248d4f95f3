import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { barChart } from '../../bench/chart';
import { goalsTable } from '../../bench/goals';
import { recordSinkLine } from '../../bench/parts/sink';
import { filled, PAGES, RESULTS } from '../../bench/report';
import { median, type PartResult, percentile, Recorder, readResults, type Series } from '../../bench/results';

it.each(PAGES)('docs/%s tells what docs/bench holds', (page) => {
  const text = readFileSync(join('docs', page), 'utf8');
  expect(filled(page, text, readResults(RESULTS))).toBe(text);
});

const result = (...series: Series[]): PartResult => ({
  part: 'drain',
  at: '2026-01-02T03:04:05.000Z',
  command: 'npm run bench',
  machine: { cores: 2 },
  versions: {},
  settings: {},
  loadBefore: 0,
  seconds: 1,
  series,
});

describe('the table of goals', () => {
  const drain = (who: string, ...values: number[]): Series => ({
    what: 'drain, one transaction',
    who,
    unit: 'rows/s',
    values,
  });
  const lines = (...series: Series[]) =>
    goalsTable([result(...series)])
      .split('\n')
      .slice(2);

  it('compares medians with the goal, and with others of the same run', () => {
    const [rate, recvlogical, debezium] = lines(
      drain('capture', 150_000, 160_000, 10_000),
      drain('pg_recvlogical', 100_000),
      drain('Debezium, Avro', 25_000, 30_000, 20_000),
    );
    expect(rate).toBe(
      '| drain, one transaction | >= 140,000 rows/s | 150,000 rows/s (10,000 - 160,000) | yes | 25,000 rows/s (20,000 - 30,000) |',
    );
    expect(recvlogical).toBe('| against pg_recvlogical | >= 1.6 x | 1.50 x | **no** |  |');
    expect(debezium).toBe('| against Debezium with Avro, warm | >= 5 x | 6.00 x | yes |  |');
  });

  it('says of what was not measured that it was not', () => {
    const [rate, recvlogical] = lines(drain('capture', 139_999));
    expect(rate).toBe('| drain, one transaction | >= 140,000 rows/s | 139,999 rows/s | **no** | not measured |');
    expect(recvlogical).toBe('| against pg_recvlogical | >= 1.6 x | not measured |  |  |');
  });
});

it('medians and percentiles are values that were measured', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(3);
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  expect([50, 99, 100].map((p) => percentile(hundred, p))).toEqual([50, 99, 100]);
});

it('a line of the sinks’ bench becomes its figures', () => {
  const results = new Recorder();
  const line =
    'seed new contacts                           5123 orders/s   CPU of an order: own  101 us, PostgreSQL  202 us';
  expect(recordSinkLine(results, line)).toBe(true);
  expect(recordSinkLine(results, 'seed one at a time: p50 3.1 ms, p99 9.0 ms')).toBe(true);
  expect(recordSinkLine(results, 'PASS bench test/bench/sink.bench.ts')).toBe(false);
  const what = 'contacts sink, new contacts';
  expect(results.series.slice(0, 3)).toEqual([
    { what, who: 'profile seed', unit: 'rows/s', values: [5123] },
    { what, who: 'profile seed', unit: 'CPU s/M', values: [101] },
    { what, who: 'profile seed: PostgreSQL', unit: 'CPU s/M', values: [202] },
  ]);
});

it('bars are as long as their values are large', () => {
  const bar = (label: string, value: number) => ({ label, value, told: String(value), ours: false });
  const svg = barChart([{ title: 'a & b', unit: '/s', bars: [bar('x<y', 100), bar('z', 25)] }]);
  const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
  expect(widths[1]! / widths[0]!).toBeCloseTo(0.25, 2);
  expect(svg).toContain('a &amp; b');
  expect(svg).toContain('x&lt;y');
});
