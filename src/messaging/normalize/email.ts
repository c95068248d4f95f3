import { FORMAT_CHARACTERS } from './text';

/** Ruby's URI::MailTo::EMAIL_REGEXP, by which Messaging validates `contacts.email`; whole value, ASCII only. */
export const MESSAGING_EMAIL =
  /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

/** SMTP's longest path. */
const MAX_LENGTH = 254;
/** What Ventia writes when the shop sent no address. */
const PLACEHOLDER = /^no-email-(?:shopify|woo)-/;
/** Domains that by RFC 2606 and 6761 belong to nobody. */
const RESERVED_DOMAIN = /(?:^|\.)(?:example\.(?:com|net|org)|test|invalid|localhost|example)$/;

/**
 * The address in the one form that is stored and compared, or null when it is no customer's or would fail Messaging's
 * validation. Dots and plus tags are kept: at most providers they make another mailbox.
 *
 * @param blocklist lower-case addresses or domains; a domain covers its subdomains
 */
export function normalizeEmail(raw: string | null, blocklist: ReadonlySet<string>): string | null {
  if (raw === null) return null;
  const email = raw.normalize('NFC').replace(FORMAT_CHARACTERS, '').trim().toLowerCase();
  if (email.length > MAX_LENGTH || !MESSAGING_EMAIL.test(email)) return null;
  const domain = email.slice(email.indexOf('@') + 1);
  if (!domain.includes('.') || PLACEHOLDER.test(email) || RESERVED_DOMAIN.test(domain)) return null;
  return isBlocked(email, domain, blocklist) ? null : email;
}

function isBlocked(email: string, domain: string, blocklist: ReadonlySet<string>): boolean {
  if (blocklist.size === 0) return false;
  if (blocklist.has(email)) return true;
  for (let rest = domain; ; rest = rest.slice(rest.indexOf('.') + 1)) {
    if (blocklist.has(rest)) return true;
    if (!rest.includes('.')) return false;
  }
}
