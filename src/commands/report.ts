import { styleText } from 'node:util';
import { CdcError, type ErrorKind } from '../core/errors';
import { EXIT, type ExitCode } from './command';

export interface ReportOptions {
  readonly json: boolean;
  readonly colour: boolean;
  /** Shows the stack of an unexpected error. */
  readonly debug: boolean;
  readonly logFile: string | null;
}

/** What lies in the command line, the settings, the files or the port. */
const USAGE: readonly ErrorKind[] = [
  'usage',
  'settings_invalid',
  'connector_invalid',
  'contract_invalid',
  'port_taken',
  'confirmation_needed',
  'snapshot_where',
];

export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof CdcError && USAGE.includes(error.kind) ? EXIT.usage : EXIT.failed;
}

/** The text for standard error: code, what, fix; of an unexpected error one line and where to look. */
export function describeFailure(error: unknown, options: ReportOptions): string {
  const known = error instanceof CdcError && error.kind !== 'internal';
  const what = error instanceof Error ? error.message : String(error);
  const { code, kind, fix } = error instanceof CdcError ? error : new CdcError('internal', what);
  const advice = known ? fix : whereToLook(options);
  if (options.json) return `${JSON.stringify({ error: { code, kind, what, fix: advice } })}\n`;

  const paint = (format: 'red' | 'green', text: string) =>
    options.colour ? styleText(format, text, { validateStream: false }) : text;
  const stack = options.debug && !known && error instanceof Error ? `${error.stack}\n` : '';
  return `${paint('red', `error ${code}`)}  ${what}\n${paint('green', 'fix')}  ${advice}\n${stack}`;
}

function whereToLook({ logFile, debug }: ReportOptions): string {
  const log = logFile === null ? 'See the log lines above' : `See ${logFile}`;
  return debug ? `${log}.` : `${log}; LOG_LEVEL=debug shows where it came from.`;
}
