import fc from 'fast-check';
import { stateKeys } from '../../../src/core/capture-state';
import { CdcError } from '../../../src/core/errors';
import { isOver, type LoadRequest } from '../../../src/core/loads';
import { FakeBroker, type Fault } from '../../support/doubles/broker';
import { CONNECTOR, expectTopicIsTable, live, loadsOf, TABLE } from '../../support/doubles/life';
import { dice, PretendedSource } from '../../support/doubles/source';

const PARTITIONS = 2;
const newBroker = () => new FakeBroker([{ name: TABLE, partitions: PARTITIONS }], 1000);

const shape = {
  seed: fc.integer(),
  rows: fc.integer({ min: 0, max: 25 }),
  commits: fc.integer({ min: 0, max: 60 }),
  maxBytes: fc.constantFrom(300, 100_000),
};
const faults = fc.array(fc.constantFrom<Fault>('none', 'none', 'none', 'none', 'reject', 'partial', 'lost-answer'), {
  maxLength: 12,
});

/** Chunks that went out, by their closing watermarks. */
function chunksSeen(broker: FakeBroker): number {
  const reads = broker.log.filter(({ value }) => value !== null && JSON.parse(value).op === 'r');
  return new Set(reads.map(({ position }) => position.commitLsn)).size;
}

it('a first load ends with the source table: no gap, no old row over a new one, no deleted row resurrected', async () => {
  await fc.assert(
    fc.asyncProperty(fc.record({ ...shape, faults }), async ({ seed, rows, commits, maxBytes, faults }) => {
      const source = new PretendedSource(rows);
      const broker = newBroker();
      broker.faults.push(...faults);
      const roll = dice(seed);
      const life = { source, broker, roll, commits: { left: commits }, maxBytes, epoch: 1n };
      let confirmed = 0n;
      let lives = 1;
      for (; ; lives++) {
        expect(lives).toBeLessThan(20);
        const result = await live({ ...life, confirmed });
        confirmed = result.confirmed;
        if (!result.error) break;
      }
      expectTopicIsTable(broker, source);
      // Resumed, not begun again: each death costs one chunk at most.
      const [load] = loadsOf(broker);
      expect(chunksSeen(broker)).toBeLessThanOrEqual(load!.state!.chunks + lives - 1);
    }),
    { numRuns: 200 },
  );
}, 60_000);

/** What people do: ask for loads, with and without a condition, and steer them as it comes. */
class People {
  private asked = 0;
  readonly cancelled = new Set<string>();

  constructor(
    private readonly broker: FakeBroker,
    private readonly roll: (n: number) => number,
    private left: number,
  ) {}

  act(tell: (key: string, value: string) => void): void {
    const { roll } = this;
    const write = (id: string, request: Omit<LoadRequest, 'by' | 'at'>) =>
      tell(stateKeys.loadRequest(CONNECTOR, id), JSON.stringify({ by: 'p', at: '2026', ...request }));
    if (this.left > 0 && roll(4) === 0) {
      this.left--;
      const open = loadsOf(this.broker, 'never').filter((load) => !isOver(load));
      const one = open[roll(Math.max(1, open.length))];
      if (!one || roll(3) === 0) {
        const where = roll(2) === 0 ? String(2 + roll(2)) : null;
        write(`r${this.asked++}`, { table: TABLE, where, desired: 'run' });
      } else {
        const desired = (['run', 'pause', 'cancel'] as const)[roll(3)]!;
        if (desired === 'cancel') this.cancelled.add(one.id);
        write(one.id, { table: TABLE, where: one.where, desired });
      }
    } else if (this.left === 0) {
      // In the end everybody lets go of what is held, and the whole table is asked for.
      for (const { id, where, desired } of loadsOf(this.broker, 'never'))
        if (desired === 'pause') write(id, { table: TABLE, where, desired: 'run' });
      write('last', { table: TABLE, where: null, desired: 'run' });
      this.left--;
    }
  }

  get done(): boolean {
    return this.left < 0;
  }
}

it('requests, pauses, cancellations, conditions and deaths, in any order: what is asked for comes, the stream is right', async () => {
  const steered = fc.record({
    ...shape,
    faults,
    actions: fc.integer({ min: 0, max: 12 }),
    deaths: fc.integer({ min: 0, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(steered, async ({ seed, rows, commits, maxBytes, faults, actions, deaths }) => {
      const source = new PretendedSource(rows);
      const broker = newBroker();
      broker.faults.push(...faults);
      const roll = dice(seed);
      const people = new People(broker, roll, actions);
      let confirmed = 0n;
      let left = deaths;
      let lives = 1;
      const life = { source, broker, roll, commits: { left: commits }, maxBytes, epoch: 1n, mode: 'never' as const };
      const act = (tell: (key: string, value: string) => void) => people.act(tell);
      const dies = () => left > 0 && roll(60) === 0 && left-- > 0;
      for (; ; lives++) {
        expect(lives).toBeLessThan(300); // people who wait may take one life for each thing they do
        const result = await live({ ...life, confirmed, people: act, dies });
        confirmed = result.confirmed;
        if (!result.error && people.done) break;
        if (!result.error) people.act((key, value) => broker.state.set(key, value));
      }
      // The table is never loaded by itself in this mode: only the last request can have brought all of it.
      expectTopicIsTable(broker, source);
      const loads = loadsOf(broker, 'never');
      for (const { id, state } of loads)
        expect(state!.status).toMatch(people.cancelled.has(id) ? /^(done|cancelled)$/ : /^done$/);
      const recorded = loads.reduce((sum, { state }) => sum + state!.chunks, 0);
      expect(chunksSeen(broker)).toBeLessThanOrEqual(recorded + lives - 1);
    }),
    { numRuns: 80 },
  );
}, 60_000);

it('a load that the source refuses leaves the stream as it was: a request fails, and the next load is whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.record(shape), async ({ seed, rows, commits, maxBytes }) => {
      const source = new PretendedSource(rows);
      const broker = newBroker();
      const roll = dice(seed);
      const request: LoadRequest = { table: TABLE, where: '2', by: 'p', at: '2026', desired: 'run' };
      broker.state.set(stateKeys.loadRequest(CONNECTOR, 'even'), JSON.stringify(request));
      broker.state.set(
        stateKeys.snapshot(CONNECTOR, TABLE),
        JSON.stringify({ status: 'done', lastKey: null, rows: 0, chunks: 0 }),
      );
      source.refuses = new CdcError('source_permission', 'permission denied');
      const life = { source, broker, roll, commits: { left: commits }, maxBytes, epoch: 1n };
      const first = await live({ ...life, confirmed: 0n });
      expect(first.error).toBeNull();
      expect(loadsOf(broker)[1]!.state).toMatchObject({ status: 'failed', error: { code: 'CDC-218' } });
      source.refuses = null;
      broker.state.delete(stateKeys.snapshot(CONNECTOR, TABLE));
      expect((await live({ ...life, confirmed: first.confirmed })).error).toBeNull();
      expectTopicIsTable(broker, source);
    }),
    { numRuns: 30 },
  );
}, 60_000);
