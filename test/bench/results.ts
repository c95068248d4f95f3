import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What was measured of one contender, a value for each round. */
export interface Series {
  /** `drain, one transaction`. */
  readonly what: string;
  /** `capture`, `pg_recvlogical`, `Debezium, Avro`, … */
  readonly who: string;
  /** `rows/s`, `ms`, `MB`, `CPU s/M` (seconds of CPU for a million changes), `% of a core`, … */
  readonly unit: string;
  readonly values: readonly number[];
}

/** One part of the benchmark, as it is kept in `docs/bench/<part>.json`. */
export interface PartResult {
  readonly part: string;
  /** When it ended, ISO 8601. */
  readonly at: string;
  /** How to repeat it. */
  readonly command: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string | number>>;
  /** Load average of the last minute before the part began: above 0.5 the machine had other work. */
  readonly loadBefore: number;
  readonly seconds: number;
  readonly series: readonly Series[];
}

/** Collects values by figure, contender and unit, in the order in which they first come. */
export class Recorder {
  private readonly found = new Map<string, Series & { readonly values: number[] }>();

  add(what: string, who: string, unit: string, value: number): void {
    const key = JSON.stringify([what, who, unit]);
    const series = this.found.get(key) ?? { what, who, unit, values: [] };
    this.found.set(key, series);
    series.values.push(Number(value.toPrecision(5)));
  }

  get series(): Series[] {
    return [...this.found.values()];
  }
}

/** The upper one of two in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Nearest rank; `p` from 0 to 100. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** 123,456 or 12.3 or 0.45: three digits that tell something. */
export function figure(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

/** One line a series: median, smallest, largest. */
export function printed({ what, who, unit, values }: Series): string {
  const range = values.length > 1 ? `  (${figure(Math.min(...values))} - ${figure(Math.max(...values))})` : '';
  return `${what.padEnd(38)} ${who.padEnd(40)} ${figure(median(values)).padStart(9)} ${unit}${range}`;
}

export function writeResult(folder: string, result: PartResult): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${result.part}.json`), `${JSON.stringify(result, null, 1)}\n`);
}

/** All parts that were measured, by name. */
export function readResults(folder: string): PartResult[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as PartResult);
}
