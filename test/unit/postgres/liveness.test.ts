import { Liveness, statusInterval } from '../../../src/postgres/liveness';

/** What is due at each of `n` ticks. */
const ticks = (liveness: Liveness, n: number) => Array.from({ length: n }, () => liveness.tick());

describe('status interval', () => {
  test.each([
    [60_000, 5_000],
    [15_000, 5_000],
    [10_000, 3_333],
    [2_000, 666],
    [1, 1],
    [0, 5_000],
  ])('wal_sender_timeout %i ms -> every %i ms', (timeout, interval) => {
    expect(statusInterval(timeout)).toBe(interval);
  });

  test.each([1, 2_000, 5_000, 10_000, 15_000, 3_600_000])('a server with %i ms hears from us thrice', (timeout) => {
    const liveness = new Liveness(statusInterval(timeout), Number.MAX_SAFE_INTEGER);
    let gap = 0;
    let largest = 0;
    for (let i = 0; i < 100; i++) {
      gap += liveness.tickMs;
      if (liveness.tick() !== 'status') continue;
      largest = Math.max(largest, gap);
      gap = 0;
    }
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThanOrEqual(Math.max(1, Math.min(5_000, timeout / 3)));
  });
});

describe('silence', () => {
  test('nothing heard for the limit', () => {
    const liveness = new Liveness(5_000, 12_000);
    expect(ticks(liveness, 11)).not.toContain('silent');
    expect(liveness.tick()).toBe('silent');
  });

  test('anything heard begins it anew', () => {
    const liveness = new Liveness(5_000, 12_000);
    ticks(liveness, 11);
    liveness.heard();
    expect(ticks(liveness, 11)).not.toContain('silent');
    expect(liveness.tick()).toBe('silent');
  });

  test('does not grow while we do not read, but statuses are due', () => {
    const liveness = new Liveness(2_000, 12_000);
    liveness.readingStopped();
    const due = ticks(liveness, 1000);
    expect(due).not.toContain('silent');
    expect(due.filter((what) => what === 'status')).toHaveLength(500);
  });

  test('after a pause the server has the whole limit again', () => {
    const liveness = new Liveness(5_000, 12_000);
    ticks(liveness, 11);
    liveness.readingStopped();
    ticks(liveness, 5);
    liveness.readingResumed();
    expect(ticks(liveness, 11)).not.toContain('silent');
    expect(liveness.tick()).toBe('silent');
  });
});

describe('a server that asks without end', () => {
  /** Asks again after each answer: at once, or with a status at a tick. */
  const shuttingDown = (liveness: Liveness, n: number) =>
    Array.from({ length: n }, () => {
      const due = liveness.tick();
      if (due === 'status' && liveness.asked()) liveness.asked();
      return due;
    });

  test('gets one answer at once, and one a tick', () => {
    const liveness = new Liveness(5_000, 12_000);
    expect([liveness.asked(), liveness.asked(), liveness.asked()]).toEqual([true, false, false]);
    expect(liveness.tick()).toBe('status');
    expect([liveness.asked(), liveness.asked()]).toEqual([true, false]);
    expect(liveness.tick()).toBe('status');
    expect(liveness.tick()).toBe('nothing');
  });

  test('is let go after five seconds', () => {
    const liveness = new Liveness(5_000, 12_000);
    liveness.asked();
    liveness.asked();
    expect(shuttingDown(liveness, 5)).toEqual(['status', 'status', 'status', 'status', 'shutdown']);
  });

  test('a question now and then is none of that', () => {
    const liveness = new Liveness(1_000, 12_000);
    for (let i = 0; i < 100; i++) {
      liveness.heard();
      expect(liveness.asked()).toBe(true);
      expect(ticks(liveness, 4)).not.toContain('shutdown');
    }
  });
});
