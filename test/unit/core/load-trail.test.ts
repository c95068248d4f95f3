import type { SnapshotState } from '../../../src/core/capture-state';
import { LoadTrail } from '../../../src/core/load-trail';

const NONE: SnapshotState = { status: 'running', lastKey: null, rows: 0, chunks: 0 };
const state = (chunks: number): SnapshotState => ({
  status: 'running',
  lastKey: `k${chunks}`,
  rows: chunks * 10,
  chunks,
});
const ends = (end: bigint) => new Map([['t/0', end]]);

it('needs nothing where an acknowledgement is as good as on a disk', () => {
  const trail = new LoadTrail(0);
  expect(trail.record('a', state(1), ends(5n), 0)).toEqual(state(1));
  expect(trail.held(10_000)).toEqual([]);
});

describe('where it is not', () => {
  it('a record relies on where the partitions ended, until that was seen to be there after the trail', () => {
    const trail = new LoadTrail(30_000);
    expect(trail.record('a', state(1), ends(5n), 0)).toEqual({
      ...state(1),
      relies: { ends: { 't/0': '5' }, sure: null },
    });
    trail.record('a', state(2), ends(9n), 20_000);
    expect(trail.held(29_999)).toEqual([]);
    expect(trail.held(30_000)).toEqual([]);
    const third = trail.record('a', { ...state(3), status: 'done' }, ends(12n), 35_000);
    expect(third.relies).toEqual({ ends: { 't/0': '12' }, sure: state(1) });
    expect(trail.held(65_000)).toEqual([['a', { ...state(3), status: 'done' }]]);
    expect(trail.held(99_000)).toEqual([]);
  });

  const recorded = { ...state(7), relies: { ends: { 't/0': '9' }, sure: state(4) } };

  it('a life after a kill goes on behind the last chunk, and still knows what is sure', () => {
    const trail = new LoadTrail(30_000);
    expect(trail.found('a', recorded, NONE, ends(9n), 0)).toEqual(state(7));
    expect(trail.record('a', state(8), ends(11n), 1)).toMatchObject({ chunks: 8, relies: { sure: state(4) } });
    expect(trail.held(30_000)).toEqual([]);
    expect(trail.record('a', state(9), ends(12n), 30_000)).toMatchObject({ relies: { sure: state(7) } });
  });

  it('a life after a power cut goes on at what is sure', () => {
    const trail = new LoadTrail(30_000);
    expect(trail.found('a', recorded, NONE, ends(8n), 0)).toEqual(state(4));
    expect(trail.record('a', state(5), ends(10n), 1)).toMatchObject({ relies: { sure: state(4) } });
    const nothing = { ...recorded, relies: { ...recorded.relies, sure: null } };
    expect(new LoadTrail(30_000).found('a', nothing, NONE, ends(8n), 0)).toEqual(NONE);
  });
});
