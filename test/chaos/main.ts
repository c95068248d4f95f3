import { parseArgs } from 'node:util';
import { isClean, runChaos } from './chaos';
import { renderReport } from './report';

const USAGE = `npm run chaos [-- --seconds N --seed S --kills K --keep]

  --seconds  how long clients write and things go wrong (default 300)
  --seed     of all chance (default: from the clock)
  --kills    kill -9 of capture, spread over the time (default: one every 3 s)
  --keep     leave data and logs where they are, also when nothing is wrong
`;

async function main(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  if (options === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { seconds, seed } = options;
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stopping.abort());
  process.stdout.write(`chaos  seed ${seed}\n`);
  const { progress, end } = progressLine(process.stdout);
  try {
    const result = await runChaos({ ...options, signal: stopping.signal, progress });
    end();
    process.stdout.write(`\n${renderReport(seed, seconds, result)}`);
    return isClean(result) ? 0 : 1;
  } catch (error) {
    end();
    if (stopping.signal.aborted) return 130;
    throw error;
  }
}

function optionsOf(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string', default: '300' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        kills: { type: 'string' },
        keep: { type: 'boolean', default: false },
      },
    });
    const seconds = Number(values.seconds);
    const seed = Number(values.seed);
    const kills = Number(values.kills ?? Math.round(seconds / 3));
    const fit = [seconds, seed, kills].every((n) => Number.isInteger(n) && n >= 0);
    return fit ? { seconds, seed, kills, keep: values.keep } : null;
  } catch {
    return null;
  }
}

/** One line that changes; where there is no terminal a line every ten seconds. */
function progressLine(out: NodeJS.WriteStream) {
  let lastMs = 0;
  return {
    progress(line: string): void {
      if (out.isTTY) out.write(`\r\x1b[K${line}`);
      else if (Date.now() - lastMs >= 10_000 || !/^\d/.test(line)) {
        out.write(`${line}\n`);
        lastMs = Date.now();
      }
    },
    end(): void {
      if (out.isTTY) out.write('\r\x1b[K');
    },
  };
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
