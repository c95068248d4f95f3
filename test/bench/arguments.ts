import { parseArgs } from 'node:util';

/** In the order in which they run. */
export const PARTS = ['drain', 'latency', 'snapshot', 'sink', 'e2e', 'idle', 'start', 'scale'] as const;
export type Part = (typeof PARTS)[number];

export const PEERS = ['debezium', 'recvlogical'] as const;
export type Peer = (typeof PEERS)[number];

export interface BenchOptions {
  readonly only: readonly Part[];
  readonly against: readonly Peer[];
  /** Rounds of each contender; null = what the part takes. */
  readonly runs: number | null;
  /** Rows of the large backlogs; null = what the part takes. */
  readonly rows: number | null;
  /** Folder for CPU profiles of capture; null = none are taken. */
  readonly profile: string | null;
  /** Folder of the results. */
  readonly out: string;
}

export const USAGE = `npm run bench [-- options]
  --only ${PARTS.join(',')}   parts to run; all without it
  --against ${PEERS.join(',')}   whom to run beside; all without it, "none" for nobody
  --runs N       rounds of each contender (drain 5, others 3)
  --rows N       rows of the large backlogs (500,000); of scale, at most so many
  --profile DIR  leaves CPU profiles of capture there
  --out DIR      where results go (docs/bench)`;

/** Throws an Error that says what is wrong with the arguments. */
export function parseArguments(args: readonly string[]): BenchOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { only: text, against: text, runs: text, rows: text, profile: text, out: text },
  });
  return {
    only: chosen('--only', values.only, PARTS),
    against: values.against === 'none' ? [] : chosen('--against', values.against, PEERS),
    runs: count('--runs', values.runs),
    rows: count('--rows', values.rows),
    profile: values.profile ?? null,
    out: values.out ?? 'docs/bench',
  };
}

function chosen<T extends string>(option: string, value: string | undefined, all: readonly T[]): T[] {
  if (value === undefined) return [...all];
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !all.some((one) => one === name));
  if (unknown !== undefined) throw new Error(`${option}: "${unknown}" is none of ${all.join(', ')}`);
  return all.filter((one) => names.includes(one));
}

function count(option: string, value: string | undefined): number | null {
  if (value === undefined) return null;
  const number = Number(value.replaceAll('_', ''));
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${option}: "${value}" is no number from 1 on`);
  return number;
}
