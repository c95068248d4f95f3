import { type RepairState, readState, stateKeys } from '../../../src/core/capture-state';
import { CdcError } from '../../../src/core/errors';
import { repairSlot } from '../../../src/pipeline/repair';
import { FakeBroker } from '../../support/doubles/broker';

const request = { connector: 'test', tables: ['ventia.tenants', 'ventia.orders'] };
const clock = () => new Date('2026-01-02T03:04:05Z');
const made = { systemId: '7', timeline: 2, confirmedLsn: 0x30n };

function brokerWith(state: Record<string, object>): FakeBroker {
  const broker = new FakeBroker([], 1_000_000);
  for (const [key, value] of Object.entries(state)) broker.state.set(`test/${key}`, JSON.stringify(value));
  return broker;
}

const phaseOf = (broker: FakeBroker) => readState<RepairState>(broker.state, stateKeys.repair('test'))?.phase;

it('raises the epoch and asks for all tables, whatever was loaded', async () => {
  const broker = brokerWith({
    source: { systemId: '7', timeline: 1, epoch: 4 },
    confirmed: { atMost: '0/20' },
    'snapshot/ventia.orders': { status: 'done', lastKey: '9', rows: 9, chunks: 1 },
  });
  await repairSlot(request, { openWriter: async () => broker.open(), replaceSlot: async () => made, clock });
  const loading = { status: 'running', lastKey: null, rows: 0, chunks: 0, kind: 'repair' };
  expect(Object.fromEntries([...broker.state].map(([key, value]) => [key, JSON.parse(value)]))).toEqual({
    'test/source': { systemId: '7', timeline: 2, epoch: 5 },
    'test/confirmed': { atMost: '0/30' },
    'test/snapshot/ventia.tenants': loading,
    'test/snapshot/ventia.orders': loading,
    'test/repair': { phase: 'load', since: '2026-01-02T03:04:05.000Z', epoch: 5, from: '0/20', to: '0/30' },
  });
});

it('says that it was begun before it touches the slot, so that dying then hides nothing', async () => {
  const broker = brokerWith({ source: { systemId: '7', timeline: 1, epoch: 4 } });
  const replaceSlot = async () => {
    expect(phaseOf(broker)).toBe('slot');
    throw new CdcError('source_unreachable', 'gone');
  };
  const repairing = repairSlot(request, { openWriter: async () => broker.open(), replaceSlot, clock });
  await expect(repairing).rejects.toMatchObject({ kind: 'source_unreachable' });
  expect(phaseOf(broker)).toBe('slot');
});

it('leaves the slot alone when the beginning cannot be recorded', async () => {
  const broker = brokerWith({});
  broker.faults.push('reject');
  const replaceSlot = jest.fn();
  const repairing = repairSlot(request, { openWriter: async () => broker.open(), replaceSlot, clock });
  await expect(repairing).rejects.toMatchObject({ kind: 'produce_failed' });
  expect(replaceSlot).not.toHaveBeenCalled();
});
