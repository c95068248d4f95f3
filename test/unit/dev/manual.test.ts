import { readFileSync } from 'node:fs';
import { ERRORS } from '../../../src/core/errors';
import { connectorKeysSection, errorsSection, variablesSection, withSection } from '../../../src/dev/manual';

/** `npm run docs` writes what is compared here. */
test.each([
  ['docs/errors.md', 'errors', errorsSection],
  ['docs/configuration.md', 'variables', variablesSection],
  ['docs/configuration.md', 'keys', connectorKeysSection],
])('%s, section %s, says what the code says', (path, name, section) => {
  const page = readFileSync(path, 'utf8');
  expect(page).toBe(withSection(page, name, section()));
});

test('every error is in the manual once', () => {
  const manual = errorsSection();
  for (const [kind, { code }] of Object.entries(ERRORS)) {
    expect(manual.split(`**${code}** \`${kind}\``)).toHaveLength(2);
  }
});

test('no two errors share a code', () => {
  const codes = Object.values(ERRORS).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
});

test('a page without the section is refused', () => {
  expect(() => withSection('# Page', 'errors', 'x')).toThrow(RangeError);
});
