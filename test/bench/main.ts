import { type BenchOptions, PARTS, type Part, parseArguments, USAGE } from './arguments';
import { CONNECT_VERSIONS, type Connect, startConnect } from './connect';
import type { PartContext } from './part';
import { drain } from './parts/drain';
import { e2e } from './parts/e2e';
import { idle } from './parts/idle';
import { latency } from './parts/latency';
import { scale } from './parts/scale';
import { sink } from './parts/sink';
import { snapshot } from './parts/snapshot';
import { start } from './parts/start';
import { writeReport } from './report';
import { printed, Recorder, writeResult } from './results';
import { CACHE, loadNow, machine, openWorld, versions, type World } from './world';

interface Runner {
  /** After so much time no further round is begun. */
  readonly minutes: number;
  readonly run: (context: PartContext) => Promise<void>;
}

/** 25 minutes for all: 23 in which rounds begin, and what the last ones take. */
const RUNNERS: Readonly<Record<Part, Runner>> = {
  drain: { minutes: 6, run: drain },
  latency: { minutes: 5, run: latency },
  snapshot: { minutes: 3, run: snapshot },
  sink: { minutes: 2, run: sink },
  e2e: { minutes: 3, run: e2e },
  idle: { minutes: 1, run: idle },
  start: { minutes: 1, run: start },
  scale: { minutes: 2, run: scale },
};

const say = (line: string) => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

/** Each part keeps its result as soon as it is over: a run that is cut short is gone on with by `--only`. */
async function main(options: BenchOptions): Promise<void> {
  const world = await openWorld();
  const connect = once(() => startConnect(`${world.dir}/connect`, CACHE, say));
  const stop = once(async () => {
    await connect.begun?.then((running) => running.stop()).catch(() => {});
    await world.stop();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().finally(() => process.exit(130)));
  try {
    for (const part of PARTS.filter((name) => options.only.includes(name))) {
      try {
        await measure(part, options, world, connect);
      } catch (error) {
        // The others are worth having.
        say(`${part} failed: ${error instanceof Error ? error.stack : error}`);
        process.exitCode = 1;
      }
    }
  } finally {
    await stop();
  }
}

async function measure(part: Part, options: BenchOptions, world: World, connect: () => Promise<Connect>) {
  const { minutes, run } = RUNNERS[part];
  const results = new Recorder();
  const loadBefore = loadNow();
  const began = Date.now();
  const debezium = options.against.includes('debezium');
  say(`${part}: no round begins after ${minutes} minutes`);
  await run({
    options,
    results,
    brokerPid: world.servers.kafka.pid,
    connect: debezium ? connect : null,
    timeLeft: () => Date.now() - began < minutes * 60_000,
    say,
  });
  const seconds = Math.round((Date.now() - began) / 1000);
  const { series } = results;
  for (const line of series.map(printed)) process.stdout.write(`${line}\n`);
  writeResult(options.out, {
    part,
    at: new Date().toISOString(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    machine: machine(),
    versions: { ...(await versions()), ...(debezium && CONNECT_VERSIONS) },
    settings: world.settings,
    loadBefore,
    seconds,
    series,
  });
  writeReport(options.out);
}

/** Calls it the first time only. */
function once<T>(work: () => Promise<T>): { (): Promise<T>; begun?: Promise<T> } {
  const call: { (): Promise<T>; begun?: Promise<T> } = () => (call.begun ??= work());
  return call;
}

try {
  const options = parseArguments(process.argv.slice(2));
  void main(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}\n`);
  process.exitCode = 2;
}
