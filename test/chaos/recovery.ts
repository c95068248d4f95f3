import type { TopicRecord } from './check/topics';
import { FAULT_KINDS, type FaultDone, type FaultKind } from './faults';
import type { Timeline } from './timeline';

/** When nobody commits there is nothing to see. */
const BUSY_MS = 250;

/** A fault, and how long it took after it: null where nobody can tell. */
export interface MeasuredFault extends FaultDone {
  readonly recoveredMs: number | null;
}

export interface Recovery {
  readonly kind: FaultKind;
  readonly times: number;
  /** Ascending, milliseconds: until a change that was committed after the end of the fault was in its topic. */
  readonly recoveredMs: readonly number[];
}

/**
 * How long it took after each fault. Not told where another fault came in between, or where the source was idle.
 */
export function measure(
  faults: readonly FaultDone[],
  records: readonly TopicRecord[],
  timeline: Timeline,
): MeasuredFault[] {
  const partitions = new Map<string, TopicRecord[]>();
  for (const record of records) {
    if (record.value === null || record.value.op === 'r') continue;
    const key = `${record.topic} ${record.partition}`;
    const known = partitions.get(key);
    if (known) known.push(record);
    else partitions.set(key, [record]);
  }
  return faults.map((fault) => ({ ...fault, recoveredMs: recoveryOf(fault, faults, partitions, timeline) }));
}

export function summarize(faults: readonly MeasuredFault[]): Recovery[] {
  return FAULT_KINDS.flatMap((kind) => {
    const ofKind = faults.filter((fault) => fault.kind === kind);
    if (ofKind.length === 0) return [];
    const recoveredMs = ofKind.flatMap((fault) => fault.recoveredMs ?? []).sort((a, b) => a - b);
    return [{ kind, times: ofKind.length, recoveredMs }];
  });
}

function recoveryOf(
  fault: FaultDone,
  faults: readonly FaultDone[],
  partitions: ReadonlyMap<string, readonly TopicRecord[]>,
  timeline: Timeline,
): number | null {
  const from = fault.recoversFromMs;
  if (from === null) return null;
  const first = [...partitions.values()].flatMap((records) => {
    const record = records.find(({ timestampMs }) => timestampMs >= from);
    const arrivedMs = record ? timeline.arrival(record.topic, record.partition, record.offset) : null;
    return record && arrivedMs !== null ? [{ arrivedMs, committedMs: record.timestampMs }] : [];
  });
  if (first.length === 0) return null;
  const arrivedMs = Math.min(...first.map((one) => one.arrivedMs));
  const idle = Math.min(...first.map((one) => one.committedMs)) - from > BUSY_MS;
  const disturbed = faults.some((other) => other !== fault && other.beginMs < arrivedMs && other.endMs > from);
  return idle || disturbed ? null : arrivedMs - from;
}
