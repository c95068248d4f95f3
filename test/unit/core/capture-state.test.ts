import { capturedBefore, judgeHistory, stateKeys } from '../../../src/core/capture-state';

const NAME = 'ventia-source';
const found = { systemId: '7', timeline: 1, confirmedLsn: 0x20n };

function state(records: Partial<Record<'source' | 'confirmed' | 'repair', object>>): Map<string, string> {
  return new Map(
    Object.entries(records).map(([key, value]) => [
      stateKeys[key as 'source' | 'confirmed' | 'repair'](NAME),
      JSON.stringify(value),
    ]),
  );
}

const source = { systemId: '7', timeline: 1, epoch: 3 };
const repair = { since: '2026-01-02T03:04:05.000Z', epoch: 4, from: null, to: null };

it.each([
  ['nothing known', {}, undefined],
  ['the same history', { source, confirmed: { atMost: '0/20' } }, undefined],
  ['a slot further back, as after a crash of the server', { source, confirmed: { atMost: '1/0' } }, undefined],
  ['another cluster', { source: { ...source, systemId: '8' } }, 'source_forked'],
  ['another timeline', { source: { ...source, timeline: 2 } }, 'source_forked'],
  ['a slot further on than was ever confirmed', { source, confirmed: { atMost: '0/1F' } }, 'slot_replaced'],
  [
    'a repair that died before its slot was recorded',
    { source, repair: { ...repair, phase: 'slot' } },
    'slot_replaced',
  ],
  ['a repair that is under way', { source, repair: { ...repair, phase: 'load' } }, undefined],
] as const)('history: %s', (_, records, kind) => {
  expect(judgeHistory(state(records), NAME, found)?.kind).toBe(kind);
});

it('knows of another connector nothing', () => {
  expect(capturedBefore(state({ source }), NAME)).toBe(true);
  expect(capturedBefore(state({ source }), 'other')).toBe(false);
  expect(judgeHistory(state({ source: { ...source, systemId: '8' } }), 'other', found)).toBeNull();
});
