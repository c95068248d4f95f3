import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient } from 'pg';
import { CdcError } from '../core/errors';
import { type ConnectionOptions, clientConfig } from './connection';
import { breaksConnection, type Side, toSideError } from './errors';

export interface SessionOptions extends ConnectionOptions {
  /** Most connections at a time; 4 when not given. */
  readonly max?: number;
  /** A statement unanswered for this long is inquired about; 5 s when not given. */
  readonly silenceMs?: number;
}

const SILENCE_MS = 5_000;
/** Long, because a new connection and its prepared statements cost the first change after a pause tens of milliseconds. */
const IDLE_MS = 600_000;
/** What a slow answer may still need after the server said that it is done. */
const GRACE_MS = 500;
const CLOSE_MS = 2_000;

/**
 * Connections of one process to one database, opened when needed. What `pg` rejects with leaves here as CdcError, and a
 * connection that went silent (half-open, frozen server) is replaced within 15 s, however long statements may run.
 */
export class Sessions {
  private readonly pool: Pool;
  private readonly config: ClientConfig;
  private readonly silenceMs: number;

  /** Does not connect. Throws settings_invalid for an unusable URL. */
  constructor(
    url: string,
    private readonly side: Side,
    options: SessionOptions,
  ) {
    this.config = clientConfig(url, options);
    this.silenceMs = options.silenceMs ?? SILENCE_MS;
    this.pool = new Pool({ ...this.config, max: options.max ?? 4, idleTimeoutMillis: IDLE_MS, Client: TidyClient });
    // A connection that breaks while nobody uses it concerns nobody: the next statement gets another, or says why not.
    this.pool.on('error', () => {});
    this.pool.on('connect', (client) => client.on('error', () => {}));
  }

  /** Lends a connection to `work`; gives it back, or ends it when it must not be used again. */
  async use<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    let discard = false;
    try {
      return await work(client);
    } catch (error) {
      discard = error instanceof CdcError && breaksConnection(error);
      throw error;
    } finally {
      client.release(discard);
    }
  }

  /** Runs one statement (any promise that ends with the statement) on a lent connection, with mapped errors and the watch. */
  async run<T>(client: PoolClient, statement: () => Promise<T>): Promise<T> {
    const state = { answered: false };
    const timer = setTimeout(() => void this.watch(client, state), this.silenceMs);
    try {
      return await statement();
    } catch (error) {
      throw toSideError(this.side, error);
    } finally {
      clearTimeout(timer);
      state.answered = true;
    }
  }

  /** Ends all connections, also when the server no longer answers. */
  async close(): Promise<void> {
    if (this.pool.ending) return;
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.pool.end(), bound]).finally(() => clearTimeout(timer));
  }

  private async connect(): Promise<PoolClient> {
    try {
      return await this.pool.connect();
    } catch (error) {
      throw toSideError(this.side, error);
    }
  }

  private async watch(client: PoolClient, state: { answered: boolean }): Promise<void> {
    while (!state.answered) {
      if (!(await this.working(client))) {
        await pause(GRACE_MS);
        // Ending a client whose statement is unanswered destroys its socket; the statement rejects.
        if (!state.answered) void client.end().catch(() => {});
        return;
      }
      await pause(this.silenceMs);
    }
  }

  /** Asks over a second connection whether the server is at work for this one, and not waiting for us. */
  private async working(client: PoolClient): Promise<boolean> {
    const probe = new Client(this.config);
    probe.on('error', () => {});
    try {
      await probe.connect();
      const { rowCount } = await probe.query({
        text: `SELECT FROM pg_stat_activity WHERE pid = $1 AND state NOT LIKE 'idle%' AND wait_event_type IS DISTINCT FROM 'Client'`,
        values: [(client as unknown as { processID: number }).processID],
        query_timeout: this.silenceMs,
      } as never);
      return rowCount !== 0;
    } catch (error) {
      // A server that refuses (too many connections) is alive; about the statement it says nothing.
      return error instanceof DatabaseError;
    } finally {
      void probe.end().catch(() => {});
    }
  }
}

/** pg leaves the socket open when it ends a login by itself (no password): the server would wait a minute for the rest. */
class TidyClient extends Client {
  override connect(): Promise<Client>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<Client> | undefined {
    const connected = super.connect().catch((error) => {
      void this.end().catch(() => {});
      throw error;
    });
    if (!callback) return connected;
    connected.then(() => callback(undefined as never), callback);
    return undefined;
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());
