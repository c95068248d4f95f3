import type { ObservedSlot } from '../../../src/postgres/slot';
import { judgeSlot } from '../../../src/postgres/slot';

const well: ObservedSlot = {
  name: 'ventia_cdc',
  plugin: 'pgoutput',
  logical: true,
  database: 'ventia_db',
  temporary: false,
  sender: null,
  decoded: null,
  restartLsn: 90n,
  confirmedLsn: 100n,
  walStatus: 'reserved',
  safeWalBytes: null,
  invalidationReason: null,
  failover: true,
  retainedBytes: 10n,
};
const expected = { name: 'ventia_cdc', database: 'ventia_db', captured: true, confirmedAtMost: 100n };

it.each([
  ['as it should be', well, expected, null],
  ['in use', { ...well, sender: { pid: 7, sentLsn: null, waitsFor: null } }, expected, null],
  ['about to be lost, but whole', { ...well, walStatus: 'unreserved' }, expected, null],
  ['absent before the first start', null, { ...expected, captured: false }, 'slot_not_created'],
  ['absent later', null, expected, 'slot_missing'],
  ['physical', { ...well, logical: false, plugin: null }, expected, 'slot_foreign'],
  ['of another plugin', { ...well, plugin: 'wal2json' }, expected, 'slot_foreign'],
  ['of another database', { ...well, database: 'other' }, expected, 'slot_foreign'],
  ['temporary', { ...well, temporary: true }, expected, 'slot_foreign'],
  ['lost', { ...well, walStatus: 'lost' }, expected, 'slot_lost'],
  ['invalidated', { ...well, invalidationReason: 'idle_timeout' }, expected, 'slot_lost'],
  ['being created', { ...well, confirmedLsn: null }, expected, 'slot_active'],
  ['beyond what was confirmed', { ...well, confirmedLsn: 101n }, expected, 'slot_replaced'],
  ['beyond what nobody knows', { ...well, confirmedLsn: 101n }, { ...expected, confirmedAtMost: null }, null],
  ['behind what was confirmed', { ...well, confirmedLsn: 99n }, expected, null],
] as const)('a slot that is %s', (_, slot, against, kind) => {
  expect(judgeSlot(slot, against)?.kind ?? null).toBe(kind);
});
