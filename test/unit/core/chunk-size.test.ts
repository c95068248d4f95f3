import { firstChunkRows, nextChunkRows } from '../../../src/core/chunk-size';

const bounds = { maxRows: 50_000, maxBytes: 4_000_000 };
const chunk = { limit: 2_000, rows: 2_000, bytes: 400_000, ms: 300 };

it('begins small, and never above the bound', () => {
  expect(firstChunkRows(bounds)).toBe(2_000);
  expect(firstChunkRows({ ...bounds, maxRows: 100 })).toBe(100);
});

it.each([
  ['in time', {}, 2_000],
  ['quick', { ms: 200 }, 3_000],
  ['at once: doubled at most', { ms: 1 }, 4_000],
  ['slow', { ms: 600 }, 1_000],
  ['stuck for once: quartered at most', { ms: 60_000 }, 500],
  ['slow and small: no fewer than are worth a watermark', { limit: 200, rows: 200, bytes: 40_000, ms: 9_000 }, 100],
  ['at the bound', { limit: 50_000, rows: 50_000, bytes: 1_000_000, ms: 10 }, 50_000],
  ['wide rows: as many as fit', { rows: 4, bytes: 4_000_000, ms: 100 }, 3],
  ['rows wider than a chunk: one', { rows: 1, bytes: 9_000_000, ms: 100 }, 1],
  ['no rows, as under a condition', { rows: 0, bytes: 0, ms: 10 }, 4_000],
])('%s', (_, measured, expected) => {
  expect(nextChunkRows({ ...chunk, ...measured }, bounds)).toBe(expected);
});
