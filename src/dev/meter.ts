import type { Outcome } from '../core/ports/sink';
import type { Readiness } from '../core/readiness';
import { type CaptureStats, type SinkStats, sumCounts } from '../core/stats';
import { type SummaryInput, summarize, workDone } from '../telemetry/summary';
import type { ChangeView, DevView, StageView } from './screen/view';
import type { Shop } from './shop/player';

/** The running service as the screen sees it. */
export interface ServiceState extends SummaryInput {
  readiness(): Readiness;
  /** The last changes the sinks applied, newest last; a few are enough. */
  outcomes(): readonly Outcome[];
}

export interface MeterInput {
  readonly profile: string;
  readonly service: ServiceState;
  /** Null with --no-demo. */
  readonly shop: Shop | null;
  readonly hints: DevView['hints'];
}

/** Rates are those of the last seconds: steady enough to be read, fresh enough to be believed. */
const WINDOW_MS = 5_000;

interface Sample {
  readonly atMs: number;
  readonly done: ReadonlyMap<string, number>;
  readonly played: number;
}

/** Makes views of the counters; rates come from the counters of some seconds ago. */
export class DevMeter {
  private readonly startedMs: number;
  private readonly samples: Sample[] = [];

  constructor(
    private readonly input: MeterInput,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.startedMs = nowMs();
    this.sample();
  }

  view(): DevView {
    const { profile, service, hints } = this.input;
    const now = this.sample();
    const before = this.samples[0]!;
    return {
      profile,
      upSeconds: (now.atMs - this.startedMs) / 1000,
      readiness: service.readiness(),
      stages: this.stages(before, now),
      changes: service.outcomes().map(change).reverse(),
      totals: totals([...service.captures.values()], [...service.sinks.values()]),
      hints,
    };
  }

  private sample(): Sample {
    const { service, shop } = this.input;
    const sample = { atMs: this.nowMs(), done: workDone(service), played: shop?.totals().actions ?? 0 };
    this.samples.push(sample);
    while (this.samples.length > 2 && sample.atMs - this.samples[1]!.atMs >= WINDOW_MS) this.samples.shift();
    return sample;
  }

  private stages(before: Sample, now: Sample): StageView[] {
    const { service, shop } = this.input;
    const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
    const played: StageView = {
      name: 'shop',
      perSecond: (now.played - before.played) / seconds,
      total: now.played,
      behind: null,
      p50Ms: null,
      p99Ms: null,
      until: '',
    };
    const running = summarize(service, before.done, now.done, seconds).map(
      ({ connector, behind, p50Ms, p99Ms }): StageView => ({
        name: connector,
        perSecond: ((now.done.get(connector) ?? 0) - (before.done.get(connector) ?? 0)) / seconds,
        total: now.done.get(connector) ?? 0,
        behind,
        p50Ms,
        p99Ms,
        until: service.captures.has(connector) ? 'Kafka' : 'messaging',
      }),
    );
    return shop === null ? running : [played, ...running];
  }
}

const OPS: Readonly<Record<Outcome['op'], string>> = {
  c: 'insert',
  u: 'update',
  d: 'delete',
  r: 'read',
  t: 'truncate',
};

function change({ commitTime, table, op, id, what }: Outcome): ChangeView {
  return { atMs: Number(commitTime / 1000n), table, op: OPS[op], id, became: what };
}

function totals(captures: readonly CaptureStats[], sinks: readonly SinkStats[]): DevView['totals'] {
  const captured = (kind: 'published' | 'deadLettered') =>
    sum(captures.flatMap(({ tables }) => [...tables.values()]).map((table) => sumCounts(table[kind])));
  return [
    { label: 'published', count: captured('published') },
    { label: 'rows written', count: sum(sinks.map((sink) => sink.rowsWritten)) },
    { label: 'dead letters', count: captured('deadLettered') + sum(sinks.map((sink) => sink.deadLetters)) },
    { label: 'conflicts', count: sum(sinks.flatMap((sink) => [...sink.conflictsByReason.values()])) },
    { label: 'parked', count: sum(sinks.map((sink) => sink.parked - sink.placed)) },
  ];
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
