const MAX_CODE_POINTS = 255;
const LINE_CONTROLS = /[\t\n\v\f\r]/g;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}]/gu;
const LETTER = /\p{L}/u;
const NOBODY: ReadonlySet<string> = new Set(['none', 'null', 'undefined', 'n/a']);

/**
 * A person's name as it may be shown to an agent, or null when it names nobody: shops fill the field with order numbers
 * (`#1001`), addresses and the remains of empty variables. Case and diacritics are kept.
 */
export function normalizeName(raw: string | null): string | null {
  if (raw === null) return null;
  // Composed after the invisible ones are gone: one between a letter and its accent would keep them apart.
  const text = raw.replace(LINE_CONTROLS, ' ').replace(INVISIBLE, '').normalize('NFC').replace(/\s+/g, ' ').trim();
  const name = firstCodePoints(text, MAX_CODE_POINTS).trim();
  if (name === '' || name.startsWith('#') || name.includes('@') || !LETTER.test(name)) return null;
  if (name.split(' ').every((word) => NOBODY.has(word.toLowerCase()))) return null;
  return name;
}

function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text;
  let end = 0;
  for (let taken = 0; taken < count && end < text.length; taken++) end += text.codePointAt(end)! > 0xffff ? 2 : 1;
  return text.slice(0, end);
}
