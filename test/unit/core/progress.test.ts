import fc from 'fast-check';
import { Progress } from '../../../src/core/progress';

describe('Progress', () => {
  it('confirms what is acknowledged, and nothing that is only read (Invariant 1)', () => {
    const progress = new Progress(0);
    progress.transactionRead(10n);
    expect(progress.confirmable(0)).toBe(0n);
    progress.acknowledged(10n, 1);
    progress.transactionRead(20n);
    expect(progress.confirmable(1)).toBe(10n);
  });

  it('adopts the WAL end of an idle stream', () => {
    const progress = new Progress(0);
    progress.idle(500n, 0);
    expect(progress).toMatchObject({ received: 500n, published: 500n });
    expect(progress.confirmable(0)).toBe(500n);
  });

  it('trails by the configured time, also under a steady flow of acknowledgements', () => {
    const progress = new Progress(3000);
    for (let ms = 0; ms <= 10_000; ms += 10) {
      progress.acknowledged(BigInt(ms + 1), ms);
      const confirmed = Number(progress.confirmable(ms));
      expect(confirmed).toBeLessThanOrEqual(Math.max(0, ms - 3000 + 1));
      if (ms > 4000) expect(confirmed).toBeGreaterThan(ms - 3000 - 300);
    }
  });

  it('never goes back (Invariant 3) and never confirms more than is published', () => {
    const step = fc.record({
      kind: fc.constantFrom('read', 'ack', 'idle'),
      lsn: fc.bigInt({ min: 0n, max: 1000n }),
      wait: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(step), fc.constantFrom(0, 90), (steps, trailMs) => {
        const progress = new Progress(trailMs);
        let now = 0;
        let last = 0n;
        for (const { kind, lsn, wait } of steps) {
          now += wait;
          if (kind === 'read') progress.transactionRead(lsn);
          else if (kind === 'ack') progress.acknowledged(lsn, now);
          else progress.idle(lsn, now);
          const confirmed = progress.confirmable(now);
          expect(confirmed >= last).toBe(true);
          expect(confirmed <= progress.published).toBe(true);
          last = confirmed;
        }
      }),
    );
  });
});
