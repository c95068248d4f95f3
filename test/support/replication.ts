import { Client } from 'pg';
import type { CdcError } from '../../src/core/errors';
import { type Lsn, parseLsn } from '../../src/core/lsn';
import type { ReplicationStream, StreamHandlers } from '../../src/core/ports/source';
import { PgoutputDecoder } from '../../src/postgres/pgoutput';
import { createReplicationStream, type ReplicationStreamOptions } from '../../src/postgres/stream';
import { type PlainMessage, plainMessage } from './plain-message';
import { createDatabase, uniqueName } from './stack';

/** A database with a publication of all tables and a slot that begins where the caller's `schema` ends. */
export interface Source {
  readonly url: string;
  readonly client: Client;
  readonly slot: string;
  readonly publication: string;
  /** Opened on it; `drop` stops those that a failed test left running. */
  readonly streams: ReplicationStream[];
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Of the slot. */
  confirmedFlush(): Promise<Lsn>;
  /** Process id of the slot's reader; null when there is none. */
  reader(): Promise<number | null>;
  drop(): Promise<void>;
}

export async function createSource(prefix: string, schema: string): Promise<Source> {
  const database = await createDatabase(prefix);
  const client = new Client({ connectionString: database.url });
  client.on('error', () => {});
  await client.connect();
  const slot = uniqueName(prefix);
  const publication = 'captured';
  await client.query(schema);
  await client.query(`CREATE PUBLICATION ${publication} FOR ALL TABLES`);
  await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]);
  const sql: Source['sql'] = async (text, values) => (await client.query(text, values)).rows;
  const slotRow = async () => (await sql('SELECT * FROM pg_replication_slots WHERE slot_name = $1', [slot]))[0];
  const streams: ReplicationStream[] = [];
  return {
    url: database.url,
    client,
    slot,
    publication,
    streams,
    sql,
    confirmedFlush: async () => parseLsn((await slotRow())?.confirmed_flush_lsn as string),
    reader: async () => ((await slotRow())?.active_pid ?? null) as number | null,
    drop: async () => {
      await Promise.all(streams.map((stream) => stream.stop()));
      await client.end();
      await database.drop();
    },
  };
}

export interface Received {
  readonly message: PlainMessage;
  readonly lsn: Lsn;
}

/** Handlers that decode and keep everything. */
export class Recorder implements StreamHandlers {
  readonly received: Received[] = [];
  readonly keepalives: Lsn[] = [];
  /** Names of what came, in the order of the wire. */
  readonly order: string[] = [];
  readonly ends: CdcError[] = [];
  private readonly decoder = new PgoutputDecoder();

  onMessage(payload: Buffer, lsn: Lsn): void {
    const message = plainMessage(this.decoder.decode(payload));
    this.received.push({ message, lsn });
    this.order.push(message.type);
  }

  onKeepalive(walEnd: Lsn): void {
    this.keepalives.push(walEnd);
    this.order.push('keepalive');
  }

  onEnd(error: CdcError): void {
    this.ends.push(error);
  }

  of(type: PlainMessage['type']): PlainMessage[] {
    return this.received.map(({ message }) => message).filter((message) => message.type === type);
  }

  /** First columns of the inserted rows, as text. */
  get inserted(): string[] {
    return this.of('insert').map((message) => (message.after as { text: string }[])[0]!.text);
  }

  /** End LSNs of the transactions. */
  get commitEnds(): Lsn[] {
    return this.of('commit').map((message) => message.endLsn as Lsn);
  }
}

/** A stream on the source's slot, begun, with its recorder. */
export async function startRecording(
  source: Source,
  options: Partial<ReplicationStreamOptions> = {},
): Promise<{ stream: ReplicationStream; recorder: Recorder }> {
  const recorder = new Recorder();
  const stream = openStream(source, options);
  await stream.start(recorder);
  return { stream, recorder };
}

export function openStream(source: Source, options: Partial<ReplicationStreamOptions> = {}): ReplicationStream {
  const stream = createReplicationStream({
    url: source.url,
    applicationName: source.slot,
    slot: source.slot,
    publications: [source.publication],
    confirmed: 0n,
    ...options,
  });
  source.streams.push(stream);
  return stream;
}
