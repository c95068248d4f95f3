import fc from 'fast-check';
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { MESSAGING_EMAIL, normalizeEmail } from '../../../src/messaging/normalize/email';
import { normalizeCustomerId } from '../../../src/messaging/normalize/keys';
import { normalizeName } from '../../../src/messaging/normalize/name';
import {
  canonicalOfVariant,
  isKnownPhone,
  normalizePhone,
  parsedPhone,
  type Region,
  whatsappVariant,
} from '../../../src/messaging/normalize/phone';

/** Messaging's validations, written as Rails has them; $ would admit a trailing newline, so the whole is compared. */
const RAILS_PHONE = /^\+[1-9]\d{1,14}(?![\s\S])/;
const NONE: ReadonlySet<string> = new Set();
const region = fc.constantFrom<Region>('PE', 'CO', 'MX');

/** Strings made of what phone columns hold, so that many of them are numbers. */
const phoneLike = fc
  .array(
    fc.oneof(
      fc.constantFrom('+', '++', '51', '+51', '57', '52', '1', '0', '00', '521', '54', '549', '55', ' ', '-', '(', ')'),
      fc.constantFrom(
        '/',
        ';',
        ',',
        '|',
        '.0',
        'E8',
        'tel:',
        'whatsapp:',
        ' ext. ',
        'x',
        '#',
        ' o ',
        '\u202a',
        '\u200e',
      ),
      fc.constantFrom(
        '987654321',
        '912345678',
        '3001234567',
        '5512345678',
        '4445555',
        '５１',
        '９８７６５４３２１',
        '٩٨٧',
      ),
      fc.stringMatching(/^\d{1,11}$/),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(''));
const anyString = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), phoneLike);

const emailLike = fc
  .tuple(anyString, fc.constantFrom('@', ' @ ', ''), fc.domain(), fc.constantFrom('', ' ', '\n', '\u200b', '\u0000'))
  .map((pieces) => pieces.join(''));

test('a phone is null or what Messaging accepts, and stays what it is', () => {
  fc.assert(
    fc.property(anyString, region, (raw, where) => {
      const phone = normalizePhone(raw, where);
      if (phone === null) return;
      expect(phone).toMatch(RAILS_PHONE);
      for (const other of ['PE', 'CO', 'MX'] as const) expect(normalizePhone(phone, other)).toBe(phone);
      expect(isKnownPhone(phone, where)).toBe(true);
      const parsed = parsePhoneNumberFromString(phone)!;
      expect(parsed.isValid()).toBe(true);
      expect(['MOBILE', 'FIXED_LINE_OR_MOBILE']).toContain(parsed.getType());
    }),
    { numRuns: 3000 },
  );
});

test('every mobile of the three countries is found in each way of writing it', () => {
  const countries = [
    { where: 'PE', code: '51', national: fc.stringMatching(/^9\d{8}$/) },
    { where: 'CO', code: '57', national: fc.stringMatching(/^3[0-2]\d{8}$/) },
    { where: 'MX', code: '52', national: fc.stringMatching(/^55[1-9]\d{7}$/) },
  ] as const;
  for (const { where, code, national } of countries) {
    fc.assert(
      fc.property(national, (number) => {
        const canonical = parsePhoneNumberFromString(`+${code}${number}`)!;
        fc.pre(canonical.isValid() && !/^(\d)\1*$/.test(number));
        const spaced = number.replace(/(\d{3})(?=\d)/g, '$1 ');
        const written = [
          number,
          spaced,
          `+${code}${number}`,
          `+${code} ${spaced}`,
          `(+${code}) ${spaced}`,
          `${number}.0`,
        ];
        for (const raw of written) expect(normalizePhone(raw, where)).toBe(`+${code}${number}`);
      }),
    );
  }
});

describe('numbers that are not parsed are what parsing gives', () => {
  const COUNTRIES = { PE: ['51', 9], CO: ['57', 10], MX: ['52', 10] } as const;

  test.each(['PE', 'CO', 'MX'] as const)('every beginning of a number of %s', (where) => {
    const [code, length] = COUNTRIES[where];
    for (let beginning = 100; beginning < 1000; beginning++) {
      const national = `${beginning}${String(beginning * 7_919 + 1_234_567).slice(0, length - 3)}`.padEnd(length, '8');
      for (const raw of [national, code + national, `+${code}${national}`])
        expect([raw, normalizePhone(raw, where)]).toEqual([raw, parsedPhone(raw, where)]);
    }
  });

  test('however it is written', () => {
    const digit = fc.stringMatching(/^\d$/);
    const written = fc
      .tuple(
        fc.constantFrom('', '+', '51', '+51', '57', '+57', '52', '+52', '0', '00', '1'),
        fc.constantFrom('9', '3', '31', '33', '55', '81', '99999999', '33333333', ''),
        fc.array(fc.tuple(digit, fc.constantFrom('', '', ' ', '-', ' - ', '--')), { minLength: 6, maxLength: 12 }),
        fc.constantFrom('', ' ', '-'),
      )
      .map(([code, first, rest, end]) => `${end}${code}${end}${first}${rest.flat().join('')}${end}`);
    fc.assert(
      fc.property(written, region, (raw, where) => {
        expect(normalizePhone(raw, where)).toBe(parsedPhone(raw, where));
      }),
      { numRuns: 2000 },
    );
  });
});

test('a WhatsApp variant leads back to its number', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^\+(52|549|55|51)\d{8,11}$/), (phone) => {
      const variant = whatsappVariant(phone);
      if (variant !== null) expect(canonicalOfVariant(variant)).toBe(phone);
    }),
    { numRuns: 1000 },
  );
});

test('an e-mail is null or what Messaging accepts in lower case, and stays what it is', () => {
  fc.assert(
    fc.property(fc.oneof(anyString, emailLike, fc.emailAddress()), (raw) => {
      const email = normalizeEmail(raw, NONE);
      if (email === null) return;
      expect(email).toMatch(MESSAGING_EMAIL);
      expect(email).not.toMatch(/\s/);
      expect(email).toBe(email.toLowerCase());
      expect(normalizeEmail(email, NONE)).toBe(email);
    }),
    { numRuns: 3000 },
  );
});

test('a name is null or a short line with a letter, and stays what it is', () => {
  const nameLike = fc
    .array(
      fc.oneof(fc.constantFrom('Ana', 'None', 'null', '#', '@', ' ', '\u00a0', '\u0301', '\u200d', 'é'), anyString),
    )
    .map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(nameLike, (raw) => {
      const name = normalizeName(raw);
      if (name === null) return;
      expect(name).toMatch(/\p{L}/u);
      expect(name).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      expect([...name].length).toBeLessThanOrEqual(255);
      expect(normalizeName(name)).toBe(name);
    }),
    { numRuns: 3000 },
  );
});

test('a customer id is null or trimmed, and stays what it is', () => {
  fc.assert(
    fc.property(anyString, (raw) => {
      const id = normalizeCustomerId(raw, NONE);
      expect(id).toBe(raw.trim() === '' ? null : raw.trim());
      expect(normalizeCustomerId(id, NONE)).toBe(id);
    }),
  );
});

describe('a megabyte is answered within half a second', () => {
  const MB = 1 << 20;
  const repeat = (piece: string) => piece.repeat(Math.ceil(MB / piece.length));
  it.each([
    'a',
    '9',
    ' ',
    '+',
    '/',
    '1a',
    '12345,',
    '987654321 ',
    '+51987654320;',
    'a@',
    'a.',
    '@a.a',
    'a-',
    '\u0000',
    '\u202e',
    '９',
    '\ufdfa',
    '\u0301',
    'null ',
    '\ud83c',
    '1.',
    '#',
  ])('%j repeated', (piece) => {
    const raw = repeat(piece);
    for (const text of [raw, `9${raw}`, `${raw}9`, `${raw}@gmail.com`, `a@${raw}`]) {
      for (const normalize of [
        (value: string) => normalizePhone(value, 'PE'),
        (value: string) => normalizeEmail(value, NONE),
        normalizeName,
        (value: string) => normalizeCustomerId(value, NONE),
      ]) {
        const before = performance.now();
        normalize(text);
        expect(performance.now() - before).toBeLessThan(500);
      }
    }
  });
});
