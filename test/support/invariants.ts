import { MESSAGING_EMAIL } from '../../src/messaging/normalize/email';
import { MESSAGING_PHONE } from '../../src/messaging/normalize/phone';
import type { Portrait, PortraitContact } from './play';

/** What holds of every state that a history can leave: each gives the offenders, of which there must be none. */

/** K1: contacts of one account that share an e-mail or a phone. */
export function doubles({ contacts }: Portrait): string[] {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const { tenant, email, phone } of contacts) {
    for (const value of [email?.trim() && `e-mail ${email.toLowerCase()}`, phone?.trim() && `phone ${phone}`]) {
      if (!value) continue;
      if (seen.has(`${tenant} ${value}`)) twice.push(`${tenant} ${value}`);
      seen.add(`${tenant} ${value}`);
    }
  }
  return twice;
}

/** K2: values we wrote (the column is still as remembered) that Messaging's validations would refuse. */
export function invalid({ contacts }: Portrait): PortraitContact[] {
  const wrong = (column: string | null, shadow: string | null, pattern: RegExp) =>
    column !== null && column === shadow && !(pattern.test(column) && column === column.toLowerCase());
  return contacts.filter(
    ({ email, phone, shadow }) =>
      wrong(email, shadow.email, MESSAGING_EMAIL) || wrong(phone, shadow.phone, MESSAGING_PHONE),
  );
}

/** K3: contacts with orders whose total is not the number of orders that are there, not cancelled, each once. */
export function miscounted({ contacts, facts }: Portrait): PortraitContact[] {
  const orders = new Map<number, Set<string>>();
  for (const { contactId, deleted, status, okey } of facts) {
    if (contactId === null) continue;
    const counted = orders.get(contactId) ?? new Set();
    if (!deleted && status !== 'Cancelado' && okey !== null) counted.add(okey);
    orders.set(contactId, counted);
  }
  return contacts.filter(
    ({ contact, totalOrders }) => orders.has(contact) && orders.get(contact)!.size !== totalOrders,
  );
}

/** K6: conflicts about one order, contact, other and field that are recorded more than once. */
export function repeated({ conflicts }: Portrait): string[] {
  const about = conflicts.map((conflict) => conflict.replace(/ (email|phone)_\S+/, ' $1'));
  return about.filter((key, i) => about.indexOf(key) !== i);
}

/** A contact with what we remember of it. */
export interface Remembered {
  readonly id: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly shadow: { readonly name: string | null; readonly email: string | null; readonly phone: string | null };
}

/**
 * Invariant 10: contacts that are gone, or of which a field held something that we had not written, and holds it no longer;
 * `before` and `after` batches, nobody else having written meanwhile.
 */
export function overwritten(before: Iterable<Remembered>, after: Iterable<Remembered>): Remembered[] {
  const now = new Map(Array.from(after, (contact) => [contact.id, contact]));
  const changed = (was: Remembered, field: 'name' | 'email' | 'phone') =>
    !!was[field]?.trim() && was[field] !== was.shadow[field] && now.get(was.id)![field] !== was[field];
  return [...before].filter((was) => {
    if (!now.has(was.id) || changed(was, 'email') || changed(was, 'phone')) return true;
    // A number only stands in for a name.
    return changed(was, 'name') && !/^\+?\d+$/.test(was.name!);
  });
}
