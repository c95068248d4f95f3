import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { inTurns, type PartContext } from '../part';
import type { Recorder } from '../results';

const ROUNDS = 2;
const ORDERS = 40_000;
const SINK = 'contacts sink';

export const sinkOf = (what: string): string => `contacts sink, ${what}`;

/** The contacts sink alone on PostgreSQL, as test/bench/sink.bench.ts runs it, on the servers of this run. */
export async function sink(context: PartContext): Promise<void> {
  const { options, results } = context;
  await inTurns(context, options.runs ?? ROUNDS, [{ name: SINK, round: () => round(results, options.rows) }]);
}

async function round(results: Recorder, rows: number | null): Promise<string> {
  const jest = resolve('node_modules/jest/bin/jest.js');
  const args = [jest, '--selectProjects', 'bench', '--testPathPatterns', 'bench/sink', '--verbose=false'];
  const env = { ...process.env, ORDERS: String(Math.min(ORDERS, rows ?? ORDERS)) };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const told: string[] = [];
  let figures = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (recordSinkLine(results, line)) figures++;
  });
  createInterface({ input: child.stderr }).on('line', (line) => told.push(line));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the sink's bench ended with ${code}:\n${told.join('\n')}`);
  return `${figures} lines`;
}

/** One line of the sink's bench; false when it tells no figure. */
export function recordSinkLine(results: Recorder, line: string): boolean {
  const rate = /^(\w+) (\S.*?)\s+(\d+) (?:orders|tenants|events)\/s.*own\s+(\d+) us, PostgreSQL\s+(\d+) us/.exec(line);
  if (rate) {
    const [, profile, what, perSecond, own, postgres] = rate;
    const who = `profile ${profile}`;
    results.add(sinkOf(what!), who, 'rows/s', Number(perSecond));
    results.add(sinkOf(what!), who, 'CPU s/M', Number(own));
    results.add(sinkOf(what!), `${who}: PostgreSQL`, 'CPU s/M', Number(postgres));
    return true;
  }
  const delay = /^(\w+) one at a time: p50 ([\d.]+) ms, p99 ([\d.]+) ms/.exec(line);
  if (!delay) return false;
  results.add(sinkOf('one order at a time'), `profile ${delay[1]}`, 'ms p50', Number(delay[2]));
  results.add(sinkOf('one order at a time'), `profile ${delay[1]}`, 'ms p99', Number(delay[3]));
  return true;
}
