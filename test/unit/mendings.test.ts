import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MENDINGS } from '../mendings/table';

const ROOT = join(__dirname, '../..');

/** `npm run mendings` shows the tests red; here the table is kept from rotting. */
it.each(MENDINGS.map((mending) => [`${mending.fault}: ${mending.without}`, mending] as const))(
  '%s',
  (_, { file, find, replace, test }) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    expect(text.split(find).length - 1).toBe(1);
    expect(replace).not.toBe(find);
    const path = join(ROOT, 'test', `${test.path}.test.ts`);
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain(test.name);
  },
);
