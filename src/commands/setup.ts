import { styleText } from 'node:util';
import { loadConnectors } from '../config/connector-files';
import { loadSettings } from '../config/settings';
import { CdcError } from '../core/errors';
import { silentLogger } from '../core/ports/log';
import { type Command, EXIT } from './command';
import { confirm } from './confirm';
import { planSetup, type SetupPart } from './setup-parts';
import { planRepartition } from './wire-repartition';

export interface SetupOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly identity: 'auto' | 'full' | 'index';
  readonly repartition?: number;
}

export const setup: Command<SetupOptions> = {
  usage: 'setup',
  summary: 'prepare databases, Kafka and the registry',
  about: `Makes what is missing: publication, replica identity, slot, topics, registry subjects, ledger. Says what
it does, asks before it does it, and may be run again at any time. Nothing of the application is altered. With
--repartition it only raises the number of partitions: capture stops, the sinks apply what there is, the topics grow, and
capture goes on; also where somebody else has raised it.`,
  example: 'ventia-cdc setup --dry-run',
  options: [
    { flags: '--dry-run', about: 'print what would be done, do nothing' },
    { flags: '--yes', about: 'do not ask' },
    {
      flags: '--identity <kind>',
      about:
        'how deletes of orders carry their tenant: full = the whole old row, index = a unique index (id, tenant_id), auto = as it is where that suffices, else full',
      choices: ['auto', 'full', 'index'],
      fallback: 'auto',
    },
    { flags: '--repartition <n>', about: 'raise the partitions of the topics of changes to n', range: [1, 1024] },
  ],
  async action({ env, out, json, signal }, _args, options) {
    const { connectorsDir } = loadSettings(env);
    const connectors = loadConnectors(connectorsDir, env);
    const roles = connectors.map(({ kind }) => (kind === 'source' ? 'capture' : 'sinks'));
    const settings = loadSettings(env, roles);
    const { identity, repartition } = options;
    const parts =
      repartition === undefined
        ? await planSetup({ connectors, settings, identity, log: silentLogger })
        : [await planRepartition(connectors, settings, repartition, signal, silentLogger)];
    try {
      const text = json ? `${JSON.stringify(asJson(parts))}\n` : describe(parts, out.isTTY && !env.NO_COLOR);
      out.write(text);
      const problems = parts.flatMap((part) => part.problems);
      if (problems.length > 0) throw first(problems);
      if (options.dryRun || parts.every(({ steps }) => steps.length === 0)) return EXIT.done;
      if (!options.yes) await confirm(out, repartition === undefined ? 'set-up' : 'the repartition');
      for (const part of parts) {
        if (part.steps.length > 0) await part.apply((line) => json || out.write(`done  ${part.place}: ${line}\n`));
      }
      return EXIT.done;
    } finally {
      await Promise.all(parts.map((part) => part.close()));
    }
  },
};

function first([problem, ...more]: readonly CdcError[]): CdcError {
  if (more.length === 0) return problem!;
  return new CdcError(problem!.kind, `${problem!.message} (and ${more.length} more, above)`, { fix: problem!.fix });
}

function asJson(parts: readonly SetupPart[]): object {
  return parts.map(({ place, steps, problems }) => ({
    place,
    steps,
    problems: problems.map(({ code, message, fix }) => ({ code, message, fix })),
  }));
}

/** What would be done, place by place, with the SQL. */
function describe(parts: readonly SetupPart[], colour: boolean): string {
  const paint = (format: 'bold' | 'dim' | 'red' | 'green', text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : text;
  const lines: string[] = [];
  for (const { place, steps, problems } of parts) {
    lines.push(paint('bold', place));
    if (steps.length === 0 && problems.length === 0) lines.push(`  ${paint('green', 'nothing to do')}`);
    for (const { title, why, price, sql } of steps) {
      lines.push(`  + ${title}`);
      if (why) lines.push(paint('dim', `      ${why}`));
      if (price) lines.push(`      price: ${price}`);
      for (const statement of sql)
        for (const line of statement.trimEnd().split('\n')) lines.push(paint('dim', `      | ${line}`));
    }
    for (const { code, message, fix } of problems)
      lines.push(`  ${paint('red', `! ${code}`)}  ${message}`, `      fix: ${fix}`);
    lines.push('');
  }
  return `${lines.join('\n')}\n`;
}
