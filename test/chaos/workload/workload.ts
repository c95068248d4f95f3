import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { Random } from '../../../src/dev/shop/random';
import { Session, type World } from './session';
import { BIG_STEPS, BIG_WEIGHTS, STEP_WEIGHTS, STEPS, type Step } from './steps';

export interface WorkloadOptions {
  readonly url: string;
  readonly seed: number;
  readonly clients: number;
  readonly world: World;
}

export interface WorkloadTotals {
  committed: number;
  /** By the client's own will. */
  rolledBack: number;
  /** By the server: a row that was locked too long, a tenant that is gone, a deadlock. */
  refused: number;
  /** The server ended in the middle; whether it was committed only the audit knows. */
  cutOff: number;
}

/** SQLSTATE classes a client of a busy, dying database must expect: constraints, deadlocks, locks, shutdowns. */
const EXPECTED = /^(08|23|40|53|55|57)/;

/** Several clients of Ventia's database that write until told to stop, and come back whenever the server does. */
export class Workload {
  readonly totals: WorkloadTotals = { committed: 0, rolledBack: 0, refused: 0, cutOff: 0 };
  private readonly stopping = new AbortController();
  private readonly done: Promise<unknown>;
  private idleUntilMs = 0;

  constructor(private readonly options: WorkloadOptions) {
    this.done = Promise.all(Array.from({ length: options.clients }, (_, number) => this.live(number)));
    this.done.catch(() => {});
  }

  /** Nobody writes for a while. */
  rest(ms: number): void {
    this.idleUntilMs = Date.now() + ms;
  }

  /** Rejects when a client failed with what it should not have. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.done;
  }

  private async live(number: number): Promise<void> {
    const random = new Random(this.options.seed * 101 + number);
    while (!this.stopping.signal.aborted) {
      const client = await connect(this.options.url);
      if (!client) await sleep(40);
      else await this.work(new ClientAtWork(new Session(client, random, this.options.world), number, this.totals));
    }
  }

  /** Until told to stop, or the connection is gone. */
  private async work(client: ClientAtWork): Promise<void> {
    try {
      await client.settleDoubtful();
      while (!this.stopping.signal.aborted && client.connected) {
        if (Date.now() < this.idleUntilMs) await sleep(50);
        else await client.transaction();
      }
      await client.settleDoubtful();
    } catch (error) {
      if (!isExpected(error)) throw error;
      this.totals.cutOff++;
    } finally {
      await client.close();
    }
  }
}

async function connect(url: string): Promise<Client | null> {
  const client = new Client({ connectionString: url, lock_timeout: 1_500, statement_timeout: 20_000 });
  try {
    await client.connect();
    return client;
  } catch {
    return null;
  }
}

/** What is no DatabaseError comes from the connection. */
function isExpected(error: unknown): boolean {
  return error instanceof DatabaseError ? EXPECTED.test(error.code ?? '') : /onnection|ECONN|EPIPE/.test(String(error));
}

const FOREIGN_KEY = '23503';

/** Tenants are gone that one believed in: see which are left, and open some where nearly all are gone. */
async function lookAround(s: Session): Promise<void> {
  const { tenants } = s.world;
  tenants.splice(0, tenants.length, ...(await s.ids('SELECT id FROM ventia.tenants ORDER BY id LIMIT 30', [])));
  while (tenants.length < 5) await STEPS.addTenant(s);
}

class ClientAtWork {
  connected = true;
  private readonly prefix: string;
  private serial = 0;

  constructor(
    private readonly s: Session,
    number: number,
    private readonly totals: WorkloadTotals,
  ) {
    this.prefix = `client-${number}-`;
    s.client.on('error', () => {
      this.connected = false;
    });
  }

  /** One transaction, or a statement that is one. */
  async transaction(): Promise<void> {
    const { s, totals } = this;
    const { random } = s;
    try {
      // A server that dies may forget the last of them: then nobody else may have seen them either.
      if (random.chance(0.02)) await s.run(`SET synchronous_commit = ${random.pick(['on', 'off'])}`);
      await this.play(random.weighted({ alone: 50, several: 30, savepoints: 8, undone: 6, prepared: 4, big: 0.2 }));
    } catch (error) {
      if (!(error instanceof DatabaseError) || !isExpected(error) || /^(08|57P)/.test(error.code ?? '')) throw error;
      totals.refused++;
      await s.run('ROLLBACK');
      if (error.code === FOREIGN_KEY) await lookAround(s);
    }
    await s.pause(25);
  }

  /** Transactions that were prepared when the server or the connection ended keep their locks until somebody decides. */
  async settleDoubtful(): Promise<void> {
    const { rows } = await this.s.client.query<{ gid: string }>(
      'SELECT gid FROM pg_prepared_xacts WHERE starts_with(gid, $1)',
      [this.prefix],
    );
    for (const { gid } of rows) await this.decide(gid);
  }

  async close(): Promise<void> {
    await this.s.client.end().catch(() => {});
  }

  private async play(shape: 'alone' | 'several' | 'savepoints' | 'undone' | 'prepared' | 'big'): Promise<void> {
    const { s } = this;
    if (shape === 'alone') {
      await this.step();
      this.totals.committed++;
      return;
    }
    await s.run('BEGIN');
    if (shape === 'savepoints') await this.nested(s.random.integer(1, 3));
    else if (shape === 'big') await this.big();
    else await this.steps(s.random.integer(1, 12));
    if (shape === 'undone') {
      await s.run('ROLLBACK');
      this.totals.rolledBack++;
    } else if (shape === 'prepared') await this.prepare();
    else {
      await s.run('COMMIT');
      this.totals.committed++;
    }
  }

  private step(): Promise<void> {
    const steps: Record<string, Step> = STEPS;
    return steps[this.s.random.weighted(STEP_WEIGHTS)]!(this.s);
  }

  /** With pauses, so that transactions of several clients interleave in the WAL. */
  private async steps(count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      await this.step();
      await this.s.pause(15);
    }
  }

  private async big(): Promise<void> {
    const steps: Record<string, Step> = BIG_STEPS;
    await this.steps(this.s.random.integer(0, 2));
    await steps[this.s.random.weighted(BIG_WEIGHTS)]!(this.s);
    await this.steps(this.s.random.integer(0, 2));
  }

  private async nested(depth: number): Promise<void> {
    const { s } = this;
    await this.steps(s.random.integer(0, 3));
    await s.run(`SAVEPOINT s${depth}`);
    await this.steps(s.random.integer(1, 3));
    if (depth > 1) await this.nested(depth - 1);
    await s.run(`${s.random.chance(0.5) ? 'ROLLBACK TO' : 'RELEASE'} SAVEPOINT s${depth}`);
    await this.steps(s.random.integer(0, 2));
  }

  private async prepare(): Promise<void> {
    const gid = `${this.prefix}${++this.serial}`;
    await this.s.run(`PREPARE TRANSACTION '${gid}'`);
    await this.s.pause(100);
    await this.decide(gid);
  }

  private async decide(gid: string): Promise<void> {
    const commits = this.s.random.chance(0.7);
    await this.s.run(`${commits ? 'COMMIT' : 'ROLLBACK'} PREPARED '${gid}'`);
    if (commits) this.totals.committed++;
    else this.totals.rolledBack++;
  }
}
