import { Freshness } from '../../../src/core/freshness';
import { slotDanger, WalRate, walBudgetSeconds } from '../../../src/core/wal-budget';

const MB = 1_000_000n;

describe('the rate of WAL', () => {
  test('is known from the second measurement on, and follows a change within minutes', () => {
    const rate = new WalRate();
    expect(rate.measure(0n, 0)).toBeNull();
    expect(rate.measure(5n * MB, 5_000)).toBe(1_000_000);
    let lsn = 5n * MB;
    let last = 0;
    for (let at = 10_000; at <= 300_000; at += 5_000) {
      lsn += 50n * MB;
      last = rate.measure(lsn, at)!;
    }
    expect(last).toBeGreaterThan(9_800_000);
    expect(last).toBeLessThanOrEqual(10_000_000);
  });

  test('never counts backwards, nor twice the same moment', () => {
    const rate = new WalRate();
    rate.measure(10n * MB, 0);
    expect(rate.measure(5n * MB, 5_000)).toBe(0);
    expect(rate.measure(10n * MB, 5_000)).toBe(0);
  });
});

test('the budget is what may be written, by the rate; without limit or rate there is none', () => {
  expect(walBudgetSeconds(600n * MB, 1_000_000)).toBe(600);
  expect(walBudgetSeconds(-5n, 1_000_000)).toBe(0);
  expect([walBudgetSeconds(null, 1_000_000), walBudgetSeconds(1n, null), walBudgetSeconds(1n, 0)]).toEqual([
    null,
    null,
    null,
  ]);
});

describe('danger', () => {
  const slot = {
    name: 's',
    walStatus: 'extended',
    retainedBytes: 600n,
    safeWalBytes: 400n,
    sender: null,
    decoded: null,
  };
  test.each([
    ['unreserved', { ...slot, walStatus: 'unreserved' }, null, true],
    ['more than half spent, less than an hour', slot, 3599, true],
    ['more than half spent, hours left', slot, 3600, false],
    ['a small limit, not yet touched', { ...slot, retainedBytes: 1n }, 60, false],
    ['no limit', { ...slot, safeWalBytes: null }, null, false],
  ])('%s', (_, facts, budget, dangerous) => {
    const danger = slotDanger(facts, budget);
    expect(danger?.code ?? null).toBe(dangerous ? 'CDC-225' : null);
  });
});

describe('freshness', () => {
  test('is the moment of the last look whose end was passed', () => {
    const freshness = new Freshness();
    freshness.look(100n, 1_000);
    freshness.look(200n, 2_000);
    freshness.look(200n, 3_000);
    expect(freshness.passed(99n)).toBeNull();
    expect(freshness.passed(150n)).toBe(1_000);
    expect(freshness.passed(200n)).toBe(3_000);
    expect(freshness.passed(200n)).toBeNull();
  });

  test('a backlog of days takes no more room, and is never told to be done too early', () => {
    const freshness = new Freshness();
    for (let i = 1; i <= 100_000; i++) freshness.look(BigInt(i), i);
    for (let lsn = 0n; lsn <= 100_000n; lsn += 777n)
      expect(freshness.passed(lsn) ?? 0).toBeLessThanOrEqual(Number(lsn));
    expect(freshness.passed(100_000n)).toBe(100_000);
  });
});
