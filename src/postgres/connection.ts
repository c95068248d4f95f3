import { Client, type ClientConfig, type CustomTypesConfig, types } from 'pg';
import { CdcError } from '../core/errors';
import { mendReceiveBuffer } from './receive-buffer';

/** A connection that is not there after this time counts as unreachable. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Then the kernel asks every second and gives up after ten: an idle peer that is gone is noticed within 15 s. */
const KEEPALIVE_MS = 5_000;

/**
 * How every session writes values, so that the stream, the chunk reader and the sinks see one and the same text, whatever
 * the role's, the database's or the machine's settings are.
 */
const TEXT_FORM = {
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
} as const;

/** A limit that a role has for the sake of people would end long reads and the stream; ours are set where they belong. */
const LIMITS = { statement_timeout: '0' } as const;

export interface ConnectionOptions {
  /** Shown in pg_stat_activity, unless the URL names one. */
  readonly applicationName: string;
  /** Further session settings, e.g. `{ lock_timeout: '2s' }`. */
  readonly session?: Readonly<Record<string, string>>;
}

/**
 * Configuration of one `pg` client for a `postgres://` URL: the one place where sessions are described. A replication
 * connection adds `replication: 'database'`.
 *
 * `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in the URL mean what they mean to psql. Throws settings_invalid, without the
 * URL in the message, when the URL or one of its certificate files cannot be used.
 */
export function clientConfig(url: string, options: ConnectionOptions): ClientConfig {
  mendReceiveBuffer();
  const { connectionString, ownOptions } = splitUrl(url);
  const session = Object.entries({ ...TEXT_FORM, ...LIMITS, ...options.session });
  const config: ClientConfig = {
    connectionString,
    application_name: options.applicationName,
    options: [ownOptions, ...session.map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, '\\$&')}`)].join(
      ' ',
    ),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
    // As psql's default: where the server offers it over TLS, nobody in the middle can use the password.
    enableChannelBinding: true,
    types: valueTypes,
  };
  try {
    new Client(config);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code?.startsWith('E') ? `names a certificate file that cannot be read (${code})` : 'cannot be used';
    throw new CdcError('settings_invalid', `the PostgreSQL address ${what}`, {
      fix: 'Percent-encode special characters in user and password; sslmode=verify-ca needs sslrootcert.',
    });
  }
  return config;
}

/** The URL's own `options` are taken out of it: pg would let them replace ours. They come first, so that ours win. */
function splitUrl(text: string): { connectionString: string; ownOptions: string } {
  const url = parseUrl(text);
  const ownOptions = url.searchParams.get('options') ?? '';
  url.searchParams.delete('options');
  // no-verify is pg's own word.
  if (!['no-verify', null].includes(url.searchParams.get('sslmode')) && !url.searchParams.has('uselibpqcompat')) {
    url.searchParams.set('uselibpqcompat', 'true');
  }
  return { connectionString: url.toString(), ownOptions };
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    if (url.protocol === 'postgres:' || url.protocol === 'postgresql:') return url;
  } catch {
    // the same answer; the parser's own message would hold the password
  }
  throw new CdcError(
    'settings_invalid',
    'a PostgreSQL address is not of the form postgres://user:password@host:port/database',
  );
}

/** bool, int2, int4, oid, float4, float8, bytea, json, jsonb, and arrays of the first four: pg's own parsers lose nothing. */
const PARSED = [16, 21, 23, 26, 700, 701, 17, 114, 3802, 1000, 1005, 1007, 1028];
/** name[], text[], varchar[], int8[], numeric[], uuid[]. */
const TEXT_ARRAYS = [1003, 1009, 1015, 1016, 1231, 2951];

/**
 * Values as core/ports/sql.ts promises them: what JavaScript would round or shift (int8, numeric, times) stays the server's text.
 */
const valueTypes: CustomTypesConfig = {
  getTypeParser: ((oid: number) => {
    if (PARSED.includes(oid)) return types.getTypeParser(oid);
    return TEXT_ARRAYS.includes(oid) ? textArray : asText;
  }) as CustomTypesConfig['getTypeParser'],
};

const asText = (value: string): string => value;
const textArray = (value: string): unknown => types.getTypeParser(1009 as never, 'text')(value);
