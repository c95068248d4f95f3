import type { ChaosResult } from './chaos';
import { summarize } from './recovery';

/** The whole run as one table. */
export function renderReport(seed: number, seconds: number, result: ChaosResult): string {
  const { verdict, totals, faults, kills, conservation, settledMs } = result;
  const lines = [`chaos  seed ${seed}, ${seconds} s, ${kills} kills`, ''];

  lines.push(row('fault', 'times', 'back in: p50', 'max', 'measured'));
  for (const { kind, times, recoveredMs } of summarize(faults)) {
    const p50 = recoveredMs[Math.floor((recoveredMs.length - 1) / 2)];
    lines.push(row(kind, String(times), inSeconds(p50), inSeconds(recoveredMs.at(-1)), String(recoveredMs.length)));
  }
  lines.push('', `back in: from the end of the fault until a change committed after it is in its topic`);
  lines.push(`caught up after the last fault: ${settledMs === null ? 'NO' : inSeconds(settledMs)}`, '');

  const count = (n: number) => n.toLocaleString('en');
  const { committed, rolledBack, refused, cutOff } = totals;
  lines.push(
    `transactions  ${count(committed)} committed, ${count(rolledBack)} rolled back, ${count(refused)} refused, ${count(cutOff)} cut off`,
    `checked       ${count(verdict.changes)} changes in ${count(verdict.records)} records, ${count(verdict.tombstones)} tombstones, ` +
      `${count(verdict.loaded)} rows of the first load (${count(verdict.loadedAgain)} again)`,
    `differences   ${Object.entries(verdict.faults)
      .map(([fault, found]) => `${fault} ${found}`)
      .join(', ')}`,
    `conservation  ${[...conservation.differences].map(([table, worst]) => `${table} ${worst}`).join(', ')} (captures asked ${count(conservation.looks)} times)`,
  );
  if (verdict.first.length > 0) lines.push('', ...verdict.first.map((what) => `  ${what}`));
  if (result.kept !== null) lines.push('', `data and logs: ${result.kept}`);
  return `${lines.join('\n')}\n`;
}

function row(kind: string, times: string, p50: string, max: string, measured: string): string {
  return `  ${kind.padEnd(38)}${times.padStart(6)}${p50.padStart(14)}${max.padStart(9)}${measured.padStart(10)}`;
}

const inSeconds = (ms: number | undefined): string => (ms === undefined ? '-' : `${(ms / 1_000).toFixed(2)} s`);
