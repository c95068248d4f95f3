import fc from 'fast-check';
import { CopyText } from '../../../src/messaging/copy-text';
import type { Element } from '../../../src/messaging/rows';

function written(rows: readonly (readonly Element[])[]): string {
  const text = new CopyText(1);
  for (const row of rows) {
    for (const value of row) text.field(value);
    text.endRow();
  }
  return text.bytes().toString();
}

/** COPY FROM in text format, as the manual describes it. */
const read = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t').map(readField));

const LETTERS: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r' };
const readField = (field: string) =>
  field === '\\N' ? null : field.replace(/\\([\s\S])/g, (_, letter: string) => LETTERS[letter] ?? letter);

test("rows say in COPY's format what they were given", () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary', minLength: 300, maxLength: 5000 }),
    fc.constantFrom('', 'N', '\\N', '\\.', 'a\\b\tc\nd\r', 'Ñúñez', '🌸'),
  );
  const rows = fc.array(fc.array(fc.option(text), { minLength: 1 }));
  fc.assert(
    fc.property(rows, (given) => {
      const wellFormed = given.map((row) =>
        row.map((value) => (value === null ? null : Buffer.from(value).toString())),
      );
      expect(read(written(wellFormed))).toEqual(wellFormed);
    }),
  );
});

test('numbers, booleans, NULL', () => {
  expect(
    written([
      [1, true, false, null],
      ['\\N', 'a\tb', '', -2.5],
    ]),
  ).toBe('1\ttrue\tfalse\t\\N\n\\\\N\ta\\tb\t\t-2.5\n');
});
