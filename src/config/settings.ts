import { CdcError } from '../core/errors';
import { readText, Unreadable } from './formats';
import { nearest } from './nearest';
import { describeProblems, type Problem, show } from './problems';
import { type Role, VARIABLES, type Values, type Variable, type VariableName } from './variables';

export interface Settings {
  /** Null = not set; {@link needed} takes it where a role made sure that it is. */
  readonly source: PostgresAccess | null;
  readonly messaging: PostgresAccess | null;
  readonly kafka: KafkaAccess;
  readonly registry: RegistryAccess;
  readonly http: HttpAccess;
  readonly privacyKey: string | null;
  readonly logLevel: LogLevel;
  readonly connectorsDir: string;
  /** Null = the contracts that are shipped. */
  readonly contractsDir: string | null;
}

export interface PostgresAccess {
  readonly url: string;
  /** The owner's, for set-up; the same as `url` when none is given. */
  readonly adminUrl: string;
}

export interface KafkaAccess {
  readonly brokers: readonly string[];
  /** Null = plain text. PEM texts; null = the system's authorities, no client certificate. */
  readonly ssl: { readonly ca: string | null; readonly client: { cert: string; key: string } | null } | null;
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
}

export interface RegistryAccess {
  /** Without trailing slash. */
  readonly url: string;
  readonly auth: { readonly username: string; readonly password: string } | null;
  readonly ca: string | null;
}

export interface HttpAccess {
  readonly host: string;
  readonly port: number;
  readonly adminToken: string | null;
  readonly viewerToken: string | null;
}

export type LogLevel = NonNullable<Values['LOG_LEVEL']>;

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment. An empty variable counts as not set. Every problem is reported at once in one
 * `settings_invalid`, with the variable, what was found (never a secret) and what is expected.
 */
export function loadSettings(env: Environment, roles: readonly Role[] = []): Settings {
  const problems: Problem[] = [];
  const values = readValues(env, roles, problems);
  const settings = compose(values, problems);
  if (problems.length > 0) {
    throw new CdcError('settings_invalid', describeProblems('the environment', problems));
  }
  return settings;
}

function readValues(env: Environment, roles: readonly Role[], problems: Problem[]): Values {
  const values: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries(VARIABLES) as [VariableName, Variable<unknown>][]) {
    values[name] = readValue(env, name, variable, roles, problems);
  }
  return values as Values;
}

/** The checked value, or null when it is not set or wrong. */
function readValue(
  env: Environment,
  name: VariableName,
  variable: Variable<unknown>,
  roles: readonly Role[],
  problems: Problem[],
): unknown {
  const known = problems.length;
  const text = (variable.secret ? readSecret(env, name, problems) : env[name]) || variable.fallback;
  if (problems.length > known) return null;
  if (text === null) {
    if (variable.requiredBy && roles.includes(variable.requiredBy)) {
      problems.push({ where: name, found: `not set${likelyTypo(env, name)}`, expected: expectation(name) });
    }
    return null;
  }
  const result = variable.schema.safeParse(text);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const hint = issue.code === 'custom' ? issue.params?.found : undefined;
    // An @ may be the end of credentials that do not belong here.
    const found = hint ?? (variable.secret || text.includes('@') ? 'a value of another form' : show(text));
    problems.push({ where: name, found: `found ${found}`, expected: issue.message });
  }
  return null;
}

/** What the variable's schema says when it refuses. */
export function expectation(name: VariableName): string {
  return VARIABLES[name].schema.safeParse('').error?.issues[0]?.message ?? 'any text';
}

function readSecret(env: Environment, name: string, problems: Problem[]): string | undefined {
  const path = env[`${name}_FILE`];
  if (!path) return env[name];
  const where = `${name}_FILE`;
  if (env[name]) {
    problems.push({ where, found: `found beside ${name}`, expected: 'only one of the two' });
    return undefined;
  }
  const content = readText(path);
  if (content instanceof Unreadable) {
    problems.push({ where, found: `found ${show(path)}, ${content.reason}`, expected: 'the path of a readable file' });
    return undefined;
  }
  const secret = content.replace(/\r?\n$/, '');
  if (secret === '') problems.push({ where, found: `found ${show(path)}, which is empty`, expected: 'a secret in it' });
  return secret;
}

/** A variable that is set, unknown to us, and called almost like the one that is missing. */
function likelyTypo(env: Environment, name: VariableName): string {
  const unknown = Object.keys(env).filter((other) => !(other.replace(/_FILE$/, '') in VARIABLES));
  const typo = nearest(name, unknown);
  return typo ? ` (but ${typo} is: a typing error?)` : '';
}

/** Values that belong together, checked as such. What is null in spite of a default has been reported already. */
function compose(v: Values, problems: Problem[]): Settings {
  const wrong = new Set(problems.map((problem) => problem.where.replace(/_FILE$/, '')));
  const clash = (where: VariableName, found: string, expected: string) => {
    if (!wrong.has(where)) problems.push({ where, found, expected });
  };
  /** Two values of which neither makes sense alone; null when neither is there. */
  const pair = (one: VariableName, first: string | null, other: VariableName, second: string | null) => {
    if (first !== null && second !== null) return [first, second] as const;
    if (first !== null) clash(other, `not set beside ${one}`, 'both or neither');
    if (second !== null) clash(one, `not set beside ${other}`, 'both or neither');
    return null;
  };

  /** A URL with its password put in, which is kept in a place of its own where URLs are no secrets. */
  const withPassword = (
    where: 'VENTIA_SOURCE_URL' | 'MESSAGING_URL',
    name: 'VENTIA_SOURCE_PASSWORD' | 'MESSAGING_PASSWORD',
  ) => {
    const [url, password] = [v[where], v[name]];
    if (password === null || url === null) return url;
    const whole = new URL(url);
    if (whole.username === '') clash(where, `without a user beside ${name}`, 'postgresql://user@host:5432/database');
    else if (whole.password !== '') clash(name, `found beside a password in ${where}`, 'only one of the two');
    else whole.password = encodeURIComponent(password);
    return whole.href;
  };

  const source = withPassword('VENTIA_SOURCE_URL', 'VENTIA_SOURCE_PASSWORD');
  const messaging = withPassword('MESSAGING_URL', 'MESSAGING_PASSWORD');
  const client = pair('KAFKA_SSL_CERT', v.KAFKA_SSL_CERT, 'KAFKA_SSL_KEY', v.KAFKA_SSL_KEY);
  const login = pair('KAFKA_SASL_USERNAME', v.KAFKA_SASL_USERNAME, 'KAFKA_SASL_PASSWORD', v.KAFKA_SASL_PASSWORD);
  const auth = pair(
    'SCHEMA_REGISTRY_USERNAME',
    v.SCHEMA_REGISTRY_USERNAME,
    'SCHEMA_REGISTRY_PASSWORD',
    v.SCHEMA_REGISTRY_PASSWORD,
  );
  const certificates = (v.KAFKA_SSL_CA ?? v.KAFKA_SSL_CERT ?? v.KAFKA_SSL_KEY) !== null;
  const mechanism = v.KAFKA_SASL_MECHANISM;
  if (v.KAFKA_SSL === false && certificates) clash('KAFKA_SSL', 'found false beside certificates', 'true');
  if (login && !mechanism) clash('KAFKA_SASL_MECHANISM', 'not set beside a user', expectation('KAFKA_SASL_MECHANISM'));
  if (mechanism && !login) clash('KAFKA_SASL_USERNAME', 'not set beside a mechanism', 'user and password');
  if (v.ADMIN_TOKEN !== null && v.ADMIN_TOKEN === v.VIEWER_TOKEN) {
    clash('VIEWER_TOKEN', 'found the same value as ADMIN_TOKEN', 'another one');
  }

  return {
    source: access(source, v.VENTIA_ADMIN_URL),
    messaging: access(messaging, v.MESSAGING_ADMIN_URL),
    kafka: {
      brokers: v.KAFKA_BROKERS ?? [],
      ssl:
        (v.KAFKA_SSL ?? certificates)
          ? { ca: v.KAFKA_SSL_CA, client: client && { cert: client[0], key: client[1] } }
          : null,
      sasl: mechanism && login ? { mechanism, username: login[0], password: login[1] } : null,
    },
    registry: {
      url: v.SCHEMA_REGISTRY_URL ?? '',
      auth: auth && { username: auth[0], password: auth[1] },
      ca: v.SCHEMA_REGISTRY_SSL_CA,
    },
    http: {
      host: v.HTTP_HOST ?? '',
      port: v.HTTP_PORT ?? 0,
      adminToken: v.ADMIN_TOKEN,
      viewerToken: v.VIEWER_TOKEN,
    },
    privacyKey: v.PRIVACY_KEY,
    logLevel: v.LOG_LEVEL ?? 'info',
    connectorsDir: v.CONNECTORS_DIR ?? '',
    contractsDir: v.CONTRACTS_DIR,
  };
}

function access(url: string | null, adminUrl: string | null): PostgresAccess | null {
  return url === null ? null : { url, adminUrl: adminUrl ?? url };
}

/** A setting that this command cannot do without. */
export function needed<T>(value: T | null, name: VariableName): T {
  if (value !== null) return value;
  const problem = { where: name, found: 'not set', expected: expectation(name) };
  throw new CdcError('settings_invalid', describeProblems('the environment', [problem]));
}
