import type { Lsn } from '../core/lsn';
import { type Family, given, type Sample } from './family';

const behind = (from: Lsn, to: Lsn) => Math.max(0, Number(to - from));

const WAL_STATUSES = ['reserved', 'extended', 'unreserved', 'lost'];

/** How far capture is in the source's WAL, and how much of it the slot keeps. */
export const WAL_FAMILIES: readonly Family[] = [
  {
    name: 'lsn',
    kind: 'gauge',
    help: "Position in the source's WAL: its end, received, published to Kafka, confirmed to the slot.",
    labels: ['stage'],
    capture: (s) => [
      [['server'], Number(s.serverLsn)],
      [['received'], Number(s.receivedLsn)],
      [['published'], Number(s.publishedLsn)],
      [['confirmed'], Number(s.confirmedLsn)],
    ],
  },
  {
    name: 'lag_bytes',
    kind: 'gauge',
    help: 'WAL written by the server and not yet received, published, confirmed.',
    labels: ['stage'],
    capture: (s) => [
      [['received'], behind(s.receivedLsn, s.serverLsn)],
      [['published'], behind(s.publishedLsn, s.serverLsn)],
      [['confirmed'], behind(s.confirmedLsn, s.serverLsn)],
    ],
  },
  {
    name: 'slot_active',
    kind: 'gauge',
    help: '1 while somebody reads the replication slot.',
    labels: [],
    capture: (s) => given(s.slot && Number(s.slot.active)),
  },
  {
    name: 'slot_retained_bytes',
    kind: 'gauge',
    help: 'WAL that the server keeps for the slot.',
    labels: [],
    capture: (s) => given(s.slot?.retainedBytes),
  },
  {
    name: 'slot_safe_bytes',
    kind: 'gauge',
    help: 'WAL that may still be written before the slot is in danger; absent without max_slot_wal_keep_size.',
    labels: [],
    capture: (s) => given(s.slot?.safeWalBytes),
  },
  {
    name: 'slot_wal_status',
    kind: 'gauge',
    help: '1 for the present wal_status of the slot: reserved, extended, unreserved (about to be lost), lost.',
    labels: ['status'],
    capture: ({ slot }) =>
      slot ? WAL_STATUSES.map((status): Sample => [[status], Number(status === slot.walStatus)]) : [],
  },
  {
    name: 'slot_wal_rate_bytes_per_second',
    kind: 'gauge',
    help: 'WAL that the server writes a second, smoothed over a minute.',
    labels: [],
    capture: (s) => given(s.slot?.walBytesPerSecond),
  },
  {
    name: 'slot_wal_budget_seconds',
    kind: 'gauge',
    help: 'Until max_slot_wal_keep_size is spent at the present rate if nothing is confirmed; absent without a limit.',
    labels: [],
    capture: (s) => given(s.slot?.budgetSeconds),
  },
  {
    name: 'standby_lag_bytes',
    kind: 'gauge',
    help: 'WAL that a stand-by of the source does not have, by its physical slot: what a fail-over would lose.',
    labels: ['standby'],
    capture: (s) => s.standbys.map(({ name, lagBytes }): Sample => [[name], Number(lagBytes)]),
  },
];
