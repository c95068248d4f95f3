import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../src/dev/shop/random';
import { startKafkaProxy } from '../support/kafka-proxy';
import { type Env, RunningService, runCli } from '../support/service';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { eventually } from '../support/wait';

export const CONNECTOR = 'ventia-source';
export const TOPICS = { tenants: 'ventia.tenants', orders: 'ventia.orders' } as const;
export const SLOT = 'ventia_cdc';

/**
 * Ways to run it. What is confirmed at once shows what is lost by confirming too soon; what is confirmed late is read again
 * and shows what is written twice; small batches tear transactions apart.
 */
const WAYS = [
  { 'confirm.trail.ms': 0 },
  { 'confirm.trail.ms': 0, 'max.batch.bytes': 65_536 },
  { 'confirm.trail.ms': 1_500, 'max.batch.bytes': 65_536 },
  { 'confirm.trail.ms': 'auto' },
] as const;

export interface CaptureAddresses {
  readonly sourceUrl: string;
  /** Of the owner, for setup. */
  readonly adminUrl: string;
  readonly brokers: string;
  readonly registryUrl: string;
}

/** A folder with the connector's file for each of {@link WAYS}. */
function writeConnectors(dir: string): string[] {
  return WAYS.map((way, i) => {
    const folder = join(dir, `connectors-${i}`);
    mkdirSync(folder, { recursive: true });
    const config = {
      'connector.class': 'ventia.PostgresSource',
      topics: TOPICS,
      'slot.name': SLOT,
      'snapshot.chunk.rows': 100,
      ...way,
    };
    writeFileSync(join(folder, 'ventia-source.json'), JSON.stringify({ name: CONNECTOR, config }));
    return folder;
  });
}

/** `ventia-cdc run` with links of its own to PostgreSQL and Kafka; one that ended is replaced by `start`. */
export class Capture {
  private service: RunningService | null = null;
  /** What earlier processes wrote. */
  private readonly outputs: string[] = [];

  private constructor(
    readonly name: string,
    readonly links: { readonly source: TcpProxy; readonly kafka: TcpProxy },
    private readonly env: Env,
    private readonly folders: readonly string[],
  ) {}

  static async prepare(name: string, dir: string, at: CaptureAddresses): Promise<Capture> {
    const links = { source: await startTcpProxy(at.sourceUrl), kafka: await startKafkaProxy(at.brokers) };
    const env = {
      VENTIA_SOURCE_URL: links.source.through(at.sourceUrl),
      VENTIA_ADMIN_URL: at.adminUrl,
      KAFKA_BROKERS: `127.0.0.1:${links.kafka.port}`,
      SCHEMA_REGISTRY_URL: at.registryUrl,
      HTTP_PORT: '0',
    };
    return new Capture(name, links, env, writeConnectors(dir));
  }

  async setup(): Promise<void> {
    const { code, stdout, stderr } = await runCli(['setup', '--yes'], this.environment(0));
    if (code !== 0) throw new Error(`setup ended with ${code}:\n${stdout}${stderr}`);
  }

  /** In one of the ways, by chance; without it in the first. */
  start(random: Random | null): void {
    const way = random ? random.integer(0, WAYS.length - 1) : 0;
    this.service = new RunningService([], this.environment(way));
  }

  get alive(): boolean {
    return this.service?.alive ?? false;
  }

  /** It says that it streams; false, too, while it starts or does not answer at once. */
  async active(): Promise<boolean> {
    return (await this.ask('ready'))?.ok ?? false;
  }

  /** How far it says to have published, as an LSN. */
  async published(): Promise<number> {
    const metrics = (await (await this.ask('metrics'))?.text()) ?? '';
    return Number(/^ventia_cdc_lsn\{.*stage="published".*\} (\S+)/m.exec(metrics)?.[1] ?? 0);
  }

  /** By table, the changes that it does not account for; empty when it does not answer at once. */
  async conservation(): Promise<{ table: string; difference: number }[]> {
    const metrics = (await (await this.ask('metrics'))?.text().catch(() => '')) ?? '';
    const found = metrics.matchAll(/^ventia_cdc_conservation_difference\{.*table="([^"]+)".*\} (\S+)/gm);
    return [...found].map(([, table, difference]) => ({ table: table!, difference: Number(difference) }));
  }

  signal(name: NodeJS.Signals): void {
    this.service?.signal(name);
  }

  /** Ends the process; resolves when it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.service) return;
    this.service.signal('SIGCONT');
    await this.service.stop(signal);
    this.outputs.push(this.service.output);
    this.service = null;
  }

  /** Resolves when it streams and has no load left to do. */
  async settled(timeoutMs: number): Promise<void> {
    await this.service!.ready(timeoutMs);
    const url = await this.service!.address();
    await eventually(
      async () => {
        const metrics = await (await fetch(`${url}/metrics`)).text();
        return [...metrics.matchAll(/^ventia_cdc_snapshot_done\{.*\} (\d)/gm)].every(([, done]) => done === '1');
      },
      { timeoutMs, intervalMs: 500 },
    );
  }

  get output(): string {
    return [...this.outputs, this.service?.output ?? ''].join('\n');
  }

  async close(): Promise<void> {
    await this.end('SIGKILL');
    await Promise.all(Object.values(this.links).map((link) => link.close()));
  }

  private async ask(what: 'ready' | 'metrics'): Promise<Response | null> {
    const url = this.service?.log.find(({ msg }) => msg === 'listening')?.url;
    if (url === undefined) return null;
    return fetch(`${url}/${what}`, { signal: AbortSignal.timeout(400) }).catch(() => null);
  }

  private environment(way: number): Env {
    return { ...this.env, CONNECTORS_DIR: this.folders[way]! };
  }
}
