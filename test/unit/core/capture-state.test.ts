import { capturedBefore, judgeDecoded, judgeHistory, stateKeys } from '../../../src/core/capture-state';

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

it.each([
  ['as many', { since: 'start', transactions: 5 }, undefined],
  ['more', { since: 'start', transactions: 6 }, undefined],
  ['fewer: it was made anew', { since: 'start', transactions: 4 }, 'slot_replaced'],
  ['fewer since the server crashed', { since: 'crash', transactions: 0 }, undefined],
  ['not told', null, undefined],
] as const)('transactions decoded through the slot: %s', (_, now, kind) => {
  const confirmed = { atMost: '1/0', decoded: { since: 'start', transactions: 5 } };
  expect(judgeDecoded(state({ source, confirmed }), NAME, now)?.kind).toBe(kind);
  expect(judgeDecoded(state({ source, confirmed: { atMost: '1/0' } }), NAME, now)).toBeNull();
});

it('what was found of the slot stays, whatever it shows later', () => {
  const replaced = { ...source, replaced: 'it was made anew' };
  expect(judgeHistory(state({ source: replaced }), NAME, found)).toMatchObject({ kind: 'slot_replaced' });
});

it('knows of another connector nothing', () => {
  expect(capturedBefore(state({ source }), NAME)).toBe(true);
  expect(capturedBefore(state({ source }), 'other')).toBe(false);
  expect(judgeHistory(state({ source: { ...source, systemId: '8' } }), 'other', found)).toBeNull();
});
