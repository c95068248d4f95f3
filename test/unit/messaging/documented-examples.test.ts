import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { normalizeEmail } from '../../../src/messaging/normalize/email';
import { normalizeName } from '../../../src/messaging/normalize/name';
import { normalizePhone } from '../../../src/messaging/normalize/phone';

const PAGE = readFileSync(join(__dirname, '../../../docs/domain.md'), 'utf8');

/** The rows of the table behind `<!-- examples kind -->`: raw and stored value. */
function examples(kind: string): [raw: string, stored: string | null][] {
  const [, section = ''] = PAGE.split(`<!-- examples ${kind} -->`);
  const [table = ''] = section.trim().split('\n\n');
  return table
    .split('\n')
    .slice(2)
    .map((line) => {
      const [, raw, stored] = /^\| `(.*?)` \| (`.*?`|-) \|/.exec(line) ?? [];
      if (raw === undefined || stored === undefined) throw new Error(`not an example: ${line}`);
      return [raw, stored === '-' ? null : stored.slice(1, -1)];
    });
}

const normalizers = {
  phone: (raw: string) => normalizePhone(raw, 'PE'),
  email: (raw: string) => normalizeEmail(raw, new Set()),
  name: normalizeName,
};

describe.each(Object.entries(normalizers))('documented examples: %s', (kind, normalize) => {
  it.each(examples(kind))('%p', (raw, stored) => {
    expect(normalize(raw)).toBe(stored);
  });
});
