import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { eventually } from './wait';

const CLI = resolve(__dirname, '../../dist/cli.js');

export type Env = Readonly<Record<string, string>>;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Sees what the command has written so far, and may end it. */
export type Watching = (stdout: string, kill: (signal: NodeJS.Signals) => void) => void;

/** A `ventia-cdc` command as its users run it: a process of its own, the built program, nothing on standard input. */
export async function runCli(args: readonly string[], env: Env, onOutput?: Watching): Promise<Finished> {
  const child = launch(args, env);
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.on('data', (chunk: Buffer) => {
      texts[name] += chunk.toString();
      onOutput?.(texts.stdout, (signal) => child.kill(signal));
    });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...texts };
}

/** A line of its log; `msg` is what happened, `code` and `fix` are there when something is wrong. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly code?: string;
  readonly fix?: string;
  readonly [field: string]: unknown;
}

export interface ReadyAnswer {
  readonly status: number;
  readonly ready: boolean;
  readonly code?: string;
  readonly reason?: string;
  readonly fix?: string;
}

/** `ventia-cdc run` while it lives. */
export class RunningService {
  private text = '';
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown>;

  constructor(connectors: readonly string[], env: Env) {
    this.child = launch(['run', ...connectors], env);
    for (const stream of [this.child.stdout, this.child.stderr])
      stream!.on('data', (chunk: Buffer) => {
        this.text += chunk.toString();
      });
    this.closed = once(this.child, 'close');
  }

  /** All it has written. */
  get output(): string {
    return this.text;
  }

  get log(): LogLine[] {
    const lines = this.text.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Null while it lives, or when a signal ended it. */
  get exitCode(): number | null {
    return this.child.exitCode;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Where it serves HTTP, from its own log. */
  async address(): Promise<string> {
    return eventually(
      () => {
        if (!this.alive) throw new Error(`it has ended:\n${this.text}`);
        return this.log.find(({ msg }) => msg === 'listening')?.url as string | undefined;
      },
      { timeoutMs: 15_000 },
    );
  }

  async readiness(): Promise<ReadyAnswer> {
    const response = await fetch(`${await this.address()}/ready`);
    return { status: response.status, ...((await response.json()) as { ready: boolean }) };
  }

  async ready(timeoutMs = 30_000): Promise<this> {
    try {
      await eventually(async () => (await this.readiness()).ready, { timeoutMs });
    } catch (error) {
      throw new Error(`not ready: ${String(error)}\n${this.text}`);
    }
    return this;
  }

  /** Alive, but not ready for this reason. */
  async notReady(code: string, withinMs: number): Promise<void> {
    try {
      await eventually(
        async () => {
          const answer = await this.readiness();
          const told = /\S/.test(answer.reason ?? '') && /\S/.test(answer.fix ?? '');
          return (
            (answer.status === 503 && answer.code === code && told) || Promise.reject(new Error(JSON.stringify(answer)))
          );
        },
        { timeoutMs: withinMs, intervalMs: 50 },
      );
    } catch (error) {
      throw new Error(`not ${code} within ${withinMs} ms: ${String(error)}\n${this.text}`);
    }
  }

  /** Sum over all series of a metric whose labels contain all of `labels`. */
  async metric(name: string, ...labels: string[]): Promise<number> {
    const text = await (await fetch(`${await this.address()}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(name) && labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Changes that nobody accounts for, by table: Invariant 4 wants none. What cannot be asked any more has none to tell. */
  async unaccounted(): Promise<string[]> {
    if (!this.alive || !this.log.some(({ msg }) => msg === 'listening')) return [];
    const answer = await fetch(`${await this.address()}/metrics`, { signal: AbortSignal.timeout(2000) }).catch(
      () => null,
    );
    const lines = ((await answer?.text()) ?? '').split('\n');
    return lines.filter((line) => line.startsWith('ventia_cdc_conservation_difference{') && !line.endsWith(' 0'));
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Ends it by the signal and waits; returns how long it took, milliseconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const started = Date.now();
    if (this.alive) this.child.kill(signal);
    await this.closed;
    return Date.now() - started;
  }
}

function launch(args: readonly string[], env: Env): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
