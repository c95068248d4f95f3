import { CdcError } from '../core/errors';
import { type Position, parsePosition } from '../core/position';
import type { FetchedRecord } from './fetch-response';
import { POSITION_HEADER } from './outgoing-batch';
import type { ProducerIdentity } from './record-batch';
import type { LogSpan, Scan } from './scan';

/** How much further back each look goes than the one before it. */
const STEP = 4n;

/**
 * Reads on from `from` until our fence's marker is in the partition: what lies before it is all there will ever be of older
 * writers, because from it on they are refused. Data records are handed to `visit` in offset order. Gives the marker's offset.
 *
 * Throws `fenced` at the marker of a newer writer.
 */
export function* scanToFence(
  from: bigint,
  fence: ProducerIdentity,
  visit: (record: FetchedRecord) => void,
): Scan<bigint> {
  for (let at = from; ; ) {
    const { records, next } = yield at;
    for (const record of records) {
      if (!record.isControlRecord) {
        visit(record);
        continue;
      }
      const { isControlBatch, producerId, producerEpoch } = record.batchContext;
      if (!isControlBatch || producerId !== fence.producerId) continue;
      if (producerEpoch > fence.epoch) throw new CdcError('fenced', 'a newer writer was opened at the same time');
      if (producerEpoch === fence.epoch) return record.offset;
    }
    at = next;
  }
}

/**
 * The last data record before the fence; null = none. `span` is the partition as it was before the marker was asked for.
 *
 * Most often one fetch answers: the record before the marker. Where markers lie on markers (an idle partition's hourly
 * renewals) it goes back in growing steps, so the cost depends on the run of markers and never on the topic's size.
 */
export function* scanTail(span: LogSpan, fence: ProducerIdentity): Scan<FetchedRecord | null> {
  let last: FetchedRecord | null = null;
  let low = back(span.end, 1n, span.start);
  yield* scanToFence(low, fence, (record) => {
    last = record;
  });
  for (let width = STEP; last === null && low > span.start; width *= STEP) {
    const high = low;
    low = back(high, width, span.start);
    for (let at = low; at < high; ) {
      const { records, next } = yield at;
      for (const record of records) if (!record.isControlRecord && record.offset < high) last = record;
      at = next;
    }
  }
  return last;
}

function back(from: bigint, by: bigint, floor: bigint): bigint {
  return from - by > floor ? from - by : floor;
}

/**
 * Latest value per key of a compacted topic: text keys, text values, a null value ends its key. Complete, because it reads
 * until the fence.
 */
export function* scanState(span: LogSpan, fence: ProducerIdentity): Scan<StateSnapshot> {
  const state = new Map<string, string>();
  const marker = yield* scanToFence(span.start, fence, (record) => applyState(state, record));
  return { state, end: marker };
}

export interface StateSnapshot {
  readonly state: Map<string, string>;
  /** Offset of the first record that is not in it. */
  readonly end: bigint;
}

export function applyState(state: Map<string, string>, { key, value }: FetchedRecord): void {
  if (!key) return;
  if (value) state.set(key.toString(), value.toString());
  else state.delete(key.toString());
}

/** Where a record stands in the order of changes: said by its header (tombstones have no value to ask), else by its value. */
export async function positionOf(
  record: FetchedRecord,
  ofValue: (value: Buffer) => Position | Promise<Position>,
): Promise<Position> {
  const header = record.headers[POSITION_HEADER];
  if (header) return parsePosition(header.toString('latin1'));
  if (record.value) return ofValue(record.value);
  throw new CdcError(
    'record_malformed',
    `a tombstone at offset ${record.offset} says no position: another program wrote it`,
  );
}
