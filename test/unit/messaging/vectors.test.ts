import { readFileSync } from 'node:fs';
import { VECTORS } from '../../fixtures/vectors';
import { vectorPage } from '../../support/vector-page';

test('no two vectors share an id', () => {
  expect(new Set(VECTORS.map(({ id }) => id)).size).toBe(VECTORS.length);
});

/** `npm run docs:vectors` writes what is compared here; each test file holds that none of its section is missing. */
test('the page shows all vectors, passed in both profiles', () => {
  expect(readFileSync('docs/vectors.md', 'utf8')).toBe(vectorPage(() => true));
});
