import { type CdcError, toCdcError } from '../core/errors';
import { Freshness } from '../core/freshness';
import type { Lsn } from '../core/lsn';
import type { Logger } from '../core/ports/log';
import type { SourceInspection } from '../core/ports/source';
import { type CaptureSight, CaptureWatch } from '../core/progress-watch';
import { notReady, type Readiness, readyWith } from '../core/readiness';
import type { CaptureStage, CaptureStats } from '../core/stats';
import { SlotWatch } from './slot-watch';

export interface UpkeepDeps {
  /** How long nothing may move while there is something to do. */
  readonly progressTimeoutMs: number;
  readonly stats: CaptureStats;
  readonly log: Logger;
  /** Confirms what may be confirmed by now: the confirmed position trails. */
  advance(): void;
  /** Tells the readers of the topics that all that was committed before this moment is there. */
  beat(untilMs: number): void;
  renewFence(): void;
  readonly renewFenceEveryMs: number;
  /** Looks at source and slot; rejects with the first trouble. */
  inspect(): Promise<SourceInspection>;
  sight(): Omit<CaptureSight, 'look'>;
  /** Why a load that is needed cannot go on, while the stream does; said in the log already. */
  loadTrouble(): CdcError | null;
  onReadiness(readiness: Readiness): void;
  /** Ends this life of capture. */
  fail(error: CdcError): void;
}

const TICK_MS = 1000;
const INSPECT_MS = 5000;
/** What was seen longer ago says nothing of now. */
const LOOK_HOLDS_MS = 12_000;
/** SQLSTATEs admin_shutdown and cannot_connect_now. */
const SHUTTING_DOWN = new Set(['57P01', '57P03']);

interface Look {
  readonly number: number;
  readonly source: SourceInspection;
  readonly at: number;
  /** Confirmed to the server when the look before was taken. */
  readonly confirmed: Lsn;
}

/** What a life of capture does by the clock, beside the stream: confirms, looks at the source, and sees whether it moves. */
export class Upkeep {
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly slotWatch: SlotWatch;
  private readonly watch: CaptureWatch;
  private readonly stages: readonly { stage: CaptureStage; freshness: Freshness; lsn: () => Lsn }[];
  private inspecting = false;
  private look: Look | null = null;
  private danger: CdcError | null = null;
  private stalled = false;
  private told: string | null = null;
  private confirmedAtLook: Lsn = 0n;

  constructor(private readonly d: UpkeepDeps) {
    this.slotWatch = new SlotWatch(d.stats, d.log);
    this.watch = new CaptureWatch(d.progressTimeoutMs);
    const { stats } = d;
    this.stages = [
      { stage: 'receive', freshness: new Freshness(), lsn: () => stats.receivedLsn },
      { stage: 'publish', freshness: new Freshness(), lsn: () => stats.publishedLsn },
      { stage: 'confirm', freshness: new Freshness(), lsn: () => stats.confirmedLsn },
    ];
  }

  /** `source`: as it was found at `atMs`, before anybody read the slot. */
  start(source: SourceInspection, atMs: number): void {
    this.note(source, atMs);
    this.tick();
    this.timers.push(
      setInterval(() => this.tick(), TICK_MS),
      setInterval(() => this.d.renewFence(), this.d.renewFenceEveryMs),
      setInterval(() => void this.inspect(), INSPECT_MS),
    );
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private tick(): void {
    const { stats } = this.d;
    this.d.advance();
    for (const { stage, freshness, lsn } of this.stages) {
      const untilMs = freshness.passed(lsn());
      if (untilMs === null) continue;
      stats.freshUntilMs[stage] = untilMs;
      if (stage === 'publish') this.d.beat(untilMs);
    }
    const look = this.look && performance.now() - this.look.at < LOOK_HOLDS_MS ? this.look : null;
    const stall = this.watch.tick({ ...this.d.sight(), look }, TICK_MS);
    if (stall?.replace) this.d.fail(stall.error);
    else this.tell(stall?.error ?? null);
  }

  /** Says what is new, once. */
  private tell(stall: CdcError | null): void {
    const { log, onReadiness } = this.d;
    const held = stall ?? this.d.loadTrouble();
    const news = held?.message ?? this.danger?.message ?? '';
    if (news === this.told) return;
    if (stall) log.warn({ code: stall.code, fix: stall.fix }, stall.message);
    else if (this.stalled) log.info({}, 'it moves again');
    this.stalled = stall !== null;
    this.told = news;
    onReadiness(held ? notReady(held) : readyWith(this.danger ? [this.danger] : []));
  }

  private async inspect(): Promise<void> {
    if (this.inspecting) return;
    this.inspecting = true;
    const startedMs = Date.now();
    try {
      const source = await this.d.inspect();
      this.look = {
        number: (this.look?.number ?? 0) + 1,
        source,
        at: performance.now(),
        confirmed: this.confirmedAtLook,
      };
      this.confirmedAtLook = this.d.stats.confirmedLsn;
      this.note(source, startedMs);
    } catch (error) {
      // Away for a moment is the stream's to notice. What needs hands ends this life, and so does a table that the next life
      // has to load again, and a server that shuts down: it waits for us, and while we do not read only a refused look tells.
      const trouble = toCdcError(error);
      if (trouble.retry === 'manual' || trouble.kind === 'table_changed' || SHUTTING_DOWN.has(trouble.sqlState ?? ''))
        this.d.fail(trouble);
    }
    this.inspecting = false;
  }

  private note(source: SourceInspection, atMs: number): void {
    for (const { freshness } of this.stages) freshness.look(source.walLsn, atMs);
    this.danger = this.slotWatch.look(source, performance.now());
  }
}
