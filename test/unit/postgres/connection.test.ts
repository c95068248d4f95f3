import { Client } from 'pg';
import { clientConfig } from '../../../src/postgres/connection';

const options = { applicationName: 'ventia-cdc' };

interface Parameters {
  readonly connectionParameters: Readonly<Record<string, unknown>>;
  readonly ssl: unknown;
  getStartupConf(): Readonly<Record<string, string>>;
}

/** What a client would really use. */
const client = (url: string, more = {}) =>
  new Client(clientConfig(url, { ...options, ...more })) as unknown as Parameters;
const startup = (url: string, more = {}) => client(url, more).getStartupConf();

it('fixes the text form of values, after what the URL sets', () => {
  const url = `postgres://u:p@h/db?options=${encodeURIComponent('-c TimeZone=America/Lima')}`;
  expect(startup(url).options).toBe(
    '-c TimeZone=America/Lima -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=3 ' +
      '-c bytea_output=hex -c statement_timeout=0',
  );
});

it('sets what a session needs beyond it, and its name unless the URL has one', () => {
  const session = { lock_timeout: '2s', search_path: 'a b\\c' };
  expect(startup('postgres://u:p@h/db', { session }).options).toMatch(/ -c lock_timeout=2s -c search_path=a\\ b\\\\c$/);
  expect(startup('postgres://u:p@h/db').application_name).toBe('ventia-cdc');
  expect(startup('postgres://u:p@h/db?application_name=mine').application_name).toBe('mine');
});

it.each([
  ['', false],
  ['?sslmode=disable', false],
  ['?sslmode=require', { rejectUnauthorized: false }],
  ['?sslmode=verify-full', {}],
  ['?sslmode=no-verify', { rejectUnauthorized: false }],
])('takes TLS from "%s" as psql does', (query, ssl) => {
  expect(client(`postgres://u:p@h/db${query}`).ssl).toEqual(ssl);
});

it('takes users and passwords with any characters', () => {
  const { connectionParameters } = client(
    `postgres://${encodeURIComponent('u@:/')}:${encodeURIComponent('p%+?#')}@h:1/db`,
  );
  expect(connectionParameters).toMatchObject({ user: 'u@:/', host: 'h', port: 1, database: 'db' });
  expect(connectionParameters.password).toBe('p%+?#');
});

it.each([
  'not a url',
  'http://u:secret@h/db',
  'postgres://u:secret@h:port/db',
  'postgres://u:secret@h/db?sslmode=verify-ca',
  'postgres://u:secret@h/db?sslrootcert=/no/such/file',
])('refuses "%s" without telling the password', (url) => {
  const attempt = () => clientConfig(url, options);
  expect(attempt).toThrow(expect.objectContaining({ kind: 'settings_invalid' }));
  expect(attempt).toThrow(expect.not.objectContaining({ message: expect.stringContaining('secret') }));
});
