import { escapeIdentifier, escapeLiteral } from 'pg';
import { CdcError } from '../core/errors';

/** Longer names PostgreSQL cuts off with no more than a notice: another object than the one meant. */
const MAX_BYTES = 63;

/**
 * The name itself, when PostgreSQL could hold an object of that name; throws settings_invalid otherwise.
 * `what` says whose name it is, e.g. `table`.
 */
export function validateIdentifier(name: string, what: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) throw new CdcError('settings_invalid', `the name of a ${what} is empty`);
  if (bytes > MAX_BYTES)
    throw new CdcError('settings_invalid', `the name of a ${what} is longer than ${MAX_BYTES} bytes`);
  if (/[\0\p{Cs}]/u.test(name)) {
    throw new CdcError('settings_invalid', `the name of a ${what} holds a character that no name can have`);
  }
  return name;
}

/** For pasting into SQL, always in quotes. Throws settings_invalid for what no object can be called. */
export function quoteIdentifier(name: string): string {
  return escapeIdentifier(validateIdentifier(name, 'database object'));
}

/** `"schema"."name"`. */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** A text constant for statements that take no parameters (COPY, DDL). */
export function quoteLiteral(text: string): string {
  return escapeLiteral(text);
}

/** Slots and publications are named in replication commands too: only what needs no quoting there. */
export function validateReplicationName(name: string, what: string): string {
  if (/^[a-z0-9_]{1,63}$/.test(name)) return name;
  throw new CdcError('settings_invalid', `the name of a ${what} may only hold a-z, 0-9 and _, at most 63 of them`);
}
