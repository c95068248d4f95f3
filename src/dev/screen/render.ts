import { plain, type Span, styled, toLine, wrapCommand } from './line';
import type { ChangeView, DevView, StageView } from './view';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

/** Changes shown where there is room. */
const MAX_CHANGES = 8;
const LABEL_WIDTH = 10;

type Line = readonly Span[];
const EMPTY: Line = [];

/**
 * The screen as lines, none longer than `columns`, not more than `rows`. Where there is little room first the oldest changes
 * go, then the commands, then whatever stands lowest.
 */
export function renderScreen(view: DevView, { columns, rows, colour }: ScreenSize): string[] {
  const top = [header(view, columns), ...trouble(view), EMPTY, ...stages(view.stages), EMPTY];
  const totals = [renderTotals(view), EMPTY];
  const hints = view.hints.flatMap((hint) => renderHint(hint, columns));
  const changesTitle: Line = [styled('bold', ' Last changes'), styled('dim', ' (UTC)')];

  const room = rows - top.length - totals.length - hints.length - 2;
  const shown = view.changes.slice(0, Math.min(MAX_CHANGES, Math.max(1, room)));
  const changes = shown.length === 0 ? [[styled('dim', '  none yet')]] : shown.map((change) => renderChange(change));
  const lines = [...top, changesTitle, ...changes, EMPTY, ...totals, ...hints];
  return lines.slice(0, rows).map((line) => toLine(line, columns, colour));
}

/** The same in one line, for a pipe or a file. */
export function renderPlainLine(view: DevView): string {
  const stages = view.stages.map(({ name, perSecond, behind, p50Ms, p99Ms }) => {
    const latency = p50Ms === null || p99Ms === null ? '' : `, p50 ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)}`;
    return `${name} ${rate(perSecond)}${behind === null ? '' : `, ${behind} behind`}${latency}`;
  });
  const { readiness } = view;
  const state = readiness.ready ? 'ready' : `not ready (${readiness.code} ${readiness.reason}; ${readiness.fix})`;
  return [state, ...stages].join(' | ');
}

function header({ profile, upSeconds, readiness }: DevView, columns: number): Line {
  const left = ' ventia-cdc dev';
  const about = `   profile ${profile}   up ${duration(upSeconds)}`;
  const state = readiness.ready ? '● ready ' : '○ not ready ';
  const gap = ' '.repeat(Math.max(3, columns - left.length - about.length - state.length));
  return [
    styled('bold', left),
    styled('dim', about),
    plain(gap),
    styled(readiness.ready ? 'green' : ['red', 'bold'], state),
  ];
}

function trouble({ readiness }: DevView): Line[] {
  if (readiness.ready) return [];
  return [
    [styled('red', ` ${readiness.code}`), plain(` ${readiness.reason}`)],
    [styled('green', ' fix'), plain(`     ${readiness.fix}`)],
  ];
}

function stages(all: readonly StageView[]): Line[] {
  const name = Math.max(...all.map((stage) => stage.name.length), 8) + 2;
  const row = (first: string, cells: readonly string[]) =>
    [first.padEnd(name), cells[0]!.padStart(9), cells[1]!.padStart(10), cells[2]!.padStart(14)].join('') +
    [cells[3]!.padStart(9), cells[4]!.padStart(9), `   ${cells[5]}`].join('');
  return [
    [styled('dim', ` ${row('', ['now', 'total', 'behind', 'p50', 'p99', 'commit to'])}`)],
    ...all.map((stage) => [
      plain(
        ` ${row(stage.name, [
          rate(stage.perSecond),
          stage.total.toLocaleString('en-US'),
          stage.behind ?? '',
          stage.p50Ms === null ? '' : milliseconds(stage.p50Ms),
          stage.p99Ms === null ? '' : milliseconds(stage.p99Ms),
          stage.until,
        ])}`.trimEnd(),
      ),
    ]),
  ];
}

function renderChange({ atMs, table, op, id, became }: ChangeView): Line {
  const time = new Date(atMs).toISOString().slice(11, 23);
  return [
    styled('dim', ` ${time}  `),
    plain(`${table.padEnd(8)} ${op.padEnd(8)} ${(id.length > 13 ? `${id.slice(0, 12)}…` : id).padEnd(14)} `),
    plain(became),
  ];
}

function renderTotals({ totals }: DevView): Line {
  const text = totals.map(({ label, count }) => `${count.toLocaleString('en-US')} ${label}`).join(' · ');
  return [styled('bold', ' Totals'.padEnd(LABEL_WIDTH)), plain(text)];
}

function renderHint({ label, command }: DevView['hints'][number], columns: number): Line[] {
  return wrapCommand(command, columns - LABEL_WIDTH).map((part, i) => [
    styled('dim', (i === 0 ? ` ${label}` : '').padEnd(LABEL_WIDTH)),
    styled('cyan', part),
  ]);
}

function rate(perSecond: number): string {
  return `${perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en-US')}/s`;
}

function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

function duration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}
