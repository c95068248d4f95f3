#!/usr/bin/env node
import * as modules from 'node:module';
import { CommanderError, InvalidArgumentError, Option, Command as Program } from 'commander';
import { type Command, type CommandContext, type CommandOption, EXIT, type ExitCode } from './commands/command';
import { describeFailure, exitCodeOf } from './commands/report';
import { CdcError } from './core/errors';
import { VERSION } from './core/version';

/** Loaded when asked for: a service that starts again after a crash does not wait for the modules of other commands. */
const COMMANDS: Readonly<Record<string, () => Command>> = {
  run: () => (require('./commands/run') as typeof import('./commands/run')).run,
  setup: () => (require('./commands/setup') as typeof import('./commands/setup')).setup,
  status: () => (require('./commands/status') as typeof import('./commands/status')).status,
  doctor: () => (require('./commands/doctor') as typeof import('./commands/doctor')).doctor,
  slot: () => (require('./commands/slot') as typeof import('./commands/slot')).slot,
  repair: () => (require('./commands/repair') as typeof import('./commands/repair')).repair,
  erase: () => (require('./commands/erase') as typeof import('./commands/erase')).erase,
  snapshot: () => (require('./commands/snapshot') as typeof import('./commands/snapshot')).snapshot,
  shop: () => (require('./commands/shop') as typeof import('./commands/shop')).shop,
  dev: () => (require('./commands/dev') as typeof import('./commands/dev')).dev,
};

/** After this all modules are loaded, and whatever ends the process then, the next start finds them compiled. */
const FLUSH_MS = 3_000;

/** Parses and runs one command line (without node and script); never throws. Failures go to standard error. */
async function main(args: readonly string[], signal: AbortSignal): Promise<ExitCode> {
  const context: CommandContext = {
    env: process.env,
    signal,
    out: process.stdout,
    json: args.includes('--json'),
    logFile: null,
  };
  process.once('uncaughtException', (error) => {
    process.stderr.write(failure(error, context));
    process.exit(EXIT.failed);
  });
  let exitCode: ExitCode = EXIT.done;
  const wanted = args[0] !== undefined && Object.hasOwn(COMMANDS, args[0]) ? [args[0]] : Object.keys(COMMANDS);
  const commands = wanted.map((name) => COMMANDS[name]!());
  const program = describeProgram(commands, async (command, positional, options) => {
    exitCode = await command.action(context, positional, options);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage;
    const cause = error instanceof CommanderError ? usageError(error, args) : error;
    process.stderr.write(failure(cause, context));
    return exitCodeOf(cause);
  }
}

type Action = (command: Command, positional: string[], options: object) => Promise<void>;

function describeProgram(commands: readonly Command[], action: Action): Program {
  const program = new Program('ventia-cdc')
    .description('Change data capture from PostgreSQL through Kafka into Messaging.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 usage, 3 findings.');
  for (const command of commands) {
    const described = program
      .command(command.usage)
      .summary(command.summary)
      .description(command.about.replaceAll('\n', ' '))
      .addHelpText('after', `\nExample:\n  ${command.example}`);
    if (command.choices) described.registeredArguments[0]?.choices([...command.choices]);
    for (const option of command.options) described.addOption(describeOption(option));
    described.option('--json', 'data and errors as JSON');
    described.action(() => action(command, described.args, described.opts()));
  }
  return program;
}

function describeOption({ flags, about, choices, range, fallback }: CommandOption): Option {
  const option = new Option(flags, about);
  if (choices) option.choices([...choices]);
  if (range) option.argParser((text) => integer(text, ...range));
  return fallback === undefined ? option : option.default(fallback);
}

function integer(text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`Expected an integer from ${min} to ${max}.`);
}

/** Commander's complaint as one sentence, with the help that explains it. */
function usageError(error: CommanderError, args: readonly string[]): CdcError {
  const what = error.message.replace(/^error: /, '').replace(/\n/g, ' ');
  const command = Object.keys(COMMANDS).find((name) => name === args[0]);
  return new CdcError('usage', what, { fix: `ventia-cdc ${command ? `${command} ` : ''}--help` });
}

function failure(error: unknown, { json, env, logFile }: CommandContext): string {
  return describeFailure(error, {
    json,
    logFile,
    colour: process.stderr.isTTY && !env.NO_COLOR,
    debug: env.LOG_LEVEL === 'debug',
  });
}

/** The first signal asks for an orderly end, the second one ends at once. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.failed);
      controller.abort();
    });
  }
  return controller.signal;
}

/** Node 22 and newer keep what they compiled, which halves the time of loading modules. */
function keepCompiledModules(): void {
  const { enableCompileCache, flushCompileCache } = modules as Partial<typeof modules>;
  enableCompileCache?.();
  setTimeout(() => flushCompileCache?.(), FLUSH_MS).unref();
}

if (require.main === module) {
  keepCompiledModules();
  // Whoever read our output has gone, as `| head` does.
  process.stdout.on('error', () => process.exit(EXIT.failed));
  main(process.argv.slice(2), stopOnSignals()).then((exitCode) => {
    // Leaves when what was written to a pipe has gone out, whatever handles a library may have left open.
    process.stdout.write('', () => process.exit(exitCode));
  });
}
