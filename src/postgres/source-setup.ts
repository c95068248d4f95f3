import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CdcError } from '../core/errors';
import type { Database } from '../core/ports/sql';
import { openDatabase } from './database';
import type { Plan, SetupStep, SourceOptions } from './setup-step';
import { createSlot } from './slot';
import { type ExpectedSource, readSourceCatalog } from './source-catalog';
import { planSourceSetup } from './source-plan';

/** Set-up of the source database: look, show, do. */
export interface SourceSetup {
  /** What is missing now. Rejects with the CdcError of a source that cannot be asked. */
  plan(expected: ExpectedSource, options: SourceOptions): Promise<Plan>;
  /**
   * Does the steps in order. Rejects with the first problem of the plan, with setup_lock when long transactions were in the way for
   * too long, or with the statement's error; what is done stays done, and the next plan holds the rest.
   */
  apply(plan: Plan, expected: ExpectedSource, listener: SetupListener): Promise<void>;
  close(): Promise<void>;
}

export interface SetupListener {
  onStep(step: SetupStep): void;
  onSql(sql: string): void;
  /** `who` says whose transactions a statement waits for. Called again when they change. */
  onWaiting(who: string): void;
  onDone(step: SetupStep): void;
}

/** Statements of the application queue up behind ours while it waits for a lock: never longer than this. */
const LOCK_TIMEOUT_MS = 2_000;
/** Between two tries, so that the application gets through. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000];
/** What a step may take to get its locks, all tries together. */
const PATIENCE_MS = 60_000;
const WATCH_MS = 500;

/**
 * `adminUrl` is the owner's: it alters tables and publication. `url` is the capturing role's, which creates the slot, as it is the one
 * that must have the right to replicate. Does not connect yet.
 */
export function openSourceSetup(url: string, adminUrl: string, patienceMs = PATIENCE_MS): SourceSetup {
  const session = {
    applicationName: `ventia-cdc setup ${randomBytes(4).toString('hex')}`,
    // For what runs outside of a transaction: CONCURRENTLY waits long, but nobody waits behind it.
    session: { lock_timeout: `${patienceMs}` },
    max: 2,
  };
  const admin = openDatabase(adminUrl, 'source', session);
  const service = openDatabase(url, 'source', session);

  const run = async (step: SetupStep, sql: string, expected: ExpectedSource, listener: SetupListener) => {
    const attempt = async () => {
      if (step.kind === 'slot') await createSlot(service, expected.slot, patienceMs);
      else if (step.kind === 'concurrently') await admin.execute(sql);
      else await inTransaction(admin, sql);
    };
    const tries = step.kind === 'transaction' ? patienceMs : 0;
    await patiently(attempt, step.title, tries, admin, session.applicationName, listener);
  };

  return {
    plan: async (expected, options) => planSourceSetup(await readSourceCatalog(admin, expected), expected, options),
    apply: async (plan, expected, listener) => {
      const [problem] = plan.problems;
      if (problem) throw problem;
      for (const step of plan.steps) {
        listener.onStep(step);
        for (const sql of step.sql) {
          listener.onSql(sql);
          await run(step, sql, expected, listener);
        }
        listener.onDone(step);
      }
    },
    close: async () => {
      await Promise.all([admin.close(), service.close()]);
    },
  };
}

async function inTransaction(db: Database, sql: string): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await tx.execute(sql);
  });
}

/** Lock not available, statement timeout, deadlock: somebody else's transaction was in the way. */
const IN_THE_WAY = new Set(['55P03', '57014', '40P01']);

/** Tries again while locks are in the way, up to `triesMs`; says meanwhile whose they are. */
async function patiently(
  attempt: () => Promise<void>,
  title: string,
  triesMs: number,
  db: Database,
  applicationName: string,
  listener: SetupListener,
): Promise<void> {
  const deadline = Date.now() + triesMs;
  let who = '';
  const watch = async () => {
    const seen = await blockers(db, applicationName).catch(() => '');
    if (seen === '' || seen === who) return;
    who = seen;
    listener.onWaiting(who);
  };
  const timer = setInterval(() => void watch(), WATCH_MS);
  try {
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof CdcError) || !IN_THE_WAY.has(error.sqlState ?? '')) throw error;
        const wait = PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]!;
        if (Date.now() + wait > deadline) {
          throw new CdcError('setup_lock', `${title}: not done, because of ${who || 'other transactions'}`);
        }
        await pause(wait);
      }
    }
  } finally {
    clearInterval(timer);
  }
}

/** Whose transactions our statements wait for; no statement of theirs is told, it could hold data. */
async function blockers(db: Database, applicationName: string): Promise<string> {
  const rows = await db.query<{ who: string }>(
    `SELECT DISTINCT format('process %s (application "%s", user %s, in a transaction since %s)', b.pid, b.application_name, b.usename,
       to_char(b.xact_start, 'HH24:MI:SS')) AS who
     FROM pg_stat_activity me, unnest(pg_blocking_pids(me.pid)) blocking(pid) JOIN pg_stat_activity b ON b.pid = blocking.pid
     WHERE me.application_name = $1 ORDER BY 1`,
    [applicationName],
  );
  return rows.map(({ who }) => who).join(', ');
}
