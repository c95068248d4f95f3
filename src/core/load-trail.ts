import type { SnapshotState } from './capture-state';

/** The offset behind the last acknowledged record, by partition (`topic/partition`). */
export type PartitionEnds = ReadonlyMap<string, bigint>;

/**
 * The progress of loads where an acknowledgement is not yet on a disk: a power cut could leave the record and take the rows
 * that it speaks of. So a record says what it relies on, where the partitions ended, and what else was surely on a disk: a life
 * that finds them shorter goes on from there. A process that was only killed loses nothing.
 */
export class LoadTrail {
  private readonly loads = new Map<
    string,
    { sure: SnapshotState | null; waiting: { state: SnapshotState; from: number }[] }
  >();

  /** `trailMs`: how long an acknowledgement may not be on a disk; 0 = it is as good as there. */
  constructor(private readonly trailMs: number) {}

  /** What of the recorded progress holds, given where the partitions end now; `none` = nothing is there. */
  found(key: string, recorded: SnapshotState, none: SnapshotState, ends: PartitionEnds, now: number): SnapshotState {
    const { relies, ...state } = recorded;
    if (!relies) {
      this.loads.set(key, { sure: state, waiting: [] });
      return state;
    }
    const there = Object.entries(relies.ends).every(([partition, end]) => (ends.get(partition) ?? 0n) >= BigInt(end));
    const sure = relies.sure ?? none;
    this.loads.set(key, { sure, waiting: there ? [{ state, from: now + this.trailMs }] : [] });
    return there ? state : sure;
  }

  /** The record of progress that is acknowledged now. */
  record(key: string, progress: SnapshotState, ends: PartitionEnds, now: number): SnapshotState {
    const { relies: _, ...state } = progress;
    if (this.trailMs === 0) return state;
    const load = this.loads.get(key) ?? { sure: null, waiting: [] };
    this.loads.set(key, load);
    load.waiting.push({ state, from: now + this.trailMs });
    const texts = Object.fromEntries([...ends].map(([partition, end]) => [partition, String(end)]));
    return { ...state, relies: { ends: texts, sure: load.sure } };
  }

  /** Kafka was found to hold, at `at`, all that it had acknowledged before: records that rely on nothing any more. */
  held(at: number): (readonly [key: string, state: SnapshotState])[] {
    const settled: (readonly [string, SnapshotState])[] = [];
    for (const [key, load] of this.loads) {
      const due = load.waiting.findLastIndex(({ from }) => from <= at);
      if (due < 0) continue;
      load.sure = load.waiting[due]!.state;
      load.waiting.splice(0, due + 1);
      if (load.waiting.length === 0) settled.push([key, load.sure]);
    }
    return settled;
  }
}
