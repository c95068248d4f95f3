import { PARTS, parseArguments } from '../../bench/arguments';

it('without arguments everything runs, beside everybody', () => {
  expect(parseArguments([])).toEqual({
    only: [...PARTS],
    against: ['debezium', 'recvlogical'],
    runs: null,
    rows: null,
    profile: null,
    out: 'docs/bench',
  });
});

it('parts are run in their own order, whatever that of the arguments', () => {
  const { only, against, rows } = parseArguments([
    '--only',
    'latency, drain',
    '--against',
    'none',
    '--rows',
    '100_000',
  ]);
  expect([only, against, rows]).toEqual([['drain', 'latency'], [], 100_000]);
});

it.each([
  [['--only', 'drains'], '--only: "drains" is none of drain, '],
  [['--runs', '0'], '--runs: "0"'],
  [['--fast'], '--fast'],
])('%s is refused', (args, message) => {
  expect(() => parseArguments(args)).toThrow(message);
});
