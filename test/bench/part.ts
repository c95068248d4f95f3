import type { BenchOptions } from './arguments';
import type { Connect } from './connect';
import type { Contender } from './contenders';
import type { Drained } from './drained';
import type { Recorder } from './results';

/** What a part of the benchmark works with. */
export interface PartContext {
  readonly options: BenchOptions;
  readonly results: Recorder;
  readonly brokerPid: number;
  /** Kafka Connect with Debezium, started when it is first asked for; null = nobody wants to run beside it. */
  readonly connect: (() => Promise<Connect>) | null;
  /** False: no round is begun any more, what was measured until now counts. */
  readonly timeLeft: () => boolean;
  readonly say: (line: string) => void;
}

/** Rounds of all contenders in turns, so that what changes on the machine changes for all. The first round is always whole. */
export async function inTurns(
  { timeLeft, say }: Pick<PartContext, 'timeLeft' | 'say'>,
  rounds: number,
  contenders: readonly { readonly name: string; round(): Promise<string> }[],
): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      if (round > 1 && !timeLeft()) return say(`the part's time is up in round ${round}`);
      say(`${round}/${rounds} ${contender.name}: ${await contender.round()}`);
    }
  }
}

/** Drains of the same backlog, in turns. */
export function drainInTurns(
  context: PartContext,
  what: string,
  rounds: number,
  contenders: readonly Contender[],
  drain: (contender: Contender) => Promise<DrainOf>,
): Promise<void> {
  return inTurns(
    context,
    rounds,
    contenders.map((contender) => ({
      name: `${what}, ${contender.name}`,
      round: async () => recordDrain(context.results, what, contender.name, await drain(contender)),
    })),
  );
}

export interface DrainOf extends Drained {
  readonly rows: number;
  readonly peakMb: number | null;
}

/** Keeps the figures of one drain; gives its rate, to be said. */
export function recordDrain(results: Recorder, what: string, who: string, drained: DrainOf): string {
  const { rows, seconds, appending, cpu, peakMb } = drained;
  results.add(what, who, 'rows/s', rows / seconds);
  if (appending !== null) results.add(what, who, 'rows/s appending', rows / appending);
  for (const [process, spent] of cpu)
    results.add(what, process === who ? who : `${who}: ${process}`, 'CPU s/M', (spent / rows) * 1e6);
  if (peakMb !== null) results.add(what, who, 'peak MB', peakMb);
  return `${Math.round(rows / seconds)} rows/s`;
}
