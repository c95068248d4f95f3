import { stateKeys } from '../../../src/core/capture-state';
import { CdcError } from '../../../src/core/errors';
import { type RepartitionPorts, repartition, sweepAgain } from '../../../src/pipeline/repartition';
import { FakeBroker } from '../../support/doubles/broker';

const request = { connector: 'test', tables: ['ventia.orders'], partitions: 12, loads: true };
const done = { status: 'done', lastKey: '9', rows: 9, chunks: 1 } as const;
const BEFORE = {
  'test/topics': { partitions: 6 },
  'test/confirmed': { atMost: '0/90', atLeast: '0/20' },
  'test/snapshot/ventia.orders': done,
};

function played(more: Partial<RepartitionPorts> = {}) {
  const broker = new FakeBroker([], 1_000_000);
  for (const [key, value] of Object.entries(BEFORE)) broker.state.set(key, JSON.stringify(value));
  const steps: string[] = [];
  const step = async (name: string) => void steps.push(`${name} ${pending(broker) ? 'announced' : 'in silence'}`);
  const ports: RepartitionPorts = {
    openWriter: async () => broker.open(),
    emitMark: () => step('mark'),
    reached: async () => {
      await step('reached');
      return '0/80';
    },
    drained: () => step('drained'),
    raise: (partitions) => step(`raise to ${partitions}`),
    clock: () => new Date('2026-01-02T03:04:05Z'),
    ...more,
  };
  return { broker, steps, running: repartition(request, ports) };
}

const pending = (broker: FakeBroker) => {
  const text = broker.state.get(stateKeys.repartition('test'));
  return text !== undefined && text !== null;
};
const stateOf = (broker: FakeBroker) =>
  Object.fromEntries([...broker.state].filter(([, v]) => v !== null).map(([key, value]) => [key, JSON.parse(value)]));

it('raises the topics when capture has stopped and the sinks have applied all, and then lets capture move the rows', async () => {
  const { broker, steps, running } = played();
  await running;
  expect(steps).toEqual(['mark announced', 'reached announced', 'drained announced', 'raise to 12 announced']);
  expect(stateOf(broker)).toEqual({
    'test/topics': { partitions: 12 },
    'test/confirmed': { atMost: '0/90', atLeast: '0/80' },
    'test/snapshot/ventia.orders': { ...done, status: 'sweeping', kind: 'repartition', swept: 0, gone: 0 },
  });
});

it.each(['reached', 'drained'] as const)(
  'leaves everything as it was when there is no getting to "%s"',
  async (step) => {
    const stuck = async () => {
      throw new CdcError('not_drained', 'nobody moves');
    };
    const { broker, steps, running } = played({ [step]: stuck });
    await expect(running).rejects.toMatchObject({ kind: 'not_drained' });
    expect(steps.join()).not.toContain('raise');
    expect(stateOf(broker)).toEqual(BEFORE);
  },
);

it('tries again when a capture that has just begun has fenced it', async () => {
  let fences = 2;
  const broker = new FakeBroker([], 1_000_000);
  const openWriter = async () => {
    if (fences-- > 0) throw new CdcError('fenced', 'a newer writer');
    return broker.open();
  };
  await played({ openWriter }).running;
  expect(broker.state.get('test/topics')).toBe('{"partitions":12}');
});

describe('what becomes of a load', () => {
  it.each([
    ['done: rows that belong elsewhere are moved', done, 'sweeping', 'repartition'],
    ['on its way: to its end, then they are moved', { ...done, status: 'running' }, 'running', 'repartition'],
    ['of a repair: goes on as such', { ...done, status: 'sweeping', kind: 'repair', swept: 3 }, 'sweeping', 'repair'],
  ] as const)('%s', (_, found, status, kind) => {
    expect(sweepAgain(found, true)).toMatchObject({ status, kind, lastKey: '9', swept: 0 });
  });

  it.each([
    ['of a table that is to be loaded, not begun', true, 'running'],
    ['of a table that shall not be loaded', false, 'sweeping'],
  ] as const)('%s', (_, loads, status) => {
    expect(sweepAgain(null, loads)).toMatchObject({ status, kind: 'repartition', rows: 0 });
  });
});
