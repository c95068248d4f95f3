import fc from 'fast-check';
import { timestampText } from '../../../src/messaging/timestamp';

test.each([
  [0n, '1970-01-01 00:00:00.000000'],
  [-1n, '1969-12-31 23:59:59.999999'],
  [1_767_225_600_987_654n, '2026-01-01 00:00:00.987654'],
  [951_782_400_000_000n, '2000-02-29 00:00:00.000000'],
  [-62_135_596_800_000_001n, '0001-12-31 23:59:59.999999 BC'],
  [2n ** 63n - 1n, 'infinity'],
  [-(2n ** 63n), '-infinity'],
])('%s microseconds are %s', (us, text) => {
  expect(timestampText(us)).toBe(text);
});

test('as Date says, where Date can', () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }),
      (date) => {
        const text = date.toISOString().replace('T', ' ').replace('Z', '000');
        expect(timestampText(BigInt(date.getTime()) * 1000n)).toBe(text);
      },
    ),
  );
});
