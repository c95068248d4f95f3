import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/dev/shop/random';
import type { TcpProxy } from '../support/tcp-proxy';
import type { Capture } from './captures';
import { type MortalServer, type Servers, withClient } from './servers';

export const FAULT_KINDS = [
  'capture killed',
  'capture killed while starting',
  'capture killed, stand-by takes over',
  'stand-by killed',
  'one of two captures killed',
  'capture frozen',
  'capture frozen, stand-by takes over',
  'broker killed',
  'PostgreSQL stopped at once',
  'link to PostgreSQL cut',
  'link to PostgreSQL frozen',
  'link to Kafka cut',
  'link to Kafka frozen',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const KILLS: ReadonlySet<FaultKind> = new Set(FAULT_KINDS.filter((kind) => /killed|stopped/.test(kind)));

/** Times are milliseconds since 1970. */
export interface FaultDone {
  readonly kind: FaultKind;
  readonly beginMs: number;
  readonly endMs: number;
  /** From when on the pipeline could recover; null where nobody knows whether it hit the one that streamed. */
  readonly recoversFromMs: number | null;
}

export interface FaultPlan {
  readonly seed: number;
  /** `kill -9` of capture, spread over the time. */
  readonly kills: number;
  readonly untilMs: number;
  /** From then on a second capture stands by. */
  readonly standbyFromMs: number;
  readonly signal: AbortSignal;
}

/** A freeze longer than this outlasts the server's patience with its reader. */
const LONG_FREEZE_MS = [6_500, 9_000] as const;

/** How long a trouble may take to be over before the next begins all the same. */
const PATIENCE_MS = 8_000;

/** Only then it stands by. */
const STANDBY_STARTS_MS = 2_500;

/**
 * What goes wrong, in two lanes beside each other, so that troubles meet: one for the processes of capture, one for servers
 * and links. Ends at the time of the plan with everything mended.
 */
export class Faults {
  readonly done: FaultDone[] = [];
  private captureKills = 0;
  /** Until it is over no lane begins anything. */
  private room: Promise<void> = Promise.resolve();

  constructor(
    private readonly plan: FaultPlan,
    private readonly captures: readonly [Capture, Capture],
    private readonly servers: Servers,
  ) {}

  get kills(): number {
    return this.done.filter(({ kind }) => KILLS.has(kind)).length;
  }

  async run(): Promise<void> {
    const { seed } = this.plan;
    await Promise.all([this.captureLane(new Random(seed * 7 + 1)), this.serverLane(new Random(seed * 7 + 2))]);
  }

  private get over(): boolean {
    return Date.now() >= this.plan.untilMs || this.plan.signal.aborted;
  }

  /** Whether the stand-by is there. */
  private get two(): boolean {
    return Date.now() >= this.plan.standbyFromMs;
  }

  private async captureLane(random: Random): Promise<void> {
    while (!this.over) {
      await this.gap(random);
      await this.room;
      if (this.over) break;
      if (this.two && !this.captures[1].alive) await this.bringStandby(random);
      else await this.harmCapture(random);
      this.leaveRoom(random);
    }
  }

  private async bringStandby(random: Random): Promise<void> {
    this.captures[1].start(random);
    await this.pause(STANDBY_STARTS_MS);
  }

  private async harmCapture(random: Random): Promise<void> {
    const { active, other, sure } = await this.roles(random);
    const killed = !this.two
      ? 'capture killed'
      : sure
        ? 'capture killed, stand-by takes over'
        : 'one of two captures killed';
    switch (
      random.weighted({ kill: 70, again: 12, freeze: 8, longFreeze: this.two ? 14 : 1, standby: this.two ? 7 : 0 })
    ) {
      case 'kill':
        return this.kill(killed, active, random);
      case 'again':
        await this.kill(killed, active, random);
        await this.pause(random.integer(20, 900));
        return this.kill('capture killed while starting', active, random);
      case 'freeze':
        return this.freeze(active, random.integer(300, 3_000), sure);
      case 'longFreeze':
        // It takes seconds until the stand-by may take over: nothing else begins meanwhile.
        this.room = this.freeze(active, random.integer(...LONG_FREEZE_MS), sure);
        return this.room;
      case 'standby':
        return this.kill(sure ? 'stand-by killed' : 'one of two captures killed', other, random);
    }
  }

  /** More often than not a trouble is over before the next begins: else it would never be known how long that takes. */
  private leaveRoom(random: Random): void {
    if (random.chance(0.7)) this.room = this.recovered();
  }

  /** Until what is committed now is published, and a moment; not for ever, as another trouble may be under way. */
  private async recovered(): Promise<void> {
    const giveUpMs = Date.now() + PATIENCE_MS;
    let committed: number | null = null;
    while (Date.now() < giveUpMs && !this.over) {
      await this.pause(100);
      committed ??= await this.walEnd();
      const published = await Promise.all(this.captures.map((capture) => capture.published()));
      if (committed !== null && Math.max(...published) >= committed) break;
    }
    await this.pause(200);
  }

  /** Null while PostgreSQL is away. */
  private walEnd(): Promise<number | null> {
    return withClient(this.servers.postgresUrl, async (client) => {
      const { rows } = await client.query(`SELECT (pg_current_wal_lsn() - '0/0')::float8 AS lsn`);
      return rows[0].lsn as number;
    }).catch(() => null);
  }

  /** So that the kills that are left fill the time that is left; now and then the next comes at once. */
  private gap(random: Random): Promise<void> {
    const left = Math.max(1, this.plan.kills - this.captureKills);
    const mean = (this.plan.untilMs - Date.now()) / left;
    const factor = random.chance(0.25) ? random.next() * 0.3 : 0.4 + random.next() * 1.4;
    return this.pause(mean * factor);
  }

  /** The one that streams, or the one that most likely will. */
  private async roles(random: Random): Promise<{ active: Capture; other: Capture; sure: boolean }> {
    const [a, b] = this.captures;
    if (!this.two) return { active: a, other: b, sure: true };
    const [first, second] = await Promise.all([a.active(), b.active()]);
    const sure = first !== second;
    const swap = sure ? second : random.chance(0.5);
    return swap ? { active: b, other: a, sure } : { active: a, other: b, sure };
  }

  /** Where there are two the other one takes over from the death on; one alone comes back from its restart on. */
  private async kill(kind: FaultKind, capture: Capture, random: Random): Promise<void> {
    const beginMs = Date.now();
    await capture.end('SIGKILL');
    capture.start(random);
    this.captureKills++;
    const endMs = Date.now();
    const recoversFromMs = kind === 'one of two captures killed' ? null : this.two ? beginMs : endMs;
    this.done.push({ kind, beginMs, endMs, recoversFromMs });
  }

  private async freeze(capture: Capture, ms: number, sure: boolean): Promise<void> {
    const beginMs = Date.now();
    capture.signal('SIGSTOP');
    await this.pause(ms);
    capture.signal('SIGCONT');
    const endMs = Date.now();
    const outlasted = this.two && sure && endMs - beginMs >= LONG_FREEZE_MS[0];
    const kind = outlasted ? 'capture frozen, stand-by takes over' : 'capture frozen';
    this.done.push({ kind, beginMs, endMs, recoversFromMs: outlasted ? beginMs : endMs });
  }

  private async serverLane(random: Random): Promise<void> {
    while (!this.over) {
      await this.pause(random.integer(4_000, 12_000));
      await this.room;
      if (this.over) break;
      const beginMs = Date.now();
      const { active, sure } = await this.roles(random);
      const kind = await this.harmServer(active, random);
      const endMs = Date.now();
      this.done.push({ kind, beginMs, endMs, recoversFromMs: sure || !kind.startsWith('link') ? endMs : null });
      this.leaveRoom(random);
    }
  }

  /** Resolves when it is mended. */
  private async harmServer({ links }: Capture, random: Random): Promise<FaultKind> {
    switch (random.weighted({ postgres: 4, broker: 3, cutSource: 4, cutKafka: 4, freezeSource: 3, freezeKafka: 3 })) {
      case 'postgres':
        await this.restart(this.servers.postgres, random.integer(0, 2_000));
        return 'PostgreSQL stopped at once';
      case 'broker':
        await this.restart(this.servers.kafka, random.integer(0, 2_000));
        return 'broker killed';
      case 'cutSource':
        await this.cut(links.source, random);
        return 'link to PostgreSQL cut';
      case 'cutKafka':
        await this.cut(links.kafka, random);
        return 'link to Kafka cut';
      case 'freezeSource':
        await this.freezeLink(links.source, random.integer(500, 18_000));
        return 'link to PostgreSQL frozen';
      case 'freezeKafka':
        await this.freezeLink(links.kafka, random.integer(500, 14_000));
        return 'link to Kafka frozen';
    }
  }

  private async restart(server: MortalServer, awayMs: number): Promise<void> {
    await server.kill();
    await this.pause(awayMs);
    await server.revive();
  }

  /** Resets the connections there are; every other time nobody gets through for a while. */
  private async cut(link: TcpProxy, random: Random): Promise<void> {
    if (random.chance(0.5)) return link.cut();
    await link.refuse();
    await this.pause(random.integer(100, 4_000));
    await link.accept();
  }

  private async freezeLink(link: TcpProxy, ms: number): Promise<void> {
    link.freeze();
    await this.pause(ms);
    link.pass();
  }

  /** Ends early when the time is over. */
  private async pause(ms: number): Promise<void> {
    const left = Math.min(ms, this.plan.untilMs - Date.now());
    await sleep(Math.max(0, left), undefined, { signal: this.plan.signal }).catch(() => {});
  }
}
