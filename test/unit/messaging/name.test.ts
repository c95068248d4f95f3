import { normalizeName } from '../../../src/messaging/normalize/name';
import { nameVectors } from '../../fixtures/email-name-vectors';

it.each(nameVectors.flat())('N %j', (raw, expected) => {
  expect(normalizeName(raw)).toBe(expected);
});

describe('name', () => {
  it.each<[string, string | null, string | null]>([
    ['NULL', null, null],
    ['undefined and n/a', 'undefined N/A', null],
    ['one word that is a name', 'None Pérez', 'None Pérez'],
    ['line breaks', 'Ana\r\n\tPérez', 'Ana Pérez'],
    ['control and format characters', 'A\u0000na\u0007 P\u200bérez\u202c\ufeff', 'Ana Pérez'],
    ['decomposed accents', 'Pe\u0301rez', 'Pérez'],
    ['an accent behind a joiner', 'Pe\u200d\u0301rez', 'Pérez'],
    ['half a surrogate pair', 'Ana \ud83c', 'Ana'],
    ['emoji', 'Mari 🌸', 'Mari 🌸'],
    ['another script', '李小龙', '李小龙'],
    ['only emoji', '🌸🌸', null],
    ['only invisible', '\u200b\u200d', null],
    ['cut at 255 code points', '🌸'.repeat(200) + 'á'.repeat(200), '🌸'.repeat(200) + 'á'.repeat(55)],
    ['no space left where it was cut', `${'a'.repeat(254)} b`, 'a'.repeat(254)],
  ])('%s', (_, raw, expected) => {
    expect(normalizeName(raw)).toBe(expected);
  });
});
