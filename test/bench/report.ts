import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withSection } from '../../src/dev/manual';
import { barChart, type Panel } from './chart';
import { CAPTURE, RECVLOGICAL } from './contenders';
import { CONNECT, DEBEZIUM_AVRO, DEBEZIUM_JSON } from './debezium';
import { goalsTable } from './goals';
import { ONE_ROW_TRANSACTIONS, ONE_TRANSACTION } from './parts/drain';
import { latencyAt } from './parts/latency';
import { SNAPSHOT } from './parts/snapshot';
import { figure, median, type PartResult, readResults } from './results';

/** Where the results that the pages tell are kept. */
export const RESULTS = 'docs/bench';

/** Page of docs and the section of it that is written from results. */
const SECTIONS = {
  'performance.md': [
    'goals',
    (results: readonly PartResult[]) => `${circumstances(results)}\n\n${goalsTable(results)}`,
  ],
  'scale.md': ['curve', scaleTable],
} as const;

export type Page = keyof typeof SECTIONS;
export const PAGES = Object.keys(SECTIONS) as Page[];

/** From what was measured: the chart, all figures, and the table of docs/performance.md. Parts that were not measured are left out. */
export function writeReport(folder: string): void {
  const results = readResults(folder);
  writeFileSync(join(folder, 'chart.svg'), barChart(panels(results)));
  writeFileSync(join(folder, 'README.md'), allFigures(results));
  if (folder !== RESULTS) return;
  for (const page of PAGES) {
    const path = join('docs', page);
    writeFileSync(path, filled(page, readFileSync(path, 'utf8'), results));
  }
}

/** The page with its section as the results tell it. */
export function filled(page: Page, text: string, results: readonly PartResult[]): string {
  const [section, content] = SECTIONS[page];
  return withSection(text, section, content(results));
}

/** Says where and when, and warns of figures of a machine that had other work. */
function circumstances(results: readonly PartResult[]): string {
  const [first] = results;
  if (!first) return 'Nothing was measured yet.';
  const { machine, versions } = first;
  const list = (of: Readonly<Record<string, string | number>>) =>
    Object.entries(of)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const busy = results
    .filter(({ loadBefore }) => loadBefore > 1)
    .map(({ part, loadBefore }) => `${part} ${loadBefore}`);
  const warning = busy.length > 0 ? ` **The machine had other work** (load before: ${busy.join(', ')}).` : '';
  return `Measured ${first.at.slice(0, 10)}, everything on one machine (${list(machine)}; ${list(versions)}): medians, smallest and largest in brackets.${warning}`;
}

function allFigures(results: readonly PartResult[]): string {
  const parts = results.map(({ part, command, seconds, loadBefore, versions, settings, series }) => {
    const rows = series.map(({ what, who, unit, values }) => {
      const [least, most] = [Math.min(...values), Math.max(...values)].map(figure);
      return `| ${what} | ${who} | ${figure(median(values))} | ${least} | ${most} | ${unit} | ${values.length} |`;
    });
    return `## ${part}

\`${command}\`: ${seconds} s, load before ${loadBefore}. ${JSON.stringify({ ...versions, ...settings })
      .replace(/["{}]/g, '')
      .replaceAll(',', ', ')}

| what | who | median | least | most | unit | rounds |
| --- | --- | ---: | ---: | ---: | --- | ---: |
${rows.join('\n')}
`;
  });
  return `# All figures\n\nWritten by \`npm run bench\`; the table of goals is in [performance.md](../performance.md).\n\n${parts.join('\n')}`;
}

/** Rate and CPU of capture as one dimension of the work grows. */
function scaleTable(results: readonly PartResult[]): string {
  const series = results.find(({ part }) => part === 'scale')?.series ?? [];
  const of = (what: string, unit: string) =>
    figure(median(series.find((one) => one.what === what && one.who === CAPTURE && one.unit === unit)?.values ?? []));
  const rows = [...new Set(series.map(({ what }) => what))].map(
    (what) => `| ${what} | ${of(what, 'rows/s')} | ${of(what, 'CPU s/M')} |`,
  );
  if (rows.length === 0) return 'Not measured yet.';
  return ['| work | rows/s | CPU of capture, s a million |', '| --- | ---: | ---: |', ...rows].join('\n');
}

function panels(results: readonly PartResult[]): Panel[] {
  const all = results.flatMap(({ series }) => series);
  const bar = (what: string, who: string, unit: string, label = who) => {
    const found = all.find((series) => series.what === what && series.who === who && series.unit === unit);
    const value = found && median(found.values);
    return value === undefined ? [] : [{ label, value, told: figure(value), ours: who === CAPTURE }];
  };
  const rates = [ONE_TRANSACTION, ONE_ROW_TRANSACTIONS, SNAPSHOT].map((what) => ({
    title: what,
    unit: 'rows/s',
    bars: [CAPTURE, RECVLOGICAL, DEBEZIUM_AVRO].flatMap((who) => bar(what, who, 'rows/s')),
  }));
  const delays = [1000, 4000].map((rate) => ({
    title: latencyAt(rate),
    unit: 'ms',
    bars: [CAPTURE, DEBEZIUM_JSON].flatMap((who) =>
      ['ms p50', 'ms p99'].flatMap((unit) => bar(latencyAt(rate), who, unit, `${who}, ${unit.slice(3)}`)),
    ),
  }));
  const cpu = {
    title: `CPU of the capturing process, ${ONE_TRANSACTION}`,
    unit: 's for a million rows',
    bars: [
      ...bar(ONE_TRANSACTION, CAPTURE, 'CPU s/M'),
      ...bar(ONE_TRANSACTION, `${DEBEZIUM_AVRO}: ${CONNECT}`, 'CPU s/M', DEBEZIUM_AVRO),
    ],
  };
  const memory = {
    title: 'Resident memory at its peak',
    unit: 'MB',
    bars: [CAPTURE, DEBEZIUM_AVRO].flatMap((who) => bar(ONE_TRANSACTION, who, 'peak MB')),
  };
  return [...rates, ...delays, cpu, memory].filter(({ bars }) => bars.length > 0);
}
