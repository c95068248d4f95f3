import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareDatabases } from '../../src/dev/databases';
import { Random } from '../../src/dev/shop/random';
import { eventually } from '../support/wait';
import { Capture, SLOT, TOPICS } from './captures';
import { auditedSoFar, installAudit, readTruth } from './check/audit';
import { check, type Verdict } from './check/check';
import { readTopics, type TopicContents } from './check/topics';
import { Conservation } from './conservation';
import { Faults } from './faults';
import { type MeasuredFault, measure } from './recovery';
import { type Servers, startServers, withClient } from './servers';
import { Timeline } from './timeline';
import { Session, World } from './workload/session';
import { STEPS } from './workload/steps';
import { Workload, type WorkloadTotals } from './workload/workload';

export interface ChaosOptions {
  readonly seconds: number;
  readonly seed: number;
  /** `kill -9` of capture. */
  readonly kills: number;
  /** Leave data and logs also when nothing is wrong. */
  readonly keep?: boolean;
  /** Aborted = stop where it is and clean up. */
  readonly signal: AbortSignal;
  /** Told what goes on, from time to time. */
  progress(line: string): void;
}

export interface ChaosResult {
  readonly verdict: Verdict;
  readonly faults: readonly MeasuredFault[];
  readonly totals: WorkloadTotals;
  readonly kills: number;
  /** Asked every second, while they lived. */
  readonly conservation: Conservation;
  /** From the end of all faults until everything was in the topics; null = it was not, within {@link SETTLE_MS}. */
  readonly settledMs: number | null;
  /** Data and logs, kept where something is wrong. */
  readonly kept: string | null;
}

const CLIENTS = 5;
const ROWS_BEFORE = { tenants: 12, orders: 6_000 };
export const SETTLE_MS = 90_000;

/** Runs it, from servers in an empty folder to the verdict. Everything that it started is ended when it resolves or rejects. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const dir = mkdtempSync(join(tmpdir(), 'ventia-chaos-'));
  const ends: (() => Promise<unknown>)[] = [];
  let kept = true;
  try {
    options.progress('starting PostgreSQL, Kafka and the schema registry');
    const servers = await startServers(dir, options.progress);
    ends.push(() => servers.stop());
    const run = await ChaosRun.prepare(options, dir, servers);
    ends.push(() => run.close());
    const result = await run.play();
    kept = !isClean(result) || options.keep === true;
    return { ...result, kept: kept ? dir : null };
  } catch (error) {
    if (!options.signal.aborted) options.progress(`data and logs: ${dir}`);
    throw error;
  } finally {
    for (const end of ends.reverse()) await end();
    if (!kept || options.signal.aborted) rmSync(dir, { recursive: true, force: true });
  }
}

export function isClean({
  verdict,
  conservation,
  settledMs,
}: Pick<ChaosResult, 'conservation' | 'settledMs'> & { readonly verdict: Pick<Verdict, 'faults'> }): boolean {
  const found = [...Object.values(verdict.faults), ...conservation.differences.values()];
  return settledMs !== null && found.every((count) => count === 0);
}

class ChaosRun {
  private timeline: Timeline | null = null;

  private constructor(
    private readonly o: ChaosOptions,
    private readonly dir: string,
    private readonly servers: Servers,
    private readonly adminUrl: string,
    private readonly captures: readonly [Capture, Capture],
    private readonly world: World,
    private readonly auditedBefore: number,
  ) {}

  /** Tables with the audit, and rows from before. */
  static async prepare(o: ChaosOptions, dir: string, servers: Servers): Promise<ChaosRun> {
    const { sourceUrl, sourceAdminUrl: adminUrl } = await prepareDatabases(servers.postgresUrl, 'seed');
    const world = new World();
    const audited = await withClient(adminUrl, async (client) => {
      await installAudit(client);
      await fill(new Session(client, new Random(o.seed), world));
      return auditedSoFar(client);
    });
    const { brokers, registryUrl } = servers;
    const at = { sourceUrl, adminUrl, brokers, registryUrl };
    const captures = [await Capture.prepare('a', dir, at), await Capture.prepare('b', dir, at)] as const;
    return new ChaosRun(o, dir, servers, adminUrl, captures, world, audited);
  }

  async play(): Promise<Omit<ChaosResult, 'kept'>> {
    const { seconds, seed, kills, signal } = this.o;
    const [first, second] = this.captures;
    await first.setup();
    const timeline = new Timeline(this.servers.brokers, Object.values(TOPICS));
    this.timeline = timeline;
    const random = new Random(seed);
    const beginMs = Date.now();
    const untilMs = beginMs + seconds * 1_000;
    const standbyFromMs = beginMs + seconds * (400 + random.integer(0, 200));
    const workload = new Workload({ url: this.adminUrl, seed, clients: CLIENTS, world: this.world });
    const faults = new Faults({ seed, kills, untilMs, standbyFromMs, signal }, this.captures, this.servers);
    const conservation = new Conservation(this.captures);
    const telling = setInterval(() => {
      void conservation.look();
      const { committed } = workload.totals;
      const passed = Math.round((Date.now() - beginMs) / 1_000);
      this.o.progress(`${passed} s  ${faults.kills} kills  ${committed} transactions  ${timeline.total} records`);
    }, 1_000);
    try {
      first.start(random);
      await Promise.all([faults.run(), this.idleTimes(workload, random, untilMs)]);
      await workload.stop();
    } finally {
      clearInterval(telling);
    }
    signal.throwIfAborted();
    this.o.progress('all mended: waiting until it has caught up');
    await Promise.all([first.end('SIGKILL'), second.end('SIGKILL')]);
    first.start(null);
    const settledMs = await this.settle();
    await conservation.look();
    await first.end('SIGTERM');
    await timeline.stop();

    this.o.progress('comparing the topics with the source');
    const topics = await this.readTopics();
    const records = [...topics.values()].flatMap((contents) => contents.records);
    const verdict = check(await this.readTruth(topics), topics);
    const measured = measure(faults.done, records, timeline);
    this.writeFindings(verdict, measured);
    return {
      verdict,
      faults: measured,
      totals: workload.totals,
      kills: faults.kills,
      conservation,
      settledMs,
    };
  }

  async close(): Promise<void> {
    await this.timeline?.stop();
    await Promise.all(this.captures.map((capture) => capture.close()));
    for (const { name, output } of this.captures) writeFileSync(join(this.dir, `capture-${name}.log`), output);
  }

  /** Now and then nobody writes for some seconds. */
  private async idleTimes(workload: Workload, random: Random, untilMs: number): Promise<void> {
    const pause = (ms: number) =>
      sleep(Math.max(0, Math.min(ms, untilMs - Date.now())), undefined, { signal: this.o.signal }).catch(() => {});
    while (Date.now() < untilMs && !this.o.signal.aborted) {
      await pause(random.integer(12_000, 30_000));
      workload.rest(random.integer(1_000, 5_000));
    }
  }

  /** All that is committed now is confirmed, so it is in the topics; milliseconds, or null when it is not in time. */
  private async settle(): Promise<number | null> {
    const beginMs = Date.now();
    try {
      await withClient(this.adminUrl, async (client) => {
        const { rows } = await client.query('SELECT pg_current_wal_insert_lsn() AS lsn');
        await eventually(
          async () => {
            const confirmed = await client.query(
              'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn >= $2',
              [SLOT, rows[0].lsn],
            );
            return confirmed.rowCount === 1;
          },
          { timeoutMs: SETTLE_MS },
        );
      });
      await this.captures[0].settled(SETTLE_MS);
      return Date.now() - beginMs;
    } catch (error) {
      this.o.progress(`it did not catch up: ${String(error).split('\n')[0]}`);
      return null;
    }
  }

  /** By table. */
  private async readTopics(): Promise<Map<string, TopicContents>> {
    const byTopic = await readTopics(this.servers.brokers, this.servers.registryUrl, Object.values(TOPICS));
    return new Map(Object.entries(TOPICS).map(([table, topic]) => [table, byTopic.get(topic)!]));
  }

  private readTruth(topics: ReadonlyMap<string, TopicContents>) {
    const columns = Object.fromEntries([...topics].map(([table, contents]) => [table, contents.columns]));
    return withClient(this.adminUrl, (client) => readTruth(client, columns, this.auditedBefore));
  }

  private writeFindings(verdict: Verdict, faults: readonly MeasuredFault[]): void {
    const happened = faults.map(({ kind, beginMs, endMs, recoveredMs }) =>
      [new Date(beginMs).toISOString(), `${endMs - beginMs} ms`, kind, `back in ${recoveredMs ?? '?'} ms`].join('  '),
    );
    writeFileSync(join(this.dir, 'faults.txt'), `${happened.join('\n')}\n`);
    writeFileSync(join(this.dir, 'differences.txt'), `${verdict.first.join('\n')}\n`);
  }
}

/** Rows from before the capture. */
async function fill(session: Session): Promise<void> {
  while (session.world.tenants.length < ROWS_BEFORE.tenants) await STEPS.addTenant(session);
  await session.run('BEGIN');
  for (let left = ROWS_BEFORE.orders; left > 0; left--) await STEPS.insert(session);
  await session.run('COMMIT');
}
