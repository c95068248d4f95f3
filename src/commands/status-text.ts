import { styleText } from 'node:util';
import type { ConnectorStatus, SlotStatus, State, StatusView, TaskStatus } from '../core/status';
import { loadLine } from './load-text';
import { alignColumns, bytes, duration, number } from './text';

type Paint = (format: 'bold' | 'dim' | 'red' | 'green' | 'yellow', text: string) => string;

const COLOURS: Readonly<Record<State, 'red' | 'green' | 'yellow'>> = {
  running: 'green',
  behind: 'yellow',
  stalled: 'red',
  stopped: 'red',
};

/** One screen. */
export function statusText(view: StatusView, colour: boolean): string {
  const paint: Paint = (format, text) => (colour ? styleText(format, text, { validateStream: false }) : text);
  const state = paint(COLOURS[view.state], view.state);
  const lines = [
    `${paint('bold', 'Ventia CDC')}  ${state}  ${paint('dim', view.at.replace('T', ' ').replace(/\..*/, ' UTC'))}`,
    '',
    ...view.connectors.flatMap((connector) => [...connectorLines(connector, view, paint), '']),
    ...slotLines(view.slot, paint),
    ...view.snapshots.map((load) => `${paint('bold', 'snapshot')}  ${loadLine(load)}`),
    ...view.unknown.flatMap(({ what, code, reason, fix }) => [
      `${paint('red', `not asked: ${what}`)}  ${code}  ${reason}`,
      `  fix  ${fix}`,
    ]),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function connectorLines(connector: ConnectorStatus, { at }: StatusView, paint: Paint): string[] {
  const { name, state, why, code, fix, warnings, tasks, lastError } = connector;
  return [
    `${paint('bold', name)}  ${paint(COLOURS[state], state)}${why === null ? '' : `: ${why}`}${code === null ? '' : ` (${code})`}`,
    ...(fix === null ? [] : [`  fix           ${fix}`]),
    ...warnings.flatMap(({ code, reason, fix }) => [
      `  ${paint('yellow', 'warning')}       ${reason} (${code})`,
      `  fix           ${fix}`,
    ]),
    `  processes     ${tasks.length === 0 ? 'none' : tasks.map(taskText).join(', ')}`,
    `  freshness     ${freshnessText(connector.freshness)}`,
    ...(connector.positions ? [`  positions     ${positionsText(connector)}`] : []),
    `  set aside     ${asideText(connector)}`,
    ...(connector.unaccounted === 0
      ? []
      : [`  ${paint('red', `changes that nobody accounts for: ${connector.unaccounted}`)}`]),
    ...(lastError ? [`  last error    ${ago(at, lastError.at)}: ${lastError.code}  ${lastError.reason}`] : []),
    ...(lastError ? [`                ${lastError.fix}`] : []),
    ...partitionLines(connector).map((line, i) => `  ${i === 0 ? paint('dim', line) : line}`),
  ];
}

const taskText = ({ process, state, heardSecondsAgo, url }: TaskStatus) =>
  state === 'silent' ? `${process} silent for ${duration(heardSecondsAgo)}` : `${process} ${state} (${url})`;

const freshnessText = (freshness: ConnectorStatus['freshness']) =>
  Object.entries(freshness)
    .map(([stage, seconds]) => `${stage} ${seconds === null ? 'not known' : duration(seconds)}`)
    .join(', ');

function positionsText({ positions, lagBytes }: ConnectorStatus): string {
  const { received, published, confirmed, server } = positions!;
  const behind = lagBytes === null ? '' : `, ${bytes(lagBytes)} behind`;
  return `received ${received}, published ${published}, confirmed ${confirmed} of ${server}${behind}`;
}

function asideText({ deadLetters, parked, conflicts }: ConnectorStatus): string {
  const reasons = Object.entries(conflicts).map(([reason, count]) => `${reason} ${number(count)}`);
  return [
    `dead letters ${deadLetters === null ? 'not known' : number(deadLetters)}`,
    ...(parked === null ? [] : [`parked ${number(parked)}`]),
    ...(reasons.length === 0 ? [] : [`conflicts: ${reasons.join(', ')}`]),
  ].join(', ');
}

function partitionLines({ partitions }: ConnectorStatus): string[] {
  if (partitions.length === 0) return [];
  return alignColumns([
    ['partition', 'committed', 'end', 'lag', 'age', 'process'],
    ...partitions.map(({ topic, partition, committed, end, lagRecords, lagSeconds, process }) => [
      `${topic}-${partition}`,
      committed ?? 'none',
      end,
      number(lagRecords),
      lagSeconds === null ? 'not known' : duration(lagSeconds),
      process ?? 'nobody',
    ]),
  ]);
}

function slotLines(slot: SlotStatus | null, paint: Paint): string[] {
  if (!slot) return [`${paint('bold', 'slot')}  not known`, ''];
  const { name, holder, walStatus, retainedBytes, safeBytes, walBytesPerSecond, secondsLeft } = slot;
  const parts = [
    `read by ${holder ?? 'nobody'}`,
    `wal_status ${walStatus ?? 'not known'}`,
    retainedBytes === null ? null : `keeps ${bytes(retainedBytes)}`,
    walBytesPerSecond === null ? null : `WAL grows by ${bytes(walBytesPerSecond)}/s`,
    safeBytes === null ? 'no limit of WAL' : `${bytes(safeBytes)} may still be written`,
    secondsLeft === null ? null : `enough for ${duration(secondsLeft)} without capture`,
  ];
  return [`${paint('bold', 'slot')} ${name}  ${parts.filter((part) => part !== null).join(', ')}`, ''];
}

const ago = (at: string, then: string) => `${duration((Date.parse(at) - Date.parse(then)) / 1000)} ago`;
