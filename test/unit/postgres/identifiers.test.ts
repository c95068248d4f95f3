import fc from 'fast-check';
import { quoteIdentifier, quoteQualified, validateReplicationName } from '../../../src/postgres/identifiers';

/** Reads a quoted name as PostgreSQL's scanner does, and returns what is left after it. */
function scan(sql: string): { name: string; rest: string } {
  if (sql[0] !== '"') throw new Error('not quoted');
  let name = '';
  for (let i = 1; i < sql.length; i++) {
    if (sql[i] !== '"') name += sql[i];
    else if (sql[i + 1] === '"') name += sql[++i];
    else return { name, rest: sql.slice(i + 1) };
  }
  throw new Error('not closed');
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 70 }),
  fc.string({
    unit: fc.constantFrom('"', "'", '\\', ';', '-', ' ', '\n', 'a', '.', '\0', '$', '\ud800', 'ñ'),
    maxLength: 70,
  }),
);

describe('a quoted name', () => {
  it('reads as that name and nothing else, or is refused', () => {
    fc.assert(
      fc.property(hostile, (name) => {
        const possible = name !== '' && Buffer.byteLength(name) <= 63 && !name.includes('\0') && !/\p{Cs}/u.test(name);
        if (possible) expect(scan(quoteIdentifier(name))).toEqual({ name, rest: '' });
        else expect(() => quoteIdentifier(name)).toThrow(expect.objectContaining({ kind: 'settings_invalid' }));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is quoted part by part', () => {
    expect(quoteQualified('a.b', 'c"d')).toBe('"a.b"."c""d"');
  });

  it('does not show up in the error', () => {
    expect(() => quoteIdentifier('secret\0')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('secret') }),
    );
  });
});

describe('names in replication commands', () => {
  it('are taken as they are or refused', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.stringMatching(/^[a-z0-9_]{1,63}$/)), (name) => {
        if (/^[a-z0-9_]{1,63}$/.test(name)) expect(validateReplicationName(name, 'slot')).toBe(name);
        else
          expect(() => validateReplicationName(name, 'slot')).toThrow(
            expect.objectContaining({ kind: 'settings_invalid' }),
          );
      }),
    );
  });

  it('have no line of their own', () => {
    expect(() => validateReplicationName('slot\n', 'slot')).toThrow();
  });
});
