import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { Profile } from '../../src/dev/demo-schema';
import { createDemoDatabases, createTestRole, type DemoDatabases, type TestRole, withClient } from './databases';
import { type Env, type Finished, RunningService, runCli } from './service';
import { stack, uniqueName } from './stack';
import { readChanges, readTopic, type TopicChange, withKafkaAdmin } from './topics';
import { eventually } from './wait';

export interface Overrides {
  readonly env?: Env;
  /** Other than the shared one. */
  readonly brokers?: string;
  readonly source?: Record<string, unknown>;
  readonly sinks?: Record<string, unknown>;
  /** Runs as roles with exactly the grants of schemas/sql/roles, and sets up as the owner. */
  readonly roles?: true;
}

/**
 * A pipeline of its own on the shared servers: databases, slot, topics and groups of unique names, and a folder of connector
 * files that name them.
 */
export class TestPipeline {
  private readonly services: RunningService[] = [];
  readonly name = uniqueName('cdc');
  readonly topics = { tenants: `${this.name}.tenants`, orders: `${this.name}.orders` };
  readonly stateTopic = `_${this.name}_state`;
  readonly deadLetterTopic = `_${this.name}_dlq`;
  readonly groups = { accounts: `${this.name}-accounts`, contacts: `${this.name}-contacts` };
  /** The transactional id that fences is the connector's name: it must be this pipeline's own. */
  readonly connectors = {
    source: `${this.name}-ventia-source`,
    accounts: `${this.name}-accounts-sink`,
    contacts: `${this.name}-contacts-sink`,
  };
  readonly connectorsDir = mkdtempSync(join(tmpdir(), 'ventia-connectors-'));

  private constructor(
    readonly databases: DemoDatabases,
    private readonly overrides: Overrides,
    private readonly cleanUp: () => Promise<void>,
    /** Null: it runs as superuser. */
    readonly roles: { readonly capture: TestRole; readonly sink: TestRole } | null = null,
  ) {
    this.writeConnectors();
  }

  static async create(profile: Profile, overrides: Overrides = {}): Promise<TestPipeline> {
    const databases = await createDemoDatabases(profile);
    if (!overrides.roles) return new TestPipeline(databases, overrides, databases.drop);
    const capture = await createTestRole(databases, 'ventia_capture');
    const sink = await createTestRole(databases, 'ventia_sink');
    const env = {
      VENTIA_SOURCE_URL: capture.url,
      VENTIA_ADMIN_URL: databases.sourceUrl,
      MESSAGING_URL: sink.url,
      MESSAGING_ADMIN_URL: databases.messagingUrl,
      ...overrides.env,
    };
    const drop = async () => {
      await capture.drop();
      await sink.drop();
      await databases.drop();
    };
    return new TestPipeline(databases, { ...overrides, env }, drop, { capture, sink });
  }

  /** On databases of a server that the caller has started, and ends. */
  static on(databases: DemoDatabases, overrides: Overrides = {}): TestPipeline {
    return new TestPipeline(databases, overrides, databases.drop);
  }

  /** Another pipeline from the same source into a messaging database of its own. */
  static async beside({ databases: first }: TestPipeline, overrides: Overrides = {}): Promise<TestPipeline> {
    const own = await createDemoDatabases(first.profile);
    return new TestPipeline({ ...own, sourceUrl: first.sourceUrl }, overrides, own.drop);
  }

  get brokers(): string {
    return this.overrides.brokers ?? stack().kafkaBrokers;
  }

  /** Every record of a table's topic. */
  changes(table: 'tenants' | 'orders'): Promise<TopicChange[]> {
    return readChanges(this.topics[table], this.brokers);
  }

  /** With the source on another server, and messaging on the shared one. */
  static async withSource(sourceUrl: string, overrides: Overrides = {}): Promise<TestPipeline> {
    const own = await createDemoDatabases('seed');
    return new TestPipeline({ ...own, sourceUrl }, overrides, own.drop);
  }

  get env(): Env {
    return {
      VENTIA_SOURCE_URL: this.databases.sourceUrl,
      MESSAGING_URL: this.databases.messagingUrl,
      KAFKA_BROKERS: this.brokers,
      SCHEMA_REGISTRY_URL: stack().registryUrl,
      CONNECTORS_DIR: this.connectorsDir,
      HTTP_PORT: '0',
      ...this.overrides.env,
    };
  }

  cli(...args: string[]): Promise<Finished> {
    return runCli(args, this.env);
  }

  /** {@link cli} with other settings. */
  cliWith(env: Env, ...args: string[]): Promise<Finished> {
    return runCli(args, { ...this.env, ...env });
  }

  /** `setup --yes`; gives what it printed. */
  async setup(): Promise<string> {
    const { code, stdout, stderr } = await this.cli('setup', '--yes');
    if (code !== 0) throw new Error(`setup failed with ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  /** Starts the connectors (all without names) in one process; see {@link RunningService.ready}. */
  start(...connectors: string[]): RunningService {
    return this.startWith({}, ...connectors);
  }

  /** {@link start} with other settings. */
  startWith(env: Env, ...connectors: string[]): RunningService {
    const service = new RunningService(connectors, { ...this.env, ...env });
    this.services.push(service);
    return service;
  }

  /** Those that were started and still live. */
  get running(): RunningService[] {
    return this.services.filter((service) => service.alive);
  }

  /** All that its services have written. */
  get output(): string {
    return this.services.map((service) => service.output).join('\n');
  }

  /** Ends what runs, in good order. */
  async stop(): Promise<void> {
    expectNone(await this.unaccounted());
    await Promise.all(this.running.map((service) => service.stop()));
  }

  /** Work in Ventia's database, as its owner. */
  source<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return withClient(this.databases.sourceUrl, work);
  }

  /** Work in Messaging's database, as its owner. */
  messaging<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return withClient(this.databases.messagingUrl, work);
  }

  /** Waits until all that is committed in the source now is in the topics, the first load with it. */
  async captured(timeoutMs = 30_000): Promise<void> {
    await this.source(async (client) => {
      await eventually(() => this.loaded(), { timeoutMs, intervalMs: 100 });
      const { rows } = await client.query('SELECT pg_current_wal_lsn() AS lsn');
      await eventually(
        async () => {
          const slots = await client.query(
            'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn >= $2',
            [this.name, rows[0].lsn],
          );
          return slots.rowCount === 1;
        },
        { timeoutMs },
      );
    });
  }

  /** Waits until both groups have committed the offsets of all records that the topics hold now. */
  async applied(timeoutMs = 30_000): Promise<void> {
    await withKafkaAdmin(async (admin) => {
      for (const [groupId, topic] of [
        [this.groups.accounts, this.topics.tenants],
        [this.groups.contacts, this.topics.orders],
      ] as const) {
        const last = new Map(
          (await readTopic(topic, this.brokers)).map(({ partition, offset }) => [partition, offset]),
        );
        await eventually(
          async () => {
            const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
            return committed!.partitions.every(
              ({ partition, offset }) => BigInt(offset) > (last.get(partition) ?? -2n),
            );
          },
          { timeoutMs, intervalMs: 50 },
        );
      }
    }, this.brokers);
  }

  /** {@link captured}, then {@link applied}. */
  async caughtUp(timeoutMs = 30_000): Promise<void> {
    await this.captured(timeoutMs);
    await this.applied(timeoutMs);
  }

  /** Every row that a sink may write, with what tells a rewritten row from one that was left alone. */
  async messagingRows(): Promise<unknown[]> {
    const { messaging } = this.databases.schemas;
    return this.messaging(async (client) => {
      const tables = ['accounts', 'labels', 'contacts'].map(
        (table) =>
          `SELECT '${table}' AS table, id::text, xmin::text, ctid::text, to_jsonb(t) AS row FROM ${messaging}.${table} t`,
      );
      return (await client.query(`${tables.join(' UNION ALL ')} ORDER BY 1, 2`)).rows;
    });
  }

  async drop(): Promise<void> {
    const lost = await this.unaccounted();
    await Promise.all(this.services.map((service) => service.stop('SIGKILL')));
    rmSync(this.connectorsDir, { recursive: true, force: true });
    await this.cleanUp();
    await withKafkaAdmin(async (admin) => {
      const ours = (await admin.listTopics()).filter((topic) => topic.includes(this.name));
      await admin.deleteTopics({ topics: ours });
    }, this.brokers);
    expectNone(lost);
  }

  private async unaccounted(): Promise<string[]> {
    return (await Promise.all(this.running.map((service) => service.unaccounted()))).flat();
  }

  private async loaded(): Promise<boolean> {
    const done = new Map<string, boolean>();
    for (const { key, value } of await readTopic(this.stateTopic, this.brokers)) {
      const table = /^[^/]+\/snapshot\/(.+)$/.exec(key?.toString() ?? '')?.[1];
      if (table !== undefined) done.set(table, value !== null && JSON.parse(value.toString()).status === 'done');
    }
    return done.size === 2 && [...done.values()].every(Boolean);
  }

  private writeConnectors(): void {
    const { ventia, messaging } = this.databases.schemas;
    const state = { 'state.topic': this.stateTopic };
    this.write('ventia-source', {
      'connector.class': 'ventia.PostgresSource',
      'table.include.list': `${ventia}.tenants,${ventia}.orders`,
      topics: this.topics,
      'slot.name': this.name,
      'publication.name': this.name,
      'errors.deadletterqueue.topic.name': this.deadLetterTopic,
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

  private write(file: string, config: object): void {
    const name = `${this.name}-${file}`;
    writeFileSync(join(this.connectorsDir, `${file}.json`), JSON.stringify({ name, config }));
  }
}

/** Asserted whenever a pipeline is stopped or dropped. */
function expectNone(unaccounted: readonly string[]): void {
  if (unaccounted.length > 0) throw new Error(`changes that nobody accounts for: ${unaccounted.join(', ')}`);
}
