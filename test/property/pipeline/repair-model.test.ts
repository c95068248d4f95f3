import fc from 'fast-check';
import { type SnapshotState, stateKeys } from '../../../src/core/capture-state';
import { FakeBroker, type Fault } from '../../support/doubles/broker';
import { CONNECTOR, expectTopicIsTable, type LifeOptions, live, TABLE } from '../../support/doubles/life';
import { dice, PretendedSource } from '../../support/doubles/source';

const PARTITIONS = 2;

/**
 * An undisturbed first load, changes that the stream does not show, then the repair with its deaths: under a new epoch when
 * the slot was lost, under the same one when the table was not published.
 */
async function loseAndRepair(
  gap: number,
  epoch: bigint,
  quiet: number,
  faults: readonly Fault[],
  life: Omit<LifeOptions, 'epoch' | 'confirmed'>,
) {
  const { source, broker, roll } = life;
  const first = await live({ ...life, commits: { left: 20 }, epoch: 1n, confirmed: 0n });
  expect(first.error).toBeNull();
  for (let i = 0; i < gap; i++) {
    source.commit(roll);
    source.reveal(roll);
  }
  if (epoch > 1n) while (source.reveal(roll)); // a slot is made when all older transactions have ended
  const last = source.wal.findLast((message) => message.type === 'commit');
  let confirmed = last?.type === 'commit' ? last.endLsn : 0n;
  const repair: SnapshotState = { status: 'running', lastKey: null, rows: 0, chunks: 0, kind: 'repair' };
  broker.state.set(stateKeys.snapshot(CONNECTOR, TABLE), JSON.stringify(repair));
  // Faults that come at once are over before the sweep begins.
  broker.faults.push(...Array<Fault>(quiet).fill('none'), ...faults);
  for (let lives = 0; ; lives++) {
    expect(lives).toBeLessThan(20);
    const result = await live({ ...life, epoch, confirmed });
    confirmed = result.confirmed;
    if (!result.error) return;
  }
}

describe('repair beside the stream', () => {
  it('ends with the source table: missed deletes applied, missed moves moved, no row deleted that is there', async () => {
    const shape = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 0, max: 25 }),
      gap: fc.integer({ min: 0, max: 40 }),
      epoch: fc.constantFrom(1n, 2n),
      commits: fc.integer({ min: 0, max: 60 }),
      maxBytes: fc.constantFrom(400, 100_000),
      quiet: fc.integer({ min: 0, max: 40 }),
      faults: fc.array(fc.constantFrom<Fault>('none', 'none', 'none', 'reject', 'partial', 'lost-answer'), {
        maxLength: 12,
      }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ seed, rows, gap, epoch, commits, maxBytes, quiet, faults }) => {
        const source = new PretendedSource(rows, true);
        const broker = new FakeBroker([{ name: TABLE, partitions: PARTITIONS }], 1000);
        const life = { source, broker, roll: dice(seed), maxBytes, commits: { left: commits } };
        await loseAndRepair(gap, epoch, quiet, faults, life);
        expectTopicIsTable(broker, source);
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});
