import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { choosePorts } from '../../src/dev/stack/ports';
import type { ReadyAnswer } from '../support/service';
import { uniqueName } from '../support/stack';
import { eventually } from '../support/wait';

const ROOT = resolve(__dirname, '../..');
export const IMAGE = 'ventia-cdc';
/** Tag of the image that is built from this working copy. */
export const TAG = 'test';

const run = promisify(execFile);

export interface Ended {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

/** Runs `docker …`; rejects with what it said when it fails. */
export async function docker(...args: readonly string[]): Promise<string> {
  const { code, output } = await tryDocker(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${output}`);
  return output;
}

async function tryDocker(args: readonly string[], cwd = ROOT): Promise<Ended> {
  try {
    const { stdout, stderr } = await run('docker', [...args], { cwd, maxBuffer: 64 << 20 });
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: code ?? 1, output: `${stdout}${stderr}` };
  }
}

/** Null when an engine with Compose 2 answers, else what is missing. */
export function whatIsMissing(): string | null {
  for (const [args, what] of [
    [['info'], 'a container engine that runs'],
    [['compose', 'version'], 'the Compose plugin'],
  ] as const)
    try {
      execFileSync('docker', args, { stdio: 'ignore' });
    } catch {
      return what;
    }
  return null;
}

/** As `docker compose build` does it. */
export async function buildImage(): Promise<void> {
  const env = { ...process.env, COMPOSE_PROFILES: 'bundled', VENTIA_CDC_VERSION: TAG };
  await run('docker', ['compose', 'build', '--quiet', 'setup'], { cwd: ROOT, env });
}

export const SERVERS = ['postgres', 'kafka', 'registry'] as const;
export const SERVICE = ['capture', 'sink', 'console'] as const;

/** An installation of its own, made as the README says: the files that are needed, `.env`, secrets. */
export class Installation {
  private constructor(
    readonly folder: string,
    readonly name: string,
    private readonly variables: Map<string, string | number>,
  ) {}

  static async create(): Promise<Installation> {
    const folder = mkdtempSync(join(tmpdir(), 'ventia-compose-'));
    for (const path of ['docker-compose.yml', 'docker', 'connectors', 'schemas'])
      cpSync(join(ROOT, path), join(folder, path), { recursive: true });
    execFileSync(join(folder, 'docker/secrets.sh'));
    const ports = await choosePorts({ http: 0, postgres: 0, kafka: 0, registry: 0, prometheus: 0 });
    const variables = Object.entries(ports).map(([name, port]) => [`${name.toUpperCase()}_PORT`, port] as const);
    const installation = new Installation(folder, uniqueName('ventia').replaceAll('_', '-'), new Map(variables));
    installation.set('VENTIA_CDC_VERSION', TAG);
    return installation;
  }

  /** A variable of `.env`. */
  set(name: string, value: string | number): void {
    this.variables.set(name, value);
    const lines = [...this.variables].map(([key, set]) => `${key}=${set}\n`);
    writeFileSync(join(this.folder, '.env'), readFileSync(join(ROOT, '.env.example'), 'utf8') + lines.join(''));
  }

  port(name: string): number {
    return Number(this.variables.get(`${name}_PORT`));
  }

  secret(name: string): string {
    return join(this.folder, 'secrets', name);
  }

  try(...args: readonly string[]): Promise<Ended> {
    return tryDocker(['compose', '-p', this.name, ...args], this.folder);
  }

  async compose(...args: readonly string[]): Promise<string> {
    const { code, output } = await this.try(...args);
    if (code !== 0) throw new Error(`docker compose ${args.join(' ')}: ${output}`);
    return output;
  }

  /** Everything that works until somebody stops it, and returns when all are healthy. */
  up(...args: readonly string[]): Promise<string> {
    return this.compose('up', '-d', '--no-build', '--wait', '--quiet-pull', ...args);
  }

  async remove(): Promise<void> {
    await this.compose('--profile', '*', 'down', '--volumes', '--timeout', '15');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Rows of a query as the owner, each a list of texts. */
  async sql(text: string): Promise<string[][]> {
    const psql = [
      'psql',
      '-XqAt',
      '-F',
      '\t',
      '-v',
      'ON_ERROR_STOP=1',
      '-U',
      'postgres',
      '-d',
      'ventia_db',
      '-c',
      text,
    ];
    const output = await this.compose('exec', '-T', 'postgres', ...psql);
    return output
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t'));
  }

  /** Ids of a service's containers, or of all. */
  async containers(...service: readonly string[]): Promise<string[]> {
    return (await this.compose('ps', '-aq', ...service)).split('\n').filter(Boolean);
  }

  logs(service: string): Promise<string> {
    return this.compose('logs', '--no-color', '--no-log-prefix', service);
  }

  /** What one container of a service says at /ready. */
  async ready(service: string, index = 1): Promise<ReadyAnswer> {
    const args = ['exec', '-T', '--index', String(index), service, 'bash', 'docker/healthcheck.sh'];
    const { code, output } = await this.try(...args);
    return { ...JSON.parse(output), status: code === 0 ? 200 : 503 };
  }

  untilReady(...services: readonly string[]): Promise<boolean> {
    return eventually(
      async () => {
        for (const service of services) {
          const answer = await this.ready(service);
          if (!answer.ready) throw new Error(`${service}: ${JSON.stringify(answer)}`);
        }
        return true;
      },
      { timeoutMs: 120_000, intervalMs: 500 },
    );
  }

  notReady(service: string, code: string): Promise<boolean> {
    return eventually(
      async () => {
        expect(await this.ready(service)).toMatchObject({ status: 503, code });
        return true;
      },
      { timeoutMs: 90_000, intervalMs: 500 },
    );
  }

  /**
   * Ends a container's first process as a crash would. `docker kill` would be taken for the wish of somebody who wants it to
   * stay down, and no restart policy brings it back.
   */
  async crash(container: string): Promise<void> {
    const [before] = [await docker('inspect', '-f', '{{.State.Pid}} {{.RestartCount}}', container)];
    const [pid, restarts] = before.trim().split(' ').map(Number);
    const kill = ['-c', `kill -9 ${pid}`];
    await docker('run', '--rm', '--pid', 'host', '--user', '0', '--entrypoint', 'bash', `${IMAGE}:${TAG}`, ...kill);
    await eventually(async () => Number(await docker('inspect', '-f', '{{.RestartCount}}', container)) > restarts!, {
      timeoutMs: 60_000,
      intervalMs: 200,
    });
  }

  /** Megabytes in use, by service; the sum where it is scaled. */
  async memory(): Promise<Map<string, number>> {
    const used = new Map<string, number>();
    const lines = await docker('stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}');
    for (const line of lines.split('\n').filter((one) => one.startsWith(`${this.name}-`))) {
      const [, service = '', size, unit] = /-([a-z]+)-\d+ ([\d.]+)(\w+)/.exec(line) ?? [];
      const megabytes = Number(size) * ({ GiB: 1024, MiB: 1, KiB: 1 / 1024 }[unit!] ?? 0);
      used.set(service, (used.get(service) ?? 0) + megabytes);
    }
    return used;
  }
}
