import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Client } from 'pg';
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication';
import { type Deferred, deferred } from '../core/deferred';
import { CdcError, toCdcError } from '../core/errors';
import { formatLsn, type Lsn, maxLsn, parseLsn } from '../core/lsn';
import type { ReplicationStream, StreamHandlers } from '../core/ports/source';
import { clientConfig } from './connection';
import { toSourceError } from './errors';
import { GatheringReader, gatheringSocket } from './gather';
import { quoteIdentifier, quoteLiteral, validateReplicationName } from './identifiers';
import { Liveness, SESSION_TIMEOUT_MS, SILENCE_MS, statusInterval } from './liveness';

export interface ReplicationStreamOptions {
  /** `postgres://…`, of a role with REPLICATION. */
  readonly url: string;
  readonly applicationName: string;
  readonly slot: string;
  readonly publications: readonly string[];
  /** The slot's confirmed position: nothing smaller is ever reported. */
  readonly confirmed: Lsn;
  /** Column values in PostgreSQL's binary form where the type has one. */
  readonly binary?: boolean;
  /** See {@link SILENCE_MS}. */
  readonly silenceMs?: number;
}

/** What of `pg`'s Connection is used here: part of the package, not of its typings. */
interface Wire extends EventEmitter {
  readonly stream: Socket;
  endCopyFrom(): void;
}

const XLOG_DATA = 0x77; // w
const XLOG_HEADER_BYTES = 25;
const KEEPALIVE = 0x6b; // k
const KEEPALIVE_BYTES = 18;

const START_MS = 10_000;
/** A server in the middle of a large transaction does not end the stream before it has sent it: then the socket is cut. */
const STOP_MS = 1_000;

/**
 * One replication connection over pg-logical-replication 2.5.0, the only file that knows it.
 *
 * From the package: connecting, START_REPLICATION, the status message, ending. Not from it, as each of these loses data
 * or connections there (test/contract/postgres holds the proofs): its timer and automatic acknowledgement, which confirm
 * what was merely received; its flow control, which goes on after a failure and lets keepalives overtake data; its memory
 * of positions (a new instance for each connection, and always from '0/0' = the slot's own position); its parser.
 *
 * Throws settings_invalid for names that are not plain, or an unusable URL. Does not connect yet.
 */
export function createReplicationStream(options: ReplicationStreamOptions): ReplicationStream {
  return new SlotStream(options);
}

class SlotStream implements ReplicationStream {
  private readonly service: LogicalReplicationService;
  private readonly plugin: RawPgoutput;
  private readonly started: Deferred<void> = deferred();
  private state: 'new' | 'starting' | 'streaming' | 'over' = 'new';
  private handlers: StreamHandlers | null = null;
  private subscription: Promise<unknown> = Promise.resolve();
  private closing: Promise<void> | null = null;

  private wire: Wire | null = null;
  private reader: GatheringReader | null = null;
  private liveness: Liveness | null = null;
  private timer: NodeJS.Timeout | undefined;
  private held = false;
  private confirmed: Lsn;

  constructor(private readonly o: ReplicationStreamOptions) {
    this.confirmed = o.confirmed;
    this.plugin = new RawPgoutput(o, (client) => this.connected(client));
    const config = clientConfig(o.url, {
      applicationName: o.applicationName,
      session: { statement_timeout: '0' },
    });
    this.service = new LogicalReplicationService(
      { ...config, stream: gatheringSocket },
      {
        acknowledge: { auto: false, timeoutSeconds: 0 },
        flowControl: { enabled: false },
      },
    );
    this.service.on('start', () => this.copying());
    this.service.on('error', (error) => this.end(error));
  }

  start(handlers: StreamHandlers): Promise<void> {
    if (this.state !== 'new') return Promise.reject(new CdcError('internal', 'a replication stream is started once'));
    this.handlers = handlers;
    this.state = 'starting';
    this.subscription = this.service.subscribe(this.plugin, this.o.slot, '0/0').then(
      () => this.end(new CdcError('stream_broken', 'the server ended the stream')),
      (error) => this.end(error),
    );
    return this.started.promise;
  }

  pause(): void {
    this.held = true;
    this.liveness?.readingStopped();
    this.reader?.hold();
  }

  resume(): void {
    this.held = false;
    this.liveness?.readingResumed();
    this.reader?.release();
  }

  confirm(end: Lsn): void {
    if (end <= this.confirmed) return; // Invariant 3
    this.confirmed = end;
    this.sendStatus(false);
  }

  async stop(): Promise<void> {
    const streaming = this.state === 'streaming';
    if (streaming) this.sendStatus(false);
    this.finish();
    this.started.promise.catch(() => {});
    this.started.reject(new CdcError('stream_broken', 'the replication stream was stopped'));
    if (streaming && this.wire) {
      // An orderly end, so that the server has read the status and the slot is free when this resolves.
      this.wire.endCopyFrom();
      this.wire.stream.resume();
      await within(STOP_MS, this.subscription);
    }
    await this.close();
  }

  /** Connected, not yet streaming: session settings, and the bytes are ours from here on. Returns before the command is sent. */
  private async connected(client: Client): Promise<void> {
    if (this.state !== 'starting') throw new Error('stopped');
    const wire = (client as unknown as { connection: Wire }).connection;
    this.wire = wire;
    this.timer = setTimeout(() => {
      this.end(new CdcError('source_unreachable', `the server did not begin to stream within ${START_MS / 1000} s`));
    }, START_MS);
    const { rows } = await client.query(sessionQuery(this.o.slot));
    const { timeout, confirmed } = rows[0] as { timeout: number; confirmed: string | null };
    if (confirmed !== null) this.confirmed = maxLsn(this.confirmed, parseLsn(confirmed));
    this.liveness = new Liveness(statusInterval(timeout), this.o.silenceMs ?? SILENCE_MS);
    // The package's listener makes two hex strings and an event of each message: 1 us a row with the way back to a
    // number, against 0.2 us here, decoding included.
    wire.removeAllListeners('copyData');
    wire.on('copyData', ({ chunk }: { chunk: Buffer }) => this.received(chunk));
  }

  private copying(): void {
    if (this.state !== 'starting' || !this.wire) return;
    clearTimeout(this.timer);
    this.state = 'streaming';
    const liveness = this.liveness!;
    this.reader = new GatheringReader(this.wire.stream, () => liveness.heard());
    this.timer = setInterval(() => this.tick(liveness), liveness.tickMs);
    if (this.held) this.pause();
    this.started.resolve();
  }

  /** CopyData, in the order of the wire. */
  private received(chunk: Buffer): void {
    if (this.state !== 'streaming') return;
    try {
      if (chunk[0] === XLOG_DATA && chunk.length >= XLOG_HEADER_BYTES) {
        this.handlers!.onMessage(chunk.subarray(XLOG_HEADER_BYTES), chunk.readBigUInt64BE(1));
      } else if (chunk[0] === KEEPALIVE && chunk.length >= KEEPALIVE_BYTES) {
        this.handlers!.onKeepalive(chunk.readBigUInt64BE(1));
        if (chunk[17] === 1 && this.liveness!.asked()) this.sendStatus(false);
      } else
        throw new CdcError('protocol', `replication message of ${chunk.length} bytes is neither data nor keepalive`);
    } catch (error) {
      this.end(toCdcError(error));
    }
  }

  private tick(liveness: Liveness): void {
    const due = liveness.tick();
    if (due === 'status') this.sendStatus(true);
    else if (due === 'silent') this.end(new CdcError('stream_silent', 'the server does not answer'));
    else if (due === 'shutdown')
      this.end(new CdcError('stream_broken', 'the server waits for this stream to shut down'));
  }

  /**
   * Invariant 1: everything before `confirmed` may go, nothing more. The package's `acknowledge(lsn)` tells the server lsn + 1, and
   * a transaction's commit record may begin exactly at the end of the one before: that byte would lose it. Taken back here
   * and nowhere else.
   */
  private sendStatus(requestReply: boolean): void {
    if (this.state !== 'streaming' || this.confirmed === 0n) return;
    this.service.acknowledge(formatLsn(this.confirmed - 1n), requestReply).catch((error) => this.end(error));
  }

  /** The first cause counts; what follows from it is not told. */
  private end(cause: unknown): void {
    if (this.state === 'over') return;
    const streaming = this.state === 'streaming';
    const error = streaming ? whileStreaming(cause) : toSourceError(cause);
    this.finish();
    void this.close();
    if (streaming) this.handlers!.onEnd(error);
    else this.started.reject(error);
  }

  private finish(): void {
    this.state = 'over';
    clearTimeout(this.timer);
    this.reader?.close();
  }

  private close(): Promise<void> {
    this.closing ??= this.disconnect();
    return this.closing;
  }

  private async disconnect(): Promise<void> {
    this.wire?.stream.destroy();
    await this.subscription;
    await this.service.destroy();
  }
}

/** The package's plugin, for its place in the protocol only: it sends the command, with options the package does not have. */
class RawPgoutput extends PgoutputPlugin {
  private readonly publicationNames: string;

  constructor(
    private readonly o: ReplicationStreamOptions,
    private readonly connected: (client: Client) => Promise<void>,
  ) {
    super({ protoVersion: 1, publicationNames: [...o.publications] });
    validateReplicationName(o.slot, 'replication slot');
    for (const name of o.publications) validateReplicationName(name, 'publication');
    this.publicationNames = o.publications.map(quoteIdentifier).join(',');
  }

  override async start(client: Client, slot: string, lsn: string): Promise<unknown> {
    await this.connected(client);
    const binary = this.o.binary ? `, binary 'true'` : '';
    const options = `proto_version '1', publication_names '${this.publicationNames}', messages 'true'${binary}`;
    return client.query(`START_REPLICATION SLOT ${quoteIdentifier(slot)} LOGICAL ${lsn} (${options})`);
  }
}

/**
 * Lowers the session's wal_sender_timeout to ours where it is larger or 0 (= none), and reads the slot's position as late as it
 * can be read: another reader may have moved it since the caller looked.
 */
function sessionQuery(slot: string): string {
  return `
    SELECT timeout, set_config('wal_sender_timeout', timeout::text, false),
           (SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = ${quoteLiteral(slot)}) AS confirmed
    FROM (SELECT least(nullif(setting::int, 0), ${SESSION_TIMEOUT_MS}) AS timeout
          FROM pg_settings WHERE name = 'wal_sender_timeout') AS session`;
}

/** A connection that is gone is no reason to suspect the address: it worked. */
function whileStreaming(cause: unknown): CdcError {
  const error = toSourceError(cause);
  if (error.kind !== 'source_unreachable') return error;
  const sqlState = error.sqlState === undefined ? {} : { sqlState: error.sqlState };
  return new CdcError('stream_broken', error.message, { cause, ...sqlState });
}

function within(ms: number, promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    promise.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
