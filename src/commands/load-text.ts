import type { LoadView } from '../core/load-view';
import { alignColumns, duration, number } from './text';

/** One load on one line for a terminal of this width, with a bar. */
export function progressBar(load: LoadView, columns: number): string {
  const text = ` ${percent(load)}  ${describeLoad(load)}`;
  const width = Math.min(30, columns - load.table.length - text.length - 4);
  if (width < 8) return `${load.table}${text}`.slice(0, Math.max(0, columns - 1));
  const full = Math.floor(load.progress * width);
  const bar = full === width ? '='.repeat(width) : `${'='.repeat(full)}>`.padEnd(width);
  return `${load.table} [${bar}]${text}`;
}

/** The same without a bar: for logs and pipes. */
export const progressLine = (load: LoadView): string =>
  `${load.table}  ${load.status}  ${percent(load)}  ${describeLoad(load)}`;

/** The same for one of several, by its id. */
export const loadLine = (load: Omit<LoadView, 'where'>): string =>
  `${load.id}  ${load.status}  ${percent(load)}  ${describeLoad(load)}${load.error ? `  ${load.error.code}: ${load.error.reason}` : ''}`;

/** All loads as a table, with the condition and the trouble of each below it. */
export function loadTable(loads: readonly LoadView[]): string {
  if (loads.length === 0) return 'no snapshots\n';
  const rows = [
    ['id', 'table', 'kind', 'status', 'rows', '', 'requested'],
    ...loads.map((load) => [
      load.id,
      load.table,
      load.kind,
      load.status,
      percent(load),
      describeLoad(load),
      load.requestedBy === null ? '-' : `${load.requestedBy} ${load.requestedAt}`,
    ]),
  ];
  const lines = alignColumns(rows);
  return loads
    .flatMap((load, i) => [lines[i + 1]!, ...notes(load).map((note) => `    ${note}`)])
    .reduce((text, line) => `${text}${line}\n`, `${lines[0]}\n`);
}

function notes({ where, error }: LoadView): string[] {
  return [
    ...(where === null ? [] : [`where ${where.replace(/\s+/g, ' ')}`]),
    ...(error ? [`${error.code}  ${error.reason}`, `fix  ${error.fix}`] : []),
  ];
}

const percent = ({ progress }: Pick<LoadView, 'progress'>) => `${Math.floor(progress * 100)} %`.padStart(5);

function describeLoad({ rows, scanned, estimated, rowsPerSecond, secondsLeft }: Omit<LoadView, 'where'>): string {
  const parts = [estimated === null ? `${number(rows)} rows` : `${number(scanned)} of ${number(estimated)} rows`];
  if (scanned !== rows) parts.push(`${number(rows)} meet the condition`);
  if (rowsPerSecond) parts.push(`${number(rowsPerSecond)}/s`);
  if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`);
  return parts.join(', ');
}
