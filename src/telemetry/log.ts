import pino from 'pino';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** For a person at a terminal; else one JSON object a line. */
  readonly pretty: boolean;
  /** Null = standard output. */
  readonly file: string | null;
}

/**
 * Lines are written synchronously: a process that dies has said why. Credentials are blanked wherever they have a telling
 * name or stand in a URL, and an error's cause, whose text the database or the registry chose, is never written (Invariant 7).
 */
export function createLogger(options: LogOptions): Logger {
  const destination = pino.destination({ dest: options.file ?? 1, sync: true, mkdir: true });
  const format = options.pretty
    ? prettyPrinter()({
        colorize: options.file === null,
        translateTime: 'SYS:HH:MM:ss',
        singleLine: true,
        errorLikeObjectKeys: [],
        ignore: SAID,
      })
    : String;
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: CREDENTIALS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
      serializers: { err: (error: unknown) => describeError(error, options.level === 'debug') },
    },
    { write: (line: string) => destination.write(format(withoutUrlPasswords(line))) },
  );
}

/** Loaded for people only. */
function prettyPrinter(): typeof import('pino-pretty').prettyFactory {
  return require('pino-pretty').prettyFactory;
}

/** The summary line's fields: its message says the same. */
const SAID = 'connectors';

const CREDENTIALS = [
  'password',
  'token',
  'adminToken',
  'viewerToken',
  'privacyKey',
  'authorization',
  'cookie',
  'secret',
  'connectionString',
];

/** `postgresql://user:password@host` in whatever text; greedy, because an unescaped password may hold an @. */
export function withoutUrlPasswords(text: string): string {
  return text.replace(/(\w:\/\/[^\s"':/@]*):[^\s"]*@/g, '$1:[redacted]@');
}

function describeError(error: unknown, stack: boolean): object {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    ...(error instanceof CdcError && { code: error.code, kind: error.kind, fix: error.fix, sqlState: error.sqlState }),
    message: error.message,
    ...(stack && { stack: error.stack }),
  };
}
