import { CdcError } from '../../../src/core/errors';
import { combineReadiness, notReady, READY } from '../../../src/core/readiness';
import { RecentValues } from '../../../src/core/recent';
import {
  addCounts,
  conservationDifference,
  count,
  newCaptureStats,
  newOpCounts,
  newSinkStats,
  newTableStats,
  partitionStats,
  sumCounts,
  tableStats,
} from '../../../src/core/stats';

test('every decoded change is accounted for once (Invariant 4)', () => {
  const table = newTableStats();
  expect(conservationDifference(table)).toBe(0);
  table.decoded.c = 21;
  for (const [i, outcome] of (
    ['published', 'filtered', 'deadLettered', 'skipped', 'abandoned', 'pending'] as const
  ).entries()) {
    expect(conservationDifference(table)).toBe(21 - (i * (i + 1)) / 2);
    table[outcome].c = i + 1;
  }
  expect(conservationDifference(table)).toBe(0);
  table.published.u++;
  expect(conservationDifference(table)).toBe(-1);
});

test('counts add up by op', () => {
  const sum = { ...newOpCounts(), c: 1 };
  addCounts(sum, { c: 1, u: 2, d: 3, r: 4, t: 5 });
  expect(sum).toEqual({ c: 2, u: 2, d: 3, r: 4, t: 5 });
  expect(sumCounts(sum)).toBe(16);
});

test('the counters of a table, a partition and a key are made once', () => {
  const capture = newCaptureStats();
  expect(tableStats(capture, 'orders')).toBe(tableStats(capture, 'orders'));
  const sink = newSinkStats();
  expect(partitionStats(sink, 'ventia.orders', 1)).toBe(partitionStats(sink, 'ventia.orders', 1));
  expect(partitionStats(sink, 'ventia.orders', 2)).not.toBe(partitionStats(sink, 'ventia.orders', 1));
  count(sink.conflictsByReason, 'a');
  count(sink.conflictsByReason, 'a', 2);
  expect([...sink.conflictsByReason]).toEqual([['a', 3]]);
});

describe('recent values', () => {
  test('have no quantile before the first', () => {
    expect(new RecentValues().quantile(0.5)).toBeNull();
  });

  test('give nearest-rank quantiles', () => {
    const recent = new RecentValues();
    for (let i = 100; i >= 1; i--) recent.push(i);
    expect([0, 0.5, 0.99, 1].map((q) => recent.quantile(q))).toEqual([1, 50, 99, 100]);
  });

  test('forget the oldest', () => {
    const recent = new RecentValues(3);
    for (const value of [9, 8, 1, 2, 3]) recent.push(value);
    expect([recent.quantile(0), recent.quantile(1)]).toEqual([1, 3]);
  });
});

test('the whole is ready when all are; else the first trouble speaks', () => {
  const standby = notReady(new CdcError('slot_active', 'the slot is held by pid 7'));
  const halted = notReady(new CdcError('slot_lost', 'wal_status is lost'));
  expect(standby).toEqual({
    ready: false,
    code: 'CDC-211',
    reason: 'the slot is held by pid 7',
    fix: 'Nothing to do: it takes over when the other ends.',
  });
  expect(combineReadiness([])).toEqual(READY);
  expect(combineReadiness([READY, READY])).toEqual(READY);
  expect(combineReadiness([READY, standby])).toEqual(standby);
  expect(combineReadiness([halted, READY, standby])).toEqual({
    ...halted,
    reason: 'wal_status is lost (and 1 more not ready)',
  });
});
