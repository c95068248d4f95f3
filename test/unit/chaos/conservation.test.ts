import { isClean } from '../../chaos/chaos';
import type { Verdict } from '../../chaos/check/check';
import { Conservation } from '../../chaos/conservation';

const saying = (...answers: number[]) => ({
  conservation: async () => {
    const difference = answers.shift();
    return difference === undefined ? [] : [{ table: 'orders', difference }];
  },
});

it.each([
  ['nothing', [saying(0, 0), saying(0)], 0, true],
  ['too few at one moment', [saying(0, 2, 0), saying()], 2, false],
  ['too many in one capture', [saying(0), saying(0, -1)], 1, false],
] as const)('a run in which %s is unaccounted for', async (_, captures, worst, clean) => {
  const conservation = new Conservation(captures);
  for (let looks = 0; looks < 3; looks++) await conservation.look();
  expect([...conservation.differences]).toEqual([['orders', worst]]);
  expect(conservation.looks).toBe(3);
  const verdict = { faults: {} as Verdict['faults'] };
  expect(isClean({ verdict, conservation, settledMs: 1 })).toBe(clean);
});
