import fc from 'fast-check';
import { ConfirmBound } from '../../../src/core/confirm-bound';

it('confirms nothing before a bound is recorded', () => {
  const bound = new ConfirmBound(null);
  expect(bound.allows(100n, 0)).toBeNull();
  expect(bound.raise(100n, 0)).toBeGreaterThan(100n);
  expect(bound.allows(100n, 0)).toBeNull();
  bound.acknowledged(0);
  expect(bound.allows(100n, 0)).toBe(100n);
});

it('asks for one bound at a time', () => {
  const bound = new ConfirmBound(5n);
  expect(bound.raise(6n, 0)).not.toBeNull();
  expect(bound.raise(7n, 1)).toBeNull();
});

it('records exactly what was confirmed in the end, and confirms nothing after it', () => {
  const bound = new ConfirmBound(50n);
  bound.allows(40n, 0);
  expect(bound.settle()).toBe(40n);
  expect([bound.allows(45n, 0), bound.raise(1_000_000n, 0)]).toEqual([40n, null]);
});

it.each([0, 1_000, 10_000_000])(
  'is recorded at most every ten seconds in the long run, at %i bytes a second',
  (rate) => {
    const bound = new ConfirmBound(0n);
    let records = 0;
    for (let second = 1; second <= 600; second++) {
      if (bound.raise(BigInt(second * rate), second * 1_000) === null) continue;
      bound.acknowledged(0);
      records++;
    }
    expect(records).toBeLessThanOrEqual(rate === 0 ? 0 : 60 + 12);
  },
);

it('never lets more be confirmed than was recorded', () => {
  const step = fc.record({ by: fc.bigInt({ min: 0n, max: 1_000_000n }), ms: fc.nat(100_000), answered: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const bound = new ConfirmBound(null);
      let [at, now, recorded] = [0n, 0, -1n];
      let asked: bigint | null = null;
      for (const { by, ms, answered } of steps) {
        at += by;
        now += ms;
        asked = bound.raise(at, now) ?? asked;
        if (answered && asked !== null) {
          bound.acknowledged(0);
          recorded = asked;
          asked = null;
        }
        const confirmed = bound.allows(at, now);
        expect(confirmed ?? -1n).toBeLessThanOrEqual(recorded);
        if (recorded >= at) expect(confirmed).toBe(at);
      }
    }),
  );
});

it('counts a bound only when its record has trailed long enough to be on a disk', () => {
  const bound = new ConfirmBound(50n, 30_000);
  expect(bound.raise(100n, 1_000)).not.toBeNull();
  bound.acknowledged(1_100);
  expect(bound.allows(100n, 31_000)).toBe(50n);
  expect(bound.allows(100n, 31_100)).toBe(100n);
});

it('asks for the next bound while the last one trails, as soon as something beyond it is published', () => {
  const bound = new ConfirmBound(0n, 30_000);
  const first = bound.raise(1n, 0)!;
  bound.acknowledged(0);
  expect(bound.raise(first, 1_000)).toBeNull();
  expect(bound.raise(first + 1n, 2_000)).toBeGreaterThan(first);
  bound.acknowledged(2_000);
  expect([bound.allows(first + 1n, 30_000), bound.allows(first + 1n, 32_000)]).toEqual([first, first + 1n]);
});
