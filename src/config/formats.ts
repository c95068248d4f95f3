import { readFileSync } from 'node:fs';
import { z } from 'zod';

/**
 * Text forms of settings. The message of every issue is what was expected; `params.found`, where given, says what was
 * found without repeating a value that may be secret.
 */
function checked<T>(expected: string, parse: (text: string) => T | Found) {
  return z.string().transform((text, context): T => {
    const result = parse(text);
    if (!(result instanceof Found)) return result;
    context.addIssue({ code: 'custom', message: expected, params: { found: result.text } });
    return z.NEVER;
  });
}

class Found {
  constructor(readonly text: string | undefined) {}
}
const found = (text?: string) => new Found(text);

export const postgresUrl = checked('a PostgreSQL URL, postgresql://user:password@host:5432/database', (text) => {
  if (!URL.canParse(text)) return found('a value that is no URL (special characters of a password must be %-escaped)');
  const url = new URL(text);
  if (url.protocol !== 'postgresql:' && url.protocol !== 'postgres:') return found(`a URL of scheme ${url.protocol}//`);
  if (![url.username, url.password, url.pathname].every(isDecodable))
    return found('a URL with a % that escapes nothing');
  if (url.pathname.length < 2) return found('a URL without a database name');
  if (url.hostname === '' && !url.searchParams.has('host')) return found('a URL without a host');
  return text;
});

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

export const httpUrl = checked('an http:// or https:// URL without credentials', (text) => {
  if (!URL.canParse(text)) return found();
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return found('a URL with credentials');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return found();
  if (url.search !== '' || url.hash !== '') return found();
  return text.replace(/\/+$/, '');
});

const BROKER = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;

export const brokerList = checked('host:port, several separated by commas', (text): readonly string[] | Found => {
  const brokers = text.split(',').map((broker) => broker.trim());
  const valid = brokers.every((broker) => isPort(Number(BROKER.exec(broker)?.[2] ?? 0)));
  return valid ? brokers : found();
});

const isPort = (port: number) => port >= 1 && port <= 65535;

export const portNumber = checked('a port number, 0 to 65535 (0 = any free one)', (text) =>
  /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : found(),
);

export const onOff = checked('true or false', (text) => (text === 'true' ? true : text === 'false' ? false : found()));

export function oneOf<const T extends readonly string[]>(values: T) {
  return checked(`one of ${values.join(', ')}`, (text): T[number] | Found => {
    const lower = text.toLowerCase();
    return values.includes(lower) ? (lower as T[number]) : found();
  });
}

export const secretOf = (characters: number) =>
  checked(`at least ${characters} characters without spaces`, (text) =>
    text.length >= characters && !/\s/.test(text) ? text : found(),
  );

export const anyText = z.string();

/** A PEM file; the value is its content. */
export const pemFile = checked('the path of a readable PEM file', (path) => {
  const content = readText(path);
  if (content instanceof Unreadable) return found(`${JSON.stringify(path)}, ${content.reason}`);
  return content.includes('-----BEGIN ') ? content : found(`${JSON.stringify(path)}, which holds no PEM block`);
});

export class Unreadable {
  constructor(readonly reason: string) {}
}

/** A small text file's content, or why it cannot be had, in words that follow "the file". */
export function readText(path: string): string | Unreadable {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const words: Record<string, string> = {
      ENOENT: 'which does not exist',
      EACCES: 'which may not be read',
      EISDIR: 'which is a folder',
    };
    return new Unreadable(words[code ?? ''] ?? `which cannot be read (${code})`);
  }
}
