import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CdcError } from '../../core/errors';

export interface ProcessSpec {
  /** Names the pid file and the log in `dir`. */
  readonly name: string;
  readonly command: string;
  /** Must hold `dir` somewhere, by which a leftover of an earlier run is known from a stranger with its number. */
  readonly args: readonly string[];
  readonly dir: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Asks the server to end in good order. */
  readonly stopSignal: NodeJS.Signals;
  /** Ends it when it has not done so within 10 s. */
  readonly killSignal: NodeJS.Signals;
  /** Only as root: run as this user instead. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface ServerProcess {
  readonly pid: number;
  /** Resolves when the process is gone, whoever ended it. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 25;

/**
 * Starts a server in a session of its own, so that the terminal's Ctrl-C reaches us first and we end it in order. On Linux
 * the kernel ends it in good order also when we are killed; what is left anyway is ended here before the next start.
 */
export async function launch(spec: ProcessSpec): Promise<ServerProcess> {
  await mkdir(spec.dir, { recursive: true });
  await endLeftover(spec);

  const log = openSync(join(spec.dir, `${spec.name}.log`), 'w');
  const { command, args, identity } = withParentDeathSignal(spec);
  const child = spawn(command, args, {
    cwd: spec.dir,
    env: { ...process.env, ...spec.env },
    detached: true,
    stdio: ['ignore', log, log],
    ...identity,
  });
  closeSync(log);
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  const pid = child.pid!;
  const pidFile = pidFileOf(spec);
  writeFileSync(pidFile, String(pid));

  const exited = gone(child).then(() => rmSync(pidFile, { force: true }));
  return { pid, exited, stop: () => end(pid, spec, exited) };
}

/**
 * Waits until `probe` says true. Rejects when the process ends before (with the last lines of its log) or the time is over.
 */
export async function untilReady(
  server: ServerProcess,
  spec: Pick<ProcessSpec, 'name' | 'dir'>,
  probe: () => Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (ended) throw startFailed(spec, 'ended while starting');
    if (await probe().catch(() => false)) return;
    if (Date.now() > deadline) {
      await server.stop();
      throw startFailed(spec, `was not ready within ${timeoutMs / 1000} s`);
    }
    await sleep(POLL_MS);
  }
}

/** The path of a program on PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function startFailed(spec: Pick<ProcessSpec, 'name' | 'dir'>, what: string): CdcError {
  const log = join(spec.dir, `${spec.name}.log`);
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-8) : [];
  return new CdcError('stack_failed', `${spec.name} ${what}\n${lines.map((line) => `  ${line}`).join('\n')}`, {
    fix: `Read ${log}; ventia-cdc dev --reset starts with empty data.`,
  });
}

/** A setuid parent loses the signal at exec, so setpriv sets it last; it also lets root's PostgreSQL enter private folders. */
function withParentDeathSignal(spec: ProcessSpec) {
  const setpriv = process.platform === 'linux' ? findProgram('setpriv') : undefined;
  if (setpriv === undefined) return { command: spec.command, args: spec.args, identity: spec.user ?? {} };
  const user =
    spec.user === undefined
      ? []
      : [
          `--reuid=${spec.user.uid}`,
          `--regid=${spec.user.gid}`,
          '--clear-groups',
          '--inh-caps=+dac_override',
          '--ambient-caps=+dac_override',
        ];
  const signal = spec.stopSignal.replace('SIG', '');
  return {
    command: setpriv,
    args: [`--pdeathsig=${signal}`, ...user, '--', spec.command, ...spec.args],
    identity: {},
  };
}

/** Ends what an earlier run left behind in this folder under this name, and waits until it is gone. */
export async function endLeftover(
  spec: Pick<ProcessSpec, 'name' | 'dir' | 'stopSignal' | 'killSignal'>,
): Promise<void> {
  const pidFile = pidFileOf(spec);
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const ours = Number.isInteger(pid) && pid > 1 && commandLine(pid).includes(spec.dir);
  if (ours) await end(pid, spec, untilGone(pid));
  rmSync(pidFile, { force: true });
}

const pidFileOf = ({ dir, name }: Pick<ProcessSpec, 'name' | 'dir'>): string => join(dir, `${name}.pid`);

async function end(
  pid: number,
  spec: Pick<ProcessSpec, 'stopSignal' | 'killSignal'>,
  exited: Promise<void>,
): Promise<void> {
  signal(pid, spec.stopSignal);
  const timer = setTimeout(() => signal(pid, spec.killSignal), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

async function untilGone(pid: number): Promise<void> {
  while (signal(pid, 0) && !isZombie(pid)) await sleep(POLL_MS);
}

/** False when there is no such process any more. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Where nobody reaps orphans (a container without init) a dead leftover keeps its number. */
function isZombie(pid: number): boolean {
  return process.platform === 'linux' && commandLine(pid) === '';
}

/** Empty when there is no such process. */
export function commandLine(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'latin1' }).trim();
  } catch {
    return '';
  }
}
