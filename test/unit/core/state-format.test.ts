import { formatToRecord, requireKnownFormat, STATE_FORMAT_KEY } from '../../../src/core/state-format';

const topicOf = (format: object | null) => new Map(format ? [[STATE_FORMAT_KEY, JSON.stringify(format)]] : []);

it.each([
  ['nothing recorded: a first start, or a release that knew no formats', null],
  ['an older release', { format: 1, needs: 1 }],
  ['this release', { format: 2, needs: 1 }],
  ['the next release, whose records this one understands', { format: 3, needs: 2 }],
])('goes on with the state of: %s', (_, found) => {
  expect(() => requireKnownFormat(topicOf(found), 2)).not.toThrow();
});

it('refuses the state of a release that is two ahead, and says what to run', () => {
  expect(() => requireKnownFormat(topicOf({ format: 4, needs: 3 }), 2)).toThrow(
    expect.objectContaining({
      kind: 'state_newer',
      message: 'the state topic is of format 4, this release knows 2',
      fix: expect.stringContaining('newer release'),
    }),
  );
});

it('records its own format, and does not take back that of a newer release', () => {
  const ours = { format: 2, needs: 1 };
  expect(formatToRecord(topicOf(null), ours)).toEqual(ours);
  expect(formatToRecord(topicOf({ format: 1, needs: 1 }), ours)).toEqual(ours);
  expect(formatToRecord(topicOf({ format: 3, needs: 2 }), ours)).toEqual({ format: 3, needs: 2 });
});
