import {
  canonicalOfVariant,
  holdsPhone,
  isKnownPhone,
  normalizePhone,
  type Region,
  regionOf,
  rememberingPhoneNormalizer,
  whatsappVariant,
} from '../../../src/messaging/normalize/phone';
import { phoneVectors } from '../../fixtures/phone-vectors';

describe('P: phone vectors', () => {
  it.each(phoneVectors)('P row $row: $raw', ({ raw, expected }) => {
    expect(normalizePhone(raw, 'PE')).toBe(expected);
    if (expected !== null) expect(normalizePhone(expected, 'PE')).toBe(expected);
  });
});

describe('phone by region', () => {
  it('takes the region from the time zone, Peru where it is unknown', () => {
    expect(['America/Lima', 'America/Bogota', 'America/Mexico_City', 'Europe/Madrid', '', null].map(regionOf)).toEqual([
      'PE',
      'CO',
      'MX',
      'PE',
      'PE',
      'PE',
    ]);
  });

  it.each<[string, Region, string | null]>([
    ['3001234567', 'CO', '+573001234567'],
    ['300 123 4567', 'CO', '+573001234567'],
    ['573001234567', 'CO', '+573001234567'],
    ['6014445555', 'CO', null],
    ['+51987654321', 'CO', '+51987654321'],
    ['51987654321', 'CO', '+51987654321'],
    ['5512345678', 'MX', '+525512345678'],
    ['52 55 1234 5678', 'MX', '+525512345678'],
    ['+5215512345678', 'MX', null],
    ['573001234567', 'MX', '+573001234567'],
    // The first ten digits are a good Mexican number, so these need a plus to be read as Brazilian.
    ['5511987654321', 'MX', null],
    ['+5511987654321', 'MX', '+5511987654321'],
    ['5511987654321', 'PE', '+5511987654321'],
  ])('%s in %s', (raw, region, expected) => {
    expect(normalizePhone(raw, region)).toBe(expected);
  });
});

describe('phone as people and programs type it', () => {
  it.each<[string, string, string | null]>([
    ['full-width digits', '＋５１９８７６５４３２１', '+51987654321'],
    ['Arabic digits', '٩٨٧٦٥٤٣٢١', '+51987654321'],
    ['bidi marks of a copied contact', '\u202a+51 987 654 321\u202c', '+51987654321'],
    ['a bidi mark inside', '+51\u200e987654321', '+51987654321'],
    ['no-break spaces', '987\u00a0654\u00a0321', '+51987654321'],
    ['the code with a second plus', '++51987654321', '+51987654321'],
    ['the code twice', '+51+51987654321', null],
    ['the code twice, one plus', '+51 51987654321', null],
    ['the code twice as digits', '5151987654321', null],
    ['one digit too many', '9876543210', null],
    ['an extension', '987654321 ext. 5', '+51987654321'],
    ['a tel URI with its parameter', 'tel:+51987654321;ext=5', '+51987654321'],
    ['a scheme in capitals', 'WhatsApp: 987654321.0', '+51987654321'],
    ['a spreadsheet float with its plus', '+51987654321.0', '+51987654321'],
    ['exponent notation with a comma', '9,87654321E8', null],
    ['a word beside it', '987654321 (mamá)', '+51987654321'],
    ['two numbers run together', '987654321 912345678', null],
    ['landline first, mobile second', '01 4445555 / 912345678', '+51912345678'],
    ['junk first, mobile second', '999999999, 912345678', '+51912345678'],
    ['nothing first, mobile second', 'n/a | 912345678', '+51912345678'],
    ['a full-width separator', '01 4445555／912345678', '+51912345678'],
    ['digits of two things', 'order 1502 for 4592181', null],
    ['a NUL byte', '987\u0000654321', null],
    ['toll-free', '+80012345678', null],
  ])('%s', (_, raw, expected) => {
    expect(normalizePhone(raw, 'PE')).toBe(expected);
  });
});

describe('with landlines', () => {
  it.each([
    ['01 4445555', '+5114445555'],
    ['+51 1 4445555', '+5114445555'],
    ['01 4445555 / 912345678', '+5114445555'],
    ['987654321', '+51987654321'],
    ['014445555 9', null],
    ['+80012345678', null],
    ['999999999', null],
  ])('%s', (raw, expected) => {
    expect(normalizePhone(raw, 'PE', true)).toBe(expected);
    expect(rememberingPhoneNormalizer(true)(raw, 'PE')).toBe(expected);
  });

  it('a column that holds one tells a phone', () => {
    expect(isKnownPhone('+5114445555', 'PE', rememberingPhoneNormalizer(true))).toBe(true);
  });
});

describe('WhatsApp variants', () => {
  it.each([
    ['+525512345678', '+5215512345678'],
    ['+5491123456789', '+541123456789'],
    ['+5511987654321', '+551187654321'],
  ])('%s may be held as %s', (canonical, variant) => {
    expect(whatsappVariant(canonical)).toBe(variant);
    expect(canonicalOfVariant(variant)).toBe(canonical);
    expect(holdsPhone(variant, canonical)).toBe(true);
    expect(holdsPhone(canonical, canonical)).toBe(true);
    expect(isKnownPhone(variant, 'PE')).toBe(true);
  });

  it('Peru has none', () => {
    expect(whatsappVariant('+51987654321')).toBeNull();
    expect(canonicalOfVariant('+51987654321')).toBeNull();
    expect(holdsPhone('+51987654321 ', '+51987654321')).toBe(false);
    expect(holdsPhone(null, '+51987654321')).toBe(false);
  });
});

describe('a phone column that tells a phone', () => {
  it.each<[string | null, boolean]>([
    ['+51987654321', true],
    ['+51987654321 ', true],
    ['987654321', true],
    ['+987654321', false],
    ['+5114445555', false],
    ['+999999999', false],
    ['por confirmar', false],
    ['  ', false],
    [null, false],
  ])('%p: %p', (column, known) => {
    expect(isKnownPhone(column, 'PE')).toBe(known);
  });
});

it('the remembering normalizer answers alike, also past its capacity and for both regions', () => {
  const remembering = rememberingPhoneNormalizer(false, 3);
  const raws = phoneVectors.map((vector) => vector.raw);
  for (const raw of [...raws, ...raws.reverse()]) {
    for (const region of ['PE', 'MX'] as const) expect(remembering(raw, region)).toBe(normalizePhone(raw, region));
  }
});
