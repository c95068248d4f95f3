import { type CountryCode, parseDigits, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { FORMAT_CHARACTERS, isBlank } from './text';

/** The country whose numbers a tenant's customers write without a prefix. */
export type Region = CountryCode;

export const DEFAULT_REGION: Region = 'PE';

const TIME_ZONES: ReadonlyMap<string, Region> = new Map([
  ['America/Lima', 'PE'],
  ['America/Bogota', 'CO'],
  ['America/Mexico_City', 'MX'],
]);

/** All that a tenant may have. */
export const REGIONS: readonly Region[] = [...TIME_ZONES.values()];

export const hasRegion = (timezone: string): boolean => TIME_ZONES.has(timezone);

export function regionOf(timezone: string | null): Region {
  return (timezone === null ? undefined : TIME_ZONES.get(timezone)) ?? DEFAULT_REGION;
}

/** Messaging's own validation of `contacts.phone_number`. */
export const MESSAGING_PHONE = /^\+[1-9]\d{1,14}$/;

const SCHEME = /^\s*(?:tel|whatsapp):/i;
const SPREADSHEET_FLOAT = /^(\+?\d+)\.0$/;
/** The digits are lost already: 9.87654321E8 may have been any of ten numbers. */
const EXPONENT = /^[+-]?\d+(?:[.,]\d+)?e[+-]?\d+$/i;
const SEPARATORS = /[/;,|]/;
/** A column holds one number or a few; a megabyte of anything must not cost a second. */
const MAX_LENGTH = 8192;
const MAX_PARTS = 32;
const MAX_PART_LENGTH = 250;
const MAX_DIGITS = 15;
const LETTER_BETWEEN_DIGITS = /\p{Nd}.*\p{L}.*\p{Nd}/su;
const ONE_REPEATED_DIGIT = /^(\d)\1*$/;

/**
 * The canonical E.164 form of what somebody typed as a phone number, or null.
 *
 * Only numbers that can carry WhatsApp are accepted (mobile, or a plan that does not tell mobiles from landlines): the
 * column routes messages, and a landline is often shared. With `landlines` these, too. In doubt the answer is null: no
 * number is better than the number of another person.
 */
export function normalizePhone(raw: string | null, region: Region, landlines = false): string | null {
  if (isBlank(raw) || raw!.length > MAX_LENGTH) return null;
  return plainMobile(raw!, region) ?? parsedPhone(raw!, region, landlines);
}

/** {@link normalizePhone} the long way, for any text; exported for the test that holds the short way against it. */
export function parsedPhone(raw: string, region: Region, landlines = false): string | null {
  let text = raw.normalize('NFKC').replace(FORMAT_CHARACTERS, '').replace(SCHEME, '').trim();
  if (EXPONENT.test(text)) return null;
  text = (SPREADSHEET_FLOAT.exec(text)?.[1] ?? text).replace(/\+{2,}/g, '+');
  for (const part of text.split(SEPARATORS, MAX_PARTS)) {
    const accepted = acceptPart(part, region, landlines);
    if (accepted !== null) return accepted;
  }
  return null;
}

/**
 * Mobile numbers by their digits alone, with or without the country code: for these the way through the parser ends in the
 * same answer, as the tests hold against it. 0.2 us instead of 5 to 9, and it is nearly every phone of an order.
 */
const PLAIN_MOBILE: ReadonlyMap<Region, { readonly code: string; readonly pattern: RegExp; readonly digits: number }> =
  new Map([
    ['PE', { code: '+51', pattern: /^(?:\+?51)?9\d{8}$/, digits: 9 }],
    ['CO', { code: '+57', pattern: /^(?:\+?57)?3(?:0[0-5]|1\d|2[0-3]|5[01])\d{7}$/, digits: 10 }],
    ['MX', { code: '+52', pattern: /^(?:\+?52)?(?:33|5[56]|81)\d{8}$/, digits: 10 }],
  ]);

function plainMobile(raw: string, region: Region): string | null {
  const plain = PLAIN_MOBILE.get(region);
  const text = raw.replace(/[ -]/g, '');
  if (!plain?.pattern.test(text)) return null;
  const national = text.slice(-plain.digits);
  return ONE_REPEATED_DIGIT.test(national) ? null : plain.code + national;
}

function acceptPart(part: string, region: Region, landlines: boolean): string | null {
  const digits = parseDigits(part);
  if (digits === '' || part.length > MAX_PART_LENGTH) return null;
  const parsed = parsePhoneNumberFromString(part, region);
  const type = parsed?.getType();
  // With full metadata a type is known exactly for valid numbers, so a landline ends the search here.
  if (type !== undefined) return accept(parsed!, type, landlines);
  if (part.includes('+') || parsed?.ext || digits.length > MAX_DIGITS || LETTER_BETWEEN_DIGITS.test(part)) return null;
  // Foreign numbers are often stored as digits alone (a WhatsApp id is). But digits that merely continue a good number
  // of the region are a typing error, and would be read as a number of another country.
  if (continuesNumberOf(region, digits, landlines)) return null;
  const foreign = parsePhoneNumberFromString(`+${digits}`);
  return foreign ? accept(foreign, foreign.getType(), landlines) : null;
}

type Parsed = NonNullable<ReturnType<typeof parsePhoneNumberFromString>>;
type NumberType = ReturnType<Parsed['getType']>;

const isAcceptedType = (type: NumberType, landlines: boolean): boolean =>
  type === 'MOBILE' || type === 'FIXED_LINE_OR_MOBILE' || (landlines && type === 'FIXED_LINE');

function accept(parsed: Parsed, type: NumberType, landlines: boolean): string | null {
  if (!isAcceptedType(type, landlines) || ONE_REPEATED_DIGIT.test(parsed.nationalNumber)) return null;
  return MESSAGING_PHONE.test(parsed.number) ? parsed.number : null;
}

function continuesNumberOf(region: Region, digits: string, landlines: boolean): boolean {
  for (let length = digits.length - 1; length > 3; length--) {
    const prefix = parsePhoneNumberFromString(digits.slice(0, length), region);
    if (prefix?.country === region && isAcceptedType(prefix.getType(), landlines)) return true;
  }
  return false;
}

/**
 * {@link normalizePhone} that remembers what had to be parsed, for loops: an order's phone comes again with each of its
 * changes. Parsing costs 5 to 9 microseconds (up to 40 for foreign digits without a plus), a remembered answer less than one.
 */
export function rememberingPhoneNormalizer(
  landlines = false,
  capacity = 5_000,
): (raw: string | null, region: Region) => string | null {
  const known = new Map<string, string | null>();
  return (raw, region) => {
    if (raw === null || raw.length > 40) return normalizePhone(raw, region, landlines);
    const plain = plainMobile(raw, region);
    if (plain !== null) return plain;
    const key = region + raw;
    let answer = known.get(key);
    if (answer === undefined) {
      answer = normalizePhone(raw, region, landlines);
      if (known.size >= capacity) known.clear();
      known.set(key, answer);
    }
    return answer;
  };
}

const HAS_VARIANT = /^\+5[245]/;

/**
 * What WhatsApp may call a canonical number, and a contact made by a conversation may therefore hold: Mexico's old 1
 * after the country code, Argentina without its 9, Brazil without the ninth digit. Null for all others.
 */
export function whatsappVariant(canonical: string): string | null {
  if (!HAS_VARIANT.test(canonical)) return null;
  const mexico = /^\+52(\d{10})$/.exec(canonical);
  if (mexico) return `+521${mexico[1]}`;
  const argentina = /^\+549(\d{10})$/.exec(canonical);
  if (argentina) return `+54${argentina[1]}`;
  const brazil = /^\+55(\d\d)9(\d{8})$/.exec(canonical);
  if (brazil) return `+55${brazil[1]}${brazil[2]}`;
  return null;
}

/** The canonical number of which `value` is the WhatsApp variant; null when it is none. Inverse of {@link whatsappVariant}. */
export function canonicalOfVariant(value: string): string | null {
  const mexico = /^\+521(\d{10})$/.exec(value);
  if (mexico) return `+52${mexico[1]}`;
  const argentina = /^\+54(\d{10})$/.exec(value);
  if (argentina) return `+549${argentina[1]}`;
  const brazil = /^\+55(\d\d)(\d{8})$/.exec(value);
  if (brazil) return `+55${brazil[1]}9${brazil[2]}`;
  return null;
}

/** True when a column holds the number, in its canonical form or as WhatsApp writes it. */
export function holdsPhone(column: string | null, canonical: string): boolean {
  return column !== null && (column === canonical || column === whatsappVariant(canonical));
}

/**
 * True when a contact's column tells a phone: a number we accept, or the WhatsApp variant of one. The old job's wrong
 * numbers (`+987654321`) and free text tell none.
 */
export function isKnownPhone(column: string | null, region: Region, normalize = normalizePhone): boolean {
  if (isBlank(column)) return false;
  if (normalize(column, region) !== null) return true;
  const canonical = canonicalOfVariant(column!.trim());
  return canonical !== null && normalize(canonical, region) === canonical;
}
