import fc from 'fast-check';
import { arrayText } from '../../../src/messaging/rows';

/** array_in, as the manual describes it. */
function read(text: string): (string | null)[] {
  const elements: (string | null)[] = [];
  const token = /[{,](?:"((?:[^"\\]|\\[\s\S])*)"|([^",{}]*))/g;
  for (const [, quoted, bare] of text.matchAll(token)) {
    if (quoted !== undefined) elements.push(quoted.replace(/\\([\s\S])/g, '$1'));
    else if (bare !== '') elements.push(bare!.toUpperCase() === 'NULL' ? null : bare!);
  }
  return elements;
}

test('an array literal says what it was given', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('NULL', 'null', '', '{}', 'a,b', '"', '\\', '\\n', '\n', '\u001f'),
  );
  fc.assert(
    fc.property(fc.array(fc.option(text)), (elements) => {
      const wellFormed = elements.map((element) => (element === null ? null : Buffer.from(element).toString()));
      expect(read(arrayText(wellFormed))).toEqual(wellFormed);
    }),
  );
});

test('numbers and booleans', () => {
  expect(arrayText([1, -2.5, true, false, null])).toBe('{1,-2.5,true,false,null}');
  expect(arrayText(['\n', 1, true, null])).toBe('{"\n",1,true,null}');
});
