import type { Backlog } from '../core/ports/sink';
import type { SinkStats } from '../core/stats';
import { type Family, perKey, perOp, single } from './family';

const seconds = (sinceMs: number | null, nowMs: number) =>
  sinceMs === null ? 0 : Math.max(0, (nowMs - sinceMs) / 1000);

/** Nothing before the ledger was asked. */
const perBacklog = ({ backlog }: SinkStats, read: (backlog: Backlog) => number) =>
  backlog === null ? [] : single(read(backlog));

/** What only sinks count. */
export const SINK_FAMILIES: readonly Family[] = [
  {
    name: 'events_total',
    kind: 'counter',
    help: 'Events taken from the topics.',
    labels: ['table', 'op'],
    sink: (s) => [...s.events].flatMap(([table, counts]) => perOp(table, counts)),
  },
  {
    name: 'events_applied_total',
    kind: 'counter',
    help: 'Events newer than what the ledger held.',
    labels: [],
    sink: (s) => single(s.applied),
  },
  {
    name: 'events_stale_total',
    kind: 'counter',
    help: 'Events the ledger held already, or something newer: nothing was written.',
    labels: [],
    sink: (s) => single(s.stale),
  },
  {
    name: 'events_incomplete_total',
    kind: 'counter',
    help: 'Events without a large value that PostgreSQL did not send and nothing stored knew: NULL until the next change tells it.',
    labels: [],
    sink: (s) => single(s.incomplete),
  },
  {
    name: 'dead_letters_open',
    kind: 'gauge',
    help: 'Changes that are set aside now, of the table that the sink applies.',
    labels: [],
    sink: (s) => perBacklog(s, ({ deadLetters }) => deadLetters),
  },
  {
    name: 'dead_letters_oldest_seconds',
    kind: 'gauge',
    help: 'How long the oldest of them has been.',
    labels: [],
    sink: (s, now) => perBacklog(s, ({ deadLettersSinceMs }) => seconds(deadLettersSinceMs, now)),
  },
  {
    name: 'orders_parked',
    kind: 'gauge',
    help: 'Orders that wait for their tenant now.',
    labels: [],
    sink: (s) => perBacklog(s, ({ parked }) => parked),
  },
  {
    name: 'parked_oldest_seconds',
    kind: 'gauge',
    help: 'Age of the oldest of them, by commit time.',
    labels: [],
    sink: (s, now) => perBacklog(s, ({ parkedSinceMs }) => seconds(parkedSinceMs, now)),
  },
  {
    name: 'orders_parked_total',
    kind: 'counter',
    help: 'Orders set aside because their tenant is unknown.',
    labels: [],
    sink: (s) => single(s.parked),
  },
  {
    name: 'orders_placed_total',
    kind: 'counter',
    help: 'Parked orders placed when their tenant came.',
    labels: [],
    sink: (s) => single(s.placed),
  },
  {
    name: 'rows_written_total',
    kind: 'counter',
    help: 'Rows of Messaging really inserted or changed.',
    labels: [],
    sink: (s) => single(s.rowsWritten),
  },
  {
    name: 'conflicts_total',
    kind: 'counter',
    help: "Values not written because they are somebody else's.",
    labels: ['reason'],
    sink: (s) => perKey(s.conflictsByReason),
  },
  {
    name: 'batch_retries_total',
    kind: 'counter',
    help: "Batches decided again after a lost race or at the database's request.",
    labels: [],
    sink: (s) => single(s.retries),
  },
];
