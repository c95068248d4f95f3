/**
 * White space, blank and trim mean ECMAScript's everywhere in the domain (`\s`, String.prototype.trim), not
 * PostgreSQL's nor Ruby's: one meaning, applied in one place.
 */

/** NULL, empty, or only white space. */
export function isBlank(value: string | null): boolean {
  return value === null || value.trim() === '';
}

/** Invisible characters that carry no meaning in a name, address or number: bidi marks, joiners, BOM, soft hyphen. */
export const FORMAT_CHARACTERS = /\p{Cf}/gu;
