import fc from 'fast-check';
import { readState, type SnapshotState, stateKeys } from '../../../src/core/capture-state';
import type { LoadRequest } from '../../../src/core/loads';
import { sweepAgain } from '../../../src/pipeline/repartition';
import { FakeBroker, type Fault } from '../../support/doubles/broker';
import { CONNECTOR, expectTopicIsTable, type LifeOptions, live, TABLE } from '../../support/doubles/life';
import { dice, PretendedSource } from '../../support/doubles/source';

/** A load; then more partitions, and capture moves what belongs elsewhere, with its deaths. The slot may go back a while. */
async function loadAndRaise(
  quiet: number,
  faults: readonly Fault[],
  back: boolean,
  wish: 'cancel' | 'pause' | null,
  life: Omit<LifeOptions, 'epoch' | 'confirmed'>,
) {
  const { broker, source } = life;
  const first = await live({ ...life, commits: { left: 20 }, epoch: 1n, confirmed: 0n });
  expect(first.error).toBeNull();
  const last = source.wal.findLast((message) => message.type === 'commit');
  const floor = last?.type === 'commit' ? last.commitLsn + 1n : 0n;
  broker.raise(3);
  const found = readState<SnapshotState>(broker.state, stateKeys.snapshot(CONNECTOR, TABLE));
  broker.state.set(stateKeys.snapshot(CONNECTOR, TABLE), JSON.stringify(sweepAgain(found, true)));
  const tellWish = (desired: LoadRequest['desired']) =>
    [
      stateKeys.loadRequest(CONNECTOR, TABLE),
      JSON.stringify({ table: TABLE, where: null, by: 'p', at: '2026', desired } satisfies LoadRequest),
    ] as const;
  if (wish) broker.state.set(...tellWish(wish));
  const people: LifeOptions['people'] = (tell) => {
    if (wish === 'pause' && life.roll(30) === 0) tell(...tellWish('run'));
  };
  // Faults that come at once are over before the sweep begins.
  broker.faults.push(...Array<Fault>(quiet).fill('none'), ...faults);
  let confirmed = back ? 0n : first.confirmed;
  for (let lives = 0; ; lives++) {
    expect(lives).toBeLessThan(20);
    const result = await live({ ...life, epoch: 1n, confirmed, floor, people });
    confirmed = result.confirmed;
    if (!result.error) return;
  }
}

/** A delete with a position of our own would outrank what another partition has of the row, and be read before it. */
function expectNoDeleteOfOurs(broker: FakeBroker, source: PretendedSource): void {
  const told = new Set<bigint>();
  let changes = false;
  for (const message of source.wal) {
    if (message.type === 'delete' || message.type === 'update') changes = true;
    if (message.type !== 'commit') continue;
    if (changes) told.add(message.commitLsn);
    changes = false;
  }
  const deletes = broker.log.filter(({ value }) => value !== null && JSON.parse(value).op === 'd');
  expect(deletes.filter(({ position }) => !told.has(position.commitLsn))).toEqual([]);
}

describe('more partitions, beside the stream', () => {
  it('end with every row in the partition of its tenant, and nowhere else', async () => {
    const shape = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 0, max: 25 }),
      commits: fc.integer({ min: 0, max: 60 }),
      maxBytes: fc.constantFrom(400, 100_000),
      back: fc.boolean(),
      wish: fc.constantFrom('cancel' as const, 'pause' as const, null),
      quiet: fc.integer({ min: 0, max: 40 }),
      faults: fc.array(fc.constantFrom<Fault>('none', 'none', 'none', 'reject', 'partial', 'lost-answer'), {
        maxLength: 12,
      }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ seed, rows, commits, maxBytes, back, wish, quiet, faults }) => {
        const source = new PretendedSource(rows, true);
        const broker = new FakeBroker([{ name: TABLE, partitions: 2 }], 1000);
        await loadAndRaise(quiet, faults, back, wish, {
          source,
          broker,
          roll: dice(seed),
          maxBytes,
          commits: { left: commits },
        });
        expectTopicIsTable(broker, source);
        expectNoDeleteOfOurs(broker, source);
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});
