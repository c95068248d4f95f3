import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Environment, loadSettings, needed } from '../../../src/config/settings';
import type { Role } from '../../../src/config/variables';
import { CdcError } from '../../../src/core/errors';
import { temporaryFolder } from '../../support/temporary-folder';

const URL_OF_VENTIA = 'postgresql://capture:p%40ss@db:5432/ventia_db';
const SECRET = 'planted-secret-4711';

function file(name: string, content: string): string {
  const path = join(temporaryFolder('settings'), name);
  writeFileSync(path, content);
  return path;
}

/** Lines of the problem list, without the headline. */
function problems(env: Environment, roles: readonly Role[] = []): string[] {
  try {
    loadSettings(env, roles);
  } catch (error) {
    expect(error).toMatchObject({ kind: 'settings_invalid', code: 'CDC-101' });
    expect((error as CdcError).message).not.toContain(SECRET);
    return (error as CdcError).message
      .split('\n')
      .slice(1)
      .map((line) => line.trim().replace(/ +/g, ' '));
  }
  return [];
}

test('an empty environment gives the documented defaults', () => {
  expect(loadSettings({})).toEqual({
    source: null,
    messaging: null,
    kafka: { brokers: ['127.0.0.1:9092'], ssl: null, sasl: null },
    registry: { url: 'http://127.0.0.1:8081', auth: null, ca: null },
    http: { host: '127.0.0.1', port: 8083, adminToken: null, viewerToken: null },
    privacyKey: null,
    logLevel: 'info',
    connectorsDir: 'connectors',
    contractsDir: null,
  });
});

test('every variable arrives in its place', () => {
  const pem = file('a.pem', '-----BEGIN CERTIFICATE-----\nMIIB\n');
  const settings = loadSettings({
    VENTIA_SOURCE_URL: URL_OF_VENTIA,
    VENTIA_ADMIN_URL: 'postgres://owner@db/ventia_db',
    MESSAGING_URL: 'postgresql:///chat?host=/run/postgresql',
    KAFKA_BROKERS: 'kafka-1:9092, [::1]:9093',
    KAFKA_SSL_CA: pem,
    KAFKA_SSL_CERT: pem,
    KAFKA_SSL_KEY: pem,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: 'cdc',
    KAFKA_SASL_PASSWORD: SECRET,
    SCHEMA_REGISTRY_URL: 'https://registry:8081/apis/ccompat/v7/',
    SCHEMA_REGISTRY_USERNAME: 'u',
    SCHEMA_REGISTRY_PASSWORD: 'p',
    SCHEMA_REGISTRY_SSL_CA: pem,
    HTTP_HOST: '0.0.0.0',
    HTTP_PORT: '0',
    ADMIN_TOKEN: 'a'.repeat(16),
    VIEWER_TOKEN: 'v'.repeat(16),
    PRIVACY_KEY: 'k'.repeat(32),
    LOG_LEVEL: 'debug',
    CONNECTORS_DIR: '/etc/cdc',
    CONTRACTS_DIR: '/etc/cdc/contracts',
  });
  const content = '-----BEGIN CERTIFICATE-----\nMIIB\n';
  expect(settings).toEqual({
    source: { url: URL_OF_VENTIA, adminUrl: 'postgres://owner@db/ventia_db' },
    messaging: {
      url: 'postgresql:///chat?host=/run/postgresql',
      adminUrl: 'postgresql:///chat?host=/run/postgresql',
    },
    kafka: {
      brokers: ['kafka-1:9092', '[::1]:9093'],
      ssl: { ca: content, client: { cert: content, key: content } },
      sasl: { mechanism: 'scram-sha-512', username: 'cdc', password: SECRET },
    },
    registry: {
      url: 'https://registry:8081/apis/ccompat/v7',
      auth: { username: 'u', password: 'p' },
      ca: content,
    },
    http: { host: '0.0.0.0', port: 0, adminToken: 'a'.repeat(16), viewerToken: 'v'.repeat(16) },
    privacyKey: 'k'.repeat(32),
    logLevel: 'debug',
    connectorsDir: '/etc/cdc',
    contractsDir: '/etc/cdc/contracts',
  });
});

test('an empty variable counts as not set', () => {
  expect(loadSettings({ HTTP_PORT: '', KAFKA_SASL_USERNAME: '', VENTIA_SOURCE_URL: '' })).toEqual(loadSettings({}));
});

describe('secrets in files', () => {
  test('the file named by NAME_FILE is read, its last line break dropped', () => {
    const settings = loadSettings({ VENTIA_SOURCE_URL_FILE: file('url', `${URL_OF_VENTIA}\n`) }, ['capture']);
    expect(settings.source?.url).toBe(URL_OF_VENTIA);
  });

  test('a missing, empty or doubled one is named', () => {
    expect(
      problems({
        ADMIN_TOKEN_FILE: '/nowhere/token',
        VIEWER_TOKEN_FILE: file('empty', '\n'),
        PRIVACY_KEY: SECRET.repeat(2),
        PRIVACY_KEY_FILE: '/nowhere/key',
        MESSAGING_URL_FILE: tmpdir(),
      }),
    ).toEqual([
      `MESSAGING_URL_FILE found "${tmpdir()}", which is a folder; expected the path of a readable file`,
      'ADMIN_TOKEN_FILE found "/nowhere/token", which does not exist; expected the path of a readable file',
      expect.stringMatching(/^VIEWER_TOKEN_FILE found ".*", which is empty; expected a secret in it$/),
      'PRIVACY_KEY_FILE found beside PRIVACY_KEY; expected only one of the two',
    ]);
  });
});

describe('a password in a place of its own', () => {
  const url = 'postgresql://cdc@db:5432/ventia_db';

  test('goes into the URL, whatever is in it, and not into the owner’s', () => {
    const password = 'p@ss/%41:?#ñ';
    const { source, messaging } = loadSettings({
      VENTIA_SOURCE_URL: url,
      VENTIA_SOURCE_PASSWORD: password,
      VENTIA_ADMIN_URL: 'postgresql:///ventia_db?host=/run/postgresql',
      MESSAGING_URL: url,
      MESSAGING_PASSWORD_FILE: file('password', `${password}\n`),
    });
    for (const text of [source!.url, messaging!.url, messaging!.adminUrl])
      expect(decodeURIComponent(new URL(text).password)).toBe(password);
    expect(source!.adminUrl).toBe('postgresql:///ventia_db?host=/run/postgresql');
  });

  test('is refused beside another one, and without a user', () => {
    expect(
      problems({
        VENTIA_SOURCE_URL: URL_OF_VENTIA,
        VENTIA_SOURCE_PASSWORD: SECRET,
        MESSAGING_URL: 'postgresql://db/ventia_db',
        MESSAGING_PASSWORD: SECRET,
      }),
    ).toEqual([
      'VENTIA_SOURCE_PASSWORD found beside a password in VENTIA_SOURCE_URL; expected only one of the two',
      'MESSAGING_URL without a user beside MESSAGING_PASSWORD; expected postgresql://user@host:5432/database',
    ]);
  });
});

test('what is required depends on the roles', () => {
  expect(problems({}, [])).toEqual([]);
  expect(problems({}, ['capture'])).toEqual([
    expect.stringMatching(/^VENTIA_SOURCE_URL not set; expected a PostgreSQL/),
  ]);
  expect(problems({}, ['sinks'])).toEqual([expect.stringMatching(/^MESSAGING_URL not set; expected a PostgreSQL/)]);
  expect(problems({ VENTIA_SOURCE_URI: 'x' }, ['capture', 'sinks'])).toEqual([
    expect.stringContaining('VENTIA_SOURCE_URL not set (but VENTIA_SOURCE_URI is: a typing error?)'),
    expect.stringContaining('MESSAGING_URL not set; expected'),
  ]);
});

test('all problems come at once, and none shows a secret', () => {
  const noPem = file('a.pem', 'nothing');
  expect(
    problems({
      VENTIA_SOURCE_URL: `mysql://root:${SECRET}@db/ventia`,
      VENTIA_ADMIN_URL: `postgresql://root:${SECRET}@db`,
      MESSAGING_URL: `postgresql://root:${SECRET}%zz@db/chat`,
      MESSAGING_ADMIN_URL: SECRET,
      KAFKA_BROKERS: 'kafka',
      KAFKA_SSL: 'yes',
      KAFKA_SSL_CA: '/nowhere.pem',
      KAFKA_SSL_CERT: noPem,
      KAFKA_SASL_MECHANISM: 'gssapi',
      SCHEMA_REGISTRY_URL: `http://u:${SECRET}@registry`,
      HTTP_PORT: '65536',
      ADMIN_TOKEN: SECRET.slice(0, 9),
      VIEWER_TOKEN: `${SECRET} with spaces`,
      LOG_LEVEL: 'verbose',
    }),
  ).toEqual([
    'VENTIA_SOURCE_URL found a URL of scheme mysql://; expected a PostgreSQL URL, postgresql://user:password@host:5432/database',
    expect.stringContaining('VENTIA_ADMIN_URL found a URL without a database name;'),
    expect.stringContaining('MESSAGING_URL found a URL with a % that escapes nothing;'),
    expect.stringContaining('MESSAGING_ADMIN_URL found a value that is no URL'),
    'KAFKA_BROKERS found "kafka"; expected host:port, several separated by commas',
    'KAFKA_SSL found "yes"; expected true or false',
    'KAFKA_SSL_CA found "/nowhere.pem", which does not exist; expected the path of a readable PEM file',
    `KAFKA_SSL_CERT found "${noPem}", which holds no PEM block; expected the path of a readable PEM file`,
    'KAFKA_SASL_MECHANISM found "gssapi"; expected one of plain, scram-sha-256, scram-sha-512',
    'SCHEMA_REGISTRY_URL found a URL with credentials; expected an http:// or https:// URL without credentials',
    'HTTP_PORT found "65536"; expected a port number, 0 to 65535 (0 = any free one)',
    'ADMIN_TOKEN found a value of another form; expected at least 16 characters without spaces',
    'VIEWER_TOKEN found a value of another form; expected at least 16 characters without spaces',
    'LOG_LEVEL found "verbose"; expected one of debug, info, warn, error, silent',
  ]);
});

test('credentials where none belong are not printed either', () => {
  expect(problems({ KAFKA_BROKERS: `cdc:${SECRET}@kafka:9092`, SCHEMA_REGISTRY_URL: `u:${SECRET}@registry` })).toEqual([
    'KAFKA_BROKERS found a value of another form; expected host:port, several separated by commas',
    'SCHEMA_REGISTRY_URL found a value of another form; expected an http:// or https:// URL without credentials',
  ]);
});

test('values that belong together are checked together', () => {
  const pem = file('a.pem', '-----BEGIN CERTIFICATE-----\n');
  expect(
    problems({
      KAFKA_SSL: 'false',
      KAFKA_SSL_CERT: pem,
      KAFKA_SASL_USERNAME: 'cdc',
      SCHEMA_REGISTRY_PASSWORD: SECRET,
      ADMIN_TOKEN: SECRET,
      VIEWER_TOKEN: SECRET,
    }),
  ).toEqual([
    'KAFKA_SSL_KEY not set beside KAFKA_SSL_CERT; expected both or neither',
    'KAFKA_SASL_PASSWORD not set beside KAFKA_SASL_USERNAME; expected both or neither',
    'SCHEMA_REGISTRY_USERNAME not set beside SCHEMA_REGISTRY_PASSWORD; expected both or neither',
    'KAFKA_SSL found false beside certificates; expected true',
    'VIEWER_TOKEN found the same value as ADMIN_TOKEN; expected another one',
  ]);
  expect(problems({ KAFKA_SASL_MECHANISM: 'plain' })).toEqual([
    'KAFKA_SASL_USERNAME not set beside a mechanism; expected user and password',
  ]);
  expect(problems({ KAFKA_SASL_USERNAME: 'cdc', KAFKA_SASL_PASSWORD: SECRET })).toEqual([
    'KAFKA_SASL_MECHANISM not set beside a user; expected one of plain, scram-sha-256, scram-sha-512',
  ]);
});

test('a command that cannot do without a setting says which', () => {
  expect(() => needed(loadSettings({}).privacyKey, 'PRIVACY_KEY')).toThrow(
    /PRIVACY_KEY +not set; expected at least 32/,
  );
  expect(needed('x', 'PRIVACY_KEY')).toBe('x');
  expect(() => needed(null, 'PRIVACY_KEY')).toThrow(CdcError);
});
