import {
  type CaptureStats,
  conservationDifference,
  type PartitionStats,
  type SnapshotStats,
  sumCounts,
  type TableStats,
} from '../core/stats';
import { type Family, perKey, perOp, type Sample, single } from './family';
import { SINK_FAMILIES } from './sink-families';
import { WAL_FAMILIES } from './wal-families';

const OUTCOMES = ['published', 'filtered', 'deadLettered', 'skipped', 'abandoned'] as const;

const perTable = (stats: CaptureStats, read: (table: TableStats) => number): Sample[] =>
  [...stats.tables].map(([table, counts]) => [[table], read(counts)]);

const perSnapshot = (stats: CaptureStats, read: (snapshot: SnapshotStats) => number): Sample[] =>
  [...stats.snapshots].map(([table, snapshot]) => [[table], read(snapshot)]);

const recordsBehind = (p: PartitionStats) => Math.max(0, Number(p.highWatermark - p.offset));

/** Age of what was done last, where more is to be done: 0 when nothing is left. */
const secondsBehind = (commitTime: bigint, nowMs: number, more: boolean) =>
  more && commitTime > 0n ? Math.max(0, nowMs / 1000 - Number(commitTime) / 1e6) : 0;

/** Age of the moment up to which all is done; no sample before one is known. */
const freshness = (untilMs: number, nowMs: number): Sample[] =>
  untilMs > 0 ? single(Math.max(0, nowMs - untilMs) / 1000) : [];

const perStage = (stage: string, samples: Sample[]): Sample[] => samples.map(([, value]) => [[stage], value]);

/** Everything that is counted; distributions are in metrics.ts, and what only a sink has in sink-families.ts. */
export const FAMILIES: readonly Family[] = [
  ...SINK_FAMILIES,
  {
    name: 'changes_decoded_total',
    kind: 'counter',
    help: 'Row changes read from the replication stream or a snapshot.',
    labels: ['table', 'op'],
    capture: (s) => [...s.tables].flatMap(([table, t]) => perOp(table, t.decoded)),
  },
  {
    name: 'changes_total',
    kind: 'counter',
    help: 'What became of them: published, filtered, deadLettered, skipped (the topics held them), abandoned (read again after a reconnect).',
    labels: ['table', 'op', 'outcome'],
    capture: (s) =>
      [...s.tables].flatMap(([table, t]) => OUTCOMES.flatMap((outcome) => perOp(table, t[outcome], outcome))),
  },
  {
    name: 'changes_pending',
    kind: 'gauge',
    help: 'Changes in a batch that is filling or in flight.',
    labels: ['table'],
    capture: (s) => perTable(s, (t) => sumCounts(t.pending)),
  },
  {
    name: 'conservation_difference',
    kind: 'gauge',
    help: 'Decoded changes that nothing accounts for. Must be 0.',
    labels: ['table'],
    capture: (s) => perTable(s, conservationDifference),
  },
  {
    name: 'transactions_total',
    kind: 'counter',
    help: 'Transactions of the source acknowledged by Kafka.',
    labels: [],
    capture: (s) => single(s.transactions),
  },
  {
    name: 'records_total',
    kind: 'counter',
    help: 'Kafka records acknowledged, tombstones and stubs included.',
    labels: [],
    capture: (s) => single(s.records),
  },
  {
    name: 'record_bytes_total',
    kind: 'counter',
    help: 'Their bytes before compression.',
    labels: [],
    capture: (s) => single(s.bytes),
  },
  {
    name: 'batches_total',
    kind: 'counter',
    help: 'Flushes acknowledged by Kafka, or batches committed to Messaging.',
    labels: [],
    capture: (s) => single(s.batches),
    sink: (s) => single(s.batches),
  },
  ...WAL_FAMILIES,
  {
    name: 'lag_records',
    kind: 'gauge',
    help: 'Records in the partition that are not applied yet.',
    labels: ['topic', 'partition'],
    sink: (s) => [...s.partitions.values()].map((p) => [[p.topic, String(p.partition)], recordsBehind(p)]),
  },
  {
    name: 'lag_seconds',
    kind: 'gauge',
    help: 'How old is what waits, at most; 0 when nothing waits. Of a sink the worst partition.',
    labels: [],
    capture: (s, now) => (s.publishedLsn < s.serverLsn ? freshness(s.freshUntilMs.publish, now) : single(0)),
    sink: (s, now) =>
      single(
        Math.max(0, ...[...s.partitions.values()].map((p) => secondsBehind(p.commitTime, now, recordsBehind(p) > 0))),
      ),
  },
  {
    name: 'freshness_seconds',
    kind: 'gauge',
    help: 'Everything committed at the source longer ago than this has passed the stage: receive, publish (it is in Kafka), confirm, apply (it is in Messaging).',
    labels: ['stage'],
    capture: (s, now) =>
      Object.entries(s.freshUntilMs).flatMap(([stage, until]) => perStage(stage, freshness(until, now))),
    sink: (s, now) => perStage('apply', freshness(s.freshUntilMs, now)),
  },
  {
    name: 'last_progress_timestamp_seconds',
    kind: 'gauge',
    help: 'When something was last published or committed, or nothing was left to do.',
    labels: [],
    capture: (s) => single(s.lastProgressMs / 1000),
    sink: (s) => single(s.lastProgressMs / 1000),
  },
  {
    name: 'epoch',
    kind: 'gauge',
    help: 'Grows when the history of the source forks.',
    labels: [],
    capture: (s) => single(Number(s.epoch)),
  },
  {
    name: 'snapshot_rows',
    kind: 'gauge',
    help: 'Rows of the load that are in the topics.',
    labels: ['table'],
    capture: (s) => perSnapshot(s, (snapshot) => snapshot.rowsDone),
  },
  {
    name: 'snapshot_rows_estimated',
    kind: 'gauge',
    help: "Rows of the load by the planner's statistics.",
    labels: ['table'],
    capture: (s) => perSnapshot(s, (snapshot) => Math.max(snapshot.rowsEstimated, snapshot.rowsDone)),
  },
  {
    name: 'snapshot_chunks_total',
    kind: 'counter',
    help: 'Chunks of the load that are in the topics.',
    labels: ['table'],
    capture: (s) => perSnapshot(s, (snapshot) => snapshot.chunks),
  },
  {
    name: 'snapshot_chunks_repeated_total',
    kind: 'counter',
    help: 'Chunks read again because their database snapshot was too old.',
    labels: ['table'],
    capture: (s) => perSnapshot(s, (snapshot) => snapshot.chunksRepeated),
  },
  {
    name: 'snapshot_done',
    kind: 'gauge',
    help: '1 when the load is complete.',
    labels: ['table'],
    capture: (s) => perSnapshot(s, (snapshot) => Number(snapshot.done)),
  },
  {
    name: 'dead_letters_total',
    kind: 'counter',
    help: 'Changes set aside because they cannot be written.',
    labels: [],
    capture: (s) => single([...s.tables.values()].reduce((sum, t) => sum + sumCounts(t.deadLettered), 0)),
    sink: (s) => single(s.deadLetters),
  },
  {
    name: 'errors_total',
    kind: 'counter',
    help: 'Errors by code of the error manual.',
    labels: ['code'],
    capture: (s) => perKey(s.errorsByCode),
    sink: (s) => perKey(s.errorsByCode),
  },
  {
    name: 'reconnects_total',
    kind: 'counter',
    help: 'Connections replaced.',
    labels: [],
    capture: (s) => single(s.reconnects),
    sink: (s) => single(s.reconnects),
  },
  {
    name: 'fences_total',
    kind: 'counter',
    help: 'Writers opened; each shuts out the ones before it.',
    labels: [],
    capture: (s) => single(s.fences),
  },
];
