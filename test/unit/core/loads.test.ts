import { type SnapshotState, stateKeys } from '../../../src/core/capture-state';
import { CdcError } from '../../../src/core/errors';
import { viewLoad } from '../../../src/core/load-view';
import { givesUp, type Load, nextStep, readLoads } from '../../../src/core/loads';

const TABLES = ['v.tenants', 'v.orders'];
const DONE: SnapshotState = { status: 'done', lastKey: '9', rows: 9, chunks: 1 };
const RUNNING: SnapshotState = { status: 'running', lastKey: '5', rows: 5, chunks: 1 };

function state(records: Record<string, object | string>): Map<string, string> {
  return new Map(
    Object.entries(records).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
const request = (table: string, at: string, desired = 'run') => ({ table, where: null, by: 'me', at, desired });
const LOADED = { 'c/snapshot/v.tenants': DONE, 'c/snapshot/v.orders': DONE };
const ids = (loads: readonly Load[]) => loads.map(({ id }) => id);
const always = () => true;

describe('the order of work', () => {
  it('is what nobody asked for, then tenants before orders, then the oldest', () => {
    const loads = readLoads(
      state({
        ...LOADED,
        'c/request/snapshot/orders-1': request('v.orders', '2026-01-01'),
        'c/request/snapshot/orders-0': request('v.orders', '2026-01-02'),
        'c/request/snapshot/tenants-1': request('v.tenants', '2026-01-03'),
      }),
      'c',
      TABLES,
      'initial',
    );
    expect(ids(loads)).toEqual(['v.tenants', 'v.orders', 'tenants-1', 'orders-1', 'orders-0']);
  });

  it('has a table that was never loaded, but not in mode never', () => {
    const recorded = state({ 'c/snapshot/v.tenants': DONE });
    expect(ids(readLoads(recorded, 'c', TABLES, 'initial'))).toEqual(TABLES);
    expect(ids(readLoads(recorded, 'c', TABLES, 'never'))).toEqual(['v.tenants']);
    const repair = state({ 'c/snapshot/v.orders': { ...RUNNING, kind: 'repair' } });
    expect(readLoads(repair, 'c', TABLES, 'never')).toMatchObject([{ id: 'v.orders', kind: 'repair' }]);
  });

  it.each([
    '{',
    '[]',
    'null',
    '{"table":1}',
    '{"table":"v.orders","where":null,"by":"x","at":"y","desired":"explode"}',
  ])('leaves out what is no request: %s', (text) => {
    expect(readLoads(state({ 'c/request/snapshot/x': text }), 'c', [], 'initial')).toEqual([]);
  });
});

describe('the next step', () => {
  const step = (progress: SnapshotState | null, desired: string, rested = always) => {
    const records: Record<string, object> = {
      ...LOADED,
      'c/request/snapshot/o-1': request('v.orders', '2026', desired),
    };
    if (progress) records['c/load/o-1'] = progress;
    return nextStep(readLoads(state(records), 'c', TABLES, 'initial'), rested);
  };
  const begun: SnapshotState = { ...RUNNING, kind: 'incremental' };

  it('takes a request up, works, and rests after a failure', () => {
    expect(step(null, 'run')).toMatchObject({
      do: 'record',
      state: { status: 'running', chunks: 0, kind: 'incremental' },
    });
    expect(step(begun, 'run')).toMatchObject({ do: 'work', load: { id: 'o-1' } });
    expect(step(begun, 'run', () => false)).toBeNull();
  });

  it('records a pause once, keeps what is done, and goes on', () => {
    const paused = { ...begun, paused: true as const };
    expect(step(begun, 'pause')).toMatchObject({ do: 'record', state: paused });
    expect(step(paused, 'pause')).toBeNull();
    expect(step(paused, 'run')).toEqual(expect.objectContaining({ do: 'record', state: begun }));
  });

  it('records a cancellation, for good', () => {
    expect(step({ ...begun, paused: true }, 'cancel')).toMatchObject({ do: 'record', state: { status: 'cancelled' } });
    expect(step({ ...begun, status: 'cancelled' }, 'run')).toBeNull();
  });

  const cancelled = (progress: SnapshotState) => {
    const recorded = state({
      'c/snapshot/v.orders': progress,
      'c/request/snapshot/v.orders': request('v.orders', '2026', 'cancel'),
    });
    return nextStep(readLoads(recorded, 'c', ['v.orders'], 'initial'), always);
  };

  it('does not cancel a repair', () => {
    expect(cancelled({ ...RUNNING, kind: 'repair' })).toMatchObject({ do: 'work' });
  });

  it('cancels a load that more partitions came into, but not the search for rows that belong elsewhere now', () => {
    const load: SnapshotState = { ...RUNNING, kind: 'repartition', swept: 0 };
    expect(cancelled(load)).toMatchObject({ do: 'record', state: { status: 'sweeping', swept: 0 } });
    expect(cancelled({ ...load, status: 'sweeping' })).toMatchObject({ do: 'work' });
  });

  it('forgets wishes for what is over, and all but the last twenty requests', () => {
    const over = state({ ...LOADED, 'c/request/snapshot/v.orders': request('v.orders', '2026', 'pause') });
    expect(nextStep(readLoads(over, 'c', TABLES, 'initial'), always)).toMatchObject({
      do: 'forget',
      loads: [{ id: 'v.orders' }],
    });
    const many: Record<string, object> = {};
    for (let i = 10; i < 32; i++) {
      many[stateKeys.loadRequest('c', `o-${i}`)] = request('v.orders', '2026');
      many[stateKeys.load('c', `o-${i}`)] = { ...DONE, updatedAt: `2026-01-${i}` };
    }
    const forgotten = nextStep(readLoads(state(many), 'c', [], 'never'), always);
    expect(forgotten).toMatchObject({ do: 'forget', loads: [{ id: 'o-11' }, { id: 'o-10' }] });
  });
});

it('is given up only when somebody asked for it and no repetition mends it', () => {
  const load = (kind: Load['kind']) => ({ kind }) as Load;
  const query = (sqlState: string) => new CdcError('source_query', 'x', { sqlState });
  expect(givesUp(load('incremental'), query('22012'))).toBe(true);
  expect(givesUp(load('incremental'), new CdcError('source_permission', 'x'))).toBe(true);
  expect(givesUp(load('incremental'), query('40001'))).toBe(false);
  expect(givesUp(load('incremental'), new CdcError('source_unreachable', 'x'))).toBe(false);
  for (const kind of ['first', 'repair'] as const) expect(givesUp(load(kind), query('22012'))).toBe(false);
});

it('is shown with progress, rate and what is left', () => {
  const [load] = readLoads(
    state({ 'c/snapshot/v.orders': { ...RUNNING, estimated: 20, scanned: 5, rowsPerSecond: 5, startedAt: '2026' } }),
    'c',
    ['v.orders'],
    'initial',
  );
  expect(viewLoad(load!)).toMatchObject({ status: 'running', progress: 0.25, rowsPerSecond: 5, secondsLeft: 3 });
  expect(viewLoad({ ...load!, desired: 'pause' })).toMatchObject({ status: 'pausing', rowsPerSecond: null });
  expect(viewLoad({ ...load!, state: null })).toMatchObject({ status: 'waiting', progress: 0, estimated: null });
  // The planner's number was too small.
  expect(viewLoad({ ...load!, state: { ...load!.state!, scanned: 30 } })).toMatchObject({
    estimated: 30,
    progress: 0.99,
  });
});
