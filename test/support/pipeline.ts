import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Profile } from '../../src/dev/demo-schema';
import { createDemoDatabases, type DemoDatabases } from './databases';
import { stack, uniqueName } from './stack';
import { eventually } from './wait';

const CLI = resolve(__dirname, '../../dist/cli.js');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `ventia-cdc` command as its users run it: a process of its own, the built program. */
export async function runCli(args: readonly string[], env: Record<string, string>): Promise<Finished> {
  const child = spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH ?? '', ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** `ventia-cdc run` while it lives. */
export class RunningService {
  private text = '';
  private readonly closed: Promise<unknown>;

  constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.text += chunk.toString();
      });
    this.closed = once(child, 'close');
  }

  get output(): string {
    return this.text;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get exitCode(): number | null {
    return this.child.exitCode;
  }

  /** Where it serves HTTP, from its own log line. */
  async address(): Promise<string> {
    return eventually(() => /http:\/\/127\.0\.0\.1:\d+/.exec(this.text)?.[0], { timeoutMs: 15_000 });
  }

  async readiness(): Promise<{ ready: boolean; code?: string; reason?: string; fix?: string }> {
    const response = await fetch(`${await this.address()}/ready`);
    return (await response.json()) as { ready: boolean };
  }

  async ready(timeoutMs = 30_000): Promise<this> {
    try {
      await eventually(async () => (await this.readiness()).ready, { timeoutMs });
    } catch (error) {
      throw new Error(`not ready: ${String(error)}\n${this.text}`);
    }
    return this;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Ends it by the signal and waits; returns how long it took, milliseconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const started = Date.now();
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.closed;
    return Date.now() - started;
  }
}

/**
 * A pipeline of its own on the shared servers: databases, slot, topics and groups of unique names, and a folder of connector
 * files that name them.
 */
export class TestPipeline {
  private readonly services: RunningService[] = [];
  readonly name = uniqueName('cdc');
  readonly topics = { tenants: `${this.name}.tenants`, orders: `${this.name}.orders` };
  readonly groups = { accounts: `${this.name}-accounts`, contacts: `${this.name}-contacts` };
  readonly connectorsDir = mkdtempSync(join(tmpdir(), 'ventia-connectors-'));

  private constructor(
    readonly databases: DemoDatabases,
    private readonly overrides: Overrides,
  ) {
    this.writeConnectors();
  }

  static async create(profile: Profile, overrides: Overrides = {}): Promise<TestPipeline> {
    return new TestPipeline(await createDemoDatabases(profile), overrides);
  }

  get env(): Record<string, string> {
    return {
      VENTIA_SOURCE_URL: this.databases.sourceUrl,
      MESSAGING_URL: this.databases.messagingUrl,
      KAFKA_BROKERS: stack().kafkaBrokers,
      SCHEMA_REGISTRY_URL: stack().registryUrl,
      CONNECTORS_DIR: this.connectorsDir,
      HTTP_PORT: '0',
      ...this.overrides.env,
    };
  }

  cli(...args: string[]): Promise<Finished> {
    return runCli(args, this.env);
  }

  async setup(): Promise<void> {
    const { code, stdout, stderr } = await this.cli('setup', '--yes');
    if (code !== 0) throw new Error(`setup failed with ${code}:\n${stdout}${stderr}`);
  }

  /** Starts the connectors (all without names) in one process; see {@link RunningService.ready}. */
  start(...connectors: string[]): RunningService {
    const child = spawn(process.execPath, [CLI, 'run', ...connectors], {
      env: { PATH: process.env.PATH ?? '', ...this.env },
    });
    const service = new RunningService(child);
    this.services.push(service);
    return service;
  }

  async drop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop('SIGKILL')));
    rmSync(this.connectorsDir, { recursive: true, force: true });
    await this.databases.drop();
  }

  private writeConnectors(): void {
    const { ventia, messaging } = this.databases.schemas;
    const state = { 'state.topic': `_${this.name}_state` };
    this.write('ventia-source', {
      'connector.class': 'ventia.PostgresSource',
      'table.include.list': `${ventia}.tenants,${ventia}.orders`,
      topics: this.topics,
      'slot.name': this.name,
      'publication.name': this.name,
      'errors.deadletterqueue.topic.name': `_${this.name}_dlq`,
      'confirm.trail.ms': 0,
      ...state,
      ...this.overrides.source,
    });
    this.write('accounts-sink', {
      'connector.class': 'ventia.AccountsSink',
      topics: [this.topics.tenants],
      'consumer.group': this.groups.accounts,
      'messaging.schema': messaging,
      ...state,
      ...this.overrides.sinks,
    });
    this.write('contacts-sink', {
      'connector.class': 'ventia.ContactsSink',
      topics: [this.topics.orders],
      'consumer.group': this.groups.contacts,
      'messaging.schema': messaging,
      ...state,
      ...this.overrides.sinks,
    });
  }

  /** The transactional id that fences is the connector's name: it must be this pipeline's own. */
  private write(file: string, config: object): void {
    const name = `${this.name}-${file}`;
    writeFileSync(join(this.connectorsDir, `${file}.json`), JSON.stringify({ name, config }));
  }
}

export interface Overrides {
  readonly env?: Record<string, string>;
  readonly source?: Record<string, unknown>;
  readonly sinks?: Record<string, unknown>;
}
