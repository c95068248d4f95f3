import type { Environment } from '../config/settings';

export const EXIT = { done: 0, failed: 1, usage: 2, findings: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What every command gets from the process it runs in. */
export interface CommandContext {
  readonly env: Environment;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP: finish what is in hand and return. A second signal ends the process. */
  readonly signal: AbortSignal;
  readonly out: NodeJS.WriteStream;
  /** Data for programs instead of text for people. */
  readonly json: boolean;
  /** Set by a command that logs to a file: named when it fails unexpectedly. */
  logFile: string | null;
}

export interface CommandOption {
  /** As in the help: `--rate <n>`. */
  readonly flags: string;
  readonly about: string;
  readonly choices?: readonly string[];
  /** The value is an integer in this range. */
  readonly range?: readonly [min: number, max: number];
  readonly fallback?: string | number;
}

/** A command as data; `O` is what its options parse to, in camelCase. */
export interface Command<O extends object = object> {
  /** `run [connector...]` */
  readonly usage: string;
  /** What its first argument may be; any word when absent. */
  readonly choices?: readonly string[];
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it does, in full, for its own help. */
  readonly about: string;
  readonly example: string;
  readonly options: readonly CommandOption[];
  /** Resolves when the work is done or `context.signal` was aborted; rejects with a CdcError. */
  action(context: CommandContext, args: readonly string[], options: O): Promise<ExitCode>;
}
