import { CdcError } from '../core/errors';
import { type Position, parsePosition } from '../core/position';
import type { FetchedRecord } from './fetch-response';
import { POSITION_HEADER } from './outgoing-batch';
import type { LogSpan, PartitionLog } from './partition-log';
import type { ProducerIdentity } from './record-batch';

/** One fetch waits this long for the marker. */
const FETCH_WAIT_MS = 500;
/** How much further back each look goes than the one before it. */
const STEP = 4n;

/**
 * Reads on from `from` until our fence's marker is in the partition: what lies before it is all there will ever be of older
 * writers, because from it on they are refused. Data records are handed to `visit` in offset order.
 *
 * Rejects: fenced (the marker of a newer writer), kafka_unreachable (no marker within `timeoutMs`).
 */
export async function readToFence(
  log: PartitionLog,
  from: bigint,
  fence: ProducerIdentity,
  timeoutMs: number,
  visit: (record: FetchedRecord) => void,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let at = from; ; ) {
    const { records, next } = await log.read(at, FETCH_WAIT_MS);
    for (const record of records) {
      if (!record.isControlRecord) {
        visit(record);
        continue;
      }
      const { isControlBatch, producerId, producerEpoch } = record.batchContext;
      if (!isControlBatch || producerId !== fence.producerId) continue;
      if (producerEpoch > fence.epoch) throw new CdcError('fenced', 'a newer writer was opened at the same time');
      if (producerEpoch === fence.epoch) return;
    }
    at = next;
    if (performance.now() > deadline)
      throw new CdcError('kafka_unreachable', `no marker of the fence in ${log.topic}/${log.partition} yet`);
  }
}

/**
 * The last data record before the fence; null = none. `span` is the partition as it was before the marker was asked for.
 *
 * Most often one fetch answers: the record before the marker. Where markers lie on markers (an idle partition's hourly
 * renewals) it goes back in growing steps, so the cost depends on the run of markers and never on the topic's size.
 */
export async function readTail(
  log: PartitionLog,
  span: LogSpan,
  fence: ProducerIdentity,
  timeoutMs: number,
): Promise<FetchedRecord | null> {
  let last: FetchedRecord | null = null;
  const keep = (record: FetchedRecord) => {
    last = record;
  };
  let low = back(span.end, 1n, span.start);
  await readToFence(log, low, fence, timeoutMs, keep);
  for (let width = STEP; last === null && low > span.start; width *= STEP) {
    const high = low;
    low = back(high, width, span.start);
    for (let at = low; at < high; ) {
      const { records, next } = await log.read(at, FETCH_WAIT_MS);
      for (const record of records) if (!record.isControlRecord && record.offset < high) keep(record);
      at = next > at ? next : high;
    }
  }
  return last;
}

function back(from: bigint, by: bigint, floor: bigint): bigint {
  return from - by > floor ? from - by : floor;
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
