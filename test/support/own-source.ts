import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { applyDemoSchema, DEMO_SCHEMAS } from '../../src/dev/demo-schema';
import { choosePorts } from '../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../src/dev/stack/postgres';
import { type DemoDatabases, runner, withClient } from './databases';
import { eventually } from './wait';

type Settings = Readonly<Record<string, string | number>>;

/** A PostgreSQL server with the demo schema, for what must not be done to servers that others use. */
export class OwnSource {
  private server: Postgres | null = null;

  private constructor(
    private readonly dir: string,
    readonly port: number,
    private settings: Settings,
  ) {}

  static async start(settings: Settings = {}): Promise<OwnSource> {
    const dir = await mkdtemp(join(tmpdir(), 'ventia-cdc-source-'));
    const { port } = await choosePorts({ port: 0 });
    const source = new OwnSource(dir, port, { max_connections: 40, fsync: 'off', ...settings });
    await source.begin();
    await source.run((client) => applyDemoSchema('seed', runner(client), runner(client)));
    return source;
  }

  get url(): string {
    return `postgresql://postgres:postgres@127.0.0.1:${this.port}/postgres`;
  }

  get databases(): DemoDatabases {
    const schemas = DEMO_SCHEMAS.seed;
    return { profile: 'seed', sourceUrl: this.url, messagingUrl: this.url, schemas, drop: () => this.end() };
  }

  run<T>(work: Parameters<typeof withClient<T>>[1]): Promise<T> {
    return withClient(this.url, work);
  }

  async query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return this.run(async (client) => (await client.query(text, values)).rows);
  }

  /** On the same port; `settings` add to those there are. */
  async begin(settings: Settings = {}): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    this.server = await startPostgres({ dir: this.dir, port: this.port, settings: this.settings });
  }

  async halt(): Promise<void> {
    await this.server?.stop();
    this.server = null;
  }

  /** Copies all data while the server is down. */
  async backUp(): Promise<void> {
    await this.halt();
    await copy(join(this.dir, 'data'), join(this.dir, 'backup'));
    await this.begin();
  }

  /** Puts the data of {@link backUp} in place of those there are, as after a disk was lost. */
  async restore(): Promise<void> {
    await this.halt();
    await copy(join(this.dir, 'backup'), join(this.dir, 'data'));
    await this.begin();
  }

  /** A stand-by of this server, made while it runs, which takes over its slots from PostgreSQL 17 on. */
  async standBy(): Promise<OwnSource> {
    const dir = await mkdtemp(join(tmpdir(), 'ventia-cdc-standby-'));
    const { port } = await choosePorts({ port: 0 });
    await this.run(async (client) => {
      await client.query(`SELECT pg_create_physical_replication_slot('stand_by', true)`);
      await client.query(`SELECT pg_backup_start('stand_by', true)`);
      await copy(join(this.dir, 'data'), join(dir, 'data'));
      const { rows } = await client.query('SELECT labelfile FROM pg_backup_stop(false)');
      await writeFile(join(dir, 'data', 'backup_label'), rows[0].labelfile);
    });
    for (const leftover of ['postmaster.pid', 'pg_replslot'])
      await rm(join(dir, 'data', leftover), { recursive: true });
    await promisify(execFile)('cp', ['-a', join(dir, 'data', 'pg_twophase'), join(dir, 'data', 'pg_replslot')]);
    await writeFile(join(dir, 'data', 'standby.signal'), '');
    const standBy = new OwnSource(dir, port, {
      ...this.settings,
      primary_conninfo: `host=127.0.0.1 port=${this.port} user=postgres password=postgres dbname=postgres`,
      primary_slot_name: 'stand_by',
      hot_standby_feedback: 'on',
    });
    await standBy.begin();
    return standBy;
  }

  /** Waits until this stand-by has the primary's slot `name`, ready for a promotion. */
  async synced(name: string): Promise<void> {
    await eventually(
      async () => {
        await this.query('SELECT pg_sync_replication_slots()');
        const [slot] = await this.query('SELECT synced, temporary FROM pg_replication_slots WHERE slot_name = $1', [
          name,
        ]);
        return slot?.synced === true && slot.temporary === false;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
  }

  /** Takes the port and the place of `primary`, which is gone then. */
  async takeOver(primary: OwnSource): Promise<OwnSource> {
    await primary.halt();
    await this.halt();
    const successor = new OwnSource(this.dir, primary.port, this.settings);
    await successor.begin();
    await successor.query('SELECT pg_promote(true)');
    await eventually(async () => (await successor.query('SELECT pg_is_in_recovery() AS it'))[0]!.it === false);
    return successor;
  }

  async end(): Promise<void> {
    await this.halt();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** With owners, which PostgreSQL insists on. */
async function copy(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await promisify(execFile)('cp', ['-a', from, to]);
}
