import { type ChaosResult, runChaos } from '../chaos/chaos';
import { renderReport } from '../chaos/report';

jest.setTimeout(240_000);

/** One with which the broker and PostgreSQL end, too, and a link freezes. */
const SEED = Number(process.env.CHAOS_SEED ?? 11_517);
const SECONDS = 50;
const KILLS = 14;

/** A short version of `npm run chaos`, on servers of its own. */
describe(`chaos (CHAOS_SEED=${SEED})`, () => {
  let result: ChaosResult;

  beforeAll(async () => {
    const signal = new AbortController().signal;
    result = await runChaos({ seconds: SECONDS, seed: SEED, kills: KILLS, signal, progress: () => {} });
    process.stdout.write(renderReport(SEED, SECONDS, result));
  });

  it('was worth it', () => {
    expect(result.kills).toBeGreaterThan(KILLS / 2);
    if (process.env.CHAOS_SEED === undefined)
      expect(result.faults.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(['capture killed', 'broker killed', 'PostgreSQL stopped at once']),
      );
    expect(result.totals.committed).toBeGreaterThan(300);
    expect(result.verdict.changes).toBeGreaterThan(1_000);
    expect(result.verdict.loaded).toBeGreaterThan(0);
  });

  it('everything that was committed is in the topics once, in order and as it was (Invariants 1, 3 to 6)', () => {
    expect(result.verdict.first).toEqual([]);
    expect(Object.entries(result.verdict.faults).filter(([, found]) => found > 0)).toEqual([]);
  });

  it('captures account for every change they have decoded, whenever they are asked (Invariant 4)', () => {
    const { differences, looks } = result.conservation;
    expect(looks).toBeGreaterThan(5);
    expect([...differences].sort()).toEqual([
      ['ventia.orders', 0],
      ['ventia.tenants', 0],
    ]);
  });

  it('it caught up when all was mended', () => {
    expect(result.settledMs).not.toBeNull();
  });
});
