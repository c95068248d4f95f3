import { doctorText } from '../../../src/commands/doctor';
import { CdcError } from '../../../src/core/errors';
import { advice, examine, judgeClock, judgeVersions, problem } from '../../../src/ops/doctor';

const closing = async () => {};

test('what rejects is a finding, and the other questions are asked all the same', async () => {
  const closed: string[] = [];
  const results = await examine([
    { title: 'away', open: () => Promise.reject(new CdcError('kafka_unreachable', 'no answer')) },
    { title: 'unknown', open: async () => null },
    {
      title: 'there',
      open: async () => ({
        checks: [
          { title: 'one', ask: () => Promise.reject(new CdcError('wal_level', 'wal_level is replica')) },
          { title: 'two', ask: () => [] },
        ],
        close: async () => void closed.push('there'),
      }),
    },
  ]);
  expect(results).toMatchObject([
    { place: 'away', asked: true, checks: [{ findings: [{ code: 'CDC-300', what: 'no answer' }] }] },
    { place: 'unknown', asked: false, checks: [] },
    { place: 'there', checks: [{ findings: [] }, { check: 'one', findings: [{ code: 'CDC-203' }] }, { findings: [] }] },
  ]);
  expect(closed).toEqual(['there']);
  for (const { checks } of results)
    for (const { findings } of checks)
      for (const { what, why, fix } of findings) expect([what, why, fix].every((text) => text.length > 0)).toBe(true);
});

test.each([
  ['the same', 1_000_000, null],
  ['within the way there and back', 1_000_900, null],
  ['a little ahead', 1_002_900, null],
  ['ahead', 1_003_500, '2.5 s ahead of'],
  ['behind', 996_000, '4.0 s behind'],
])('a clock that is %s', (_, theirs, wanted) => {
  const [finding] = judgeClock('the source', theirs, 1_000_000, 1_001_000);
  if (wanted === null) expect(finding).toBeUndefined();
  else expect(finding?.what).toContain(wanted);
});

test('processes of another release are named', () => {
  const running = [
    { process: 'a:1', version: '1.0.0' },
    { process: 'b:1', version: '0.9.0' },
  ];
  expect(judgeVersions('1.0.0', running)).toMatchObject([{ what: 'b:1 runs release 0.9.0, and this is 1.0.0' }]);
});

test('the text has what, why and fix of each, and no colour in a pipe', async () => {
  const results = await examine([
    {
      title: 'Source database',
      open: async () => ({
        checks: [
          { title: 'the slot', ask: () => [problem(new CdcError('slot_missing', 'gone'))] },
          { title: 'the disk', ask: () => [advice('no limit', 'it fills', 'ALTER SYSTEM …')] },
        ],
        close: closing,
      }),
    },
  ]);
  expect(doctorText(results, false)).toMatchInlineSnapshot(`
"Source database
  ok       it answers
  problem  the slot
           what  gone (CDC-210)
           why   The replication slot does not exist, although changes were captured before.
           fix   ventia-cdc repair slot
  advice   the disk
           what  no limit
           why   it fills
           fix   ALTER SYSTEM …

"
`);
});
