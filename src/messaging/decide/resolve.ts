import { holdsPhone, isKnownPhone } from '../normalize/phone';
import type { Home } from './fact';
import type { Rules } from './rules';
import type { Contact, Keys, OrderFact } from './values';
import type { World } from './world';

/**
 * Which contact an order belongs to, and why; `rule` is the number in docs/domain.md, "Orders: who is it?".
 * - `stay`: linked, and no key changed to another value: neither an agent's edit nor a redaction re-routes an order
 * - `found`: `by` says which key leads to the contact, `through` whether its column or an alias has it, `insteadOf` the contact
 *   that the order was linked to and an agent removed
 * - `rename`: the only live order of a contact we made, whose key was corrected
 * - `create`, `none`: nobody known; a contact needs a phone or an e-mail
 * - `gone`: its contact was removed, and nobody else is found: nothing is resurrected
 */
export type Decision =
  | { readonly rule: 1; readonly how: 'stay'; readonly contactId: string }
  | ({ readonly rule: 2 | 3 | 4; readonly how: 'found'; readonly insteadOf: string | null } & Found)
  | { readonly rule: 5; readonly how: 'rename'; readonly contactId: string }
  | { readonly rule: 6; readonly how: 'create' | 'none' }
  | { readonly rule: 7; readonly how: 'gone'; readonly contactId: string };

export interface Found {
  readonly by: 'customer_id' | 'phone' | 'email';
  readonly through: 'column' | 'alias';
  readonly contactId: string;
}

const RULE = { customer_id: 2, phone: 3, email: 4 } as const;

/** Decides for `fact`, whose link is still the one of `stored`, the order's former version. Reads only. */
export function resolve(world: World, fact: OrderFact, stored: OrderFact | null, home: Home, rules: Rules): Decision {
  const linked = fact.contactId === null ? null : contactIn(world, home, fact.contactId);
  if (linked && stored && keysKept(stored, fact)) return { rule: 1, how: 'stay', contactId: linked.id };
  const gone = linked ? null : fact.contactId;
  const found = find(world, fact, home, rules);
  if (found) return { rule: RULE[found.by], how: 'found', ...found, insteadOf: gone };
  if (gone !== null) return { rule: 7, how: 'gone', contactId: gone };
  if (linked?.ours && isOnlyLiveOrder(world, linked.id, fact.orderId)) {
    return { rule: 5, how: 'rename', contactId: linked.id };
  }
  return { rule: 6, how: fact.phone !== null || fact.email !== null ? 'create' : 'none' };
}

/** Customer id, then phone, then e-mail (or e-mail, then phone, as the owner decided); what a contact holds now beats what it was known by. */
export function find(world: World, keys: Keys, home: Home, rules: Rules): Found | null {
  const { accountId } = home;
  const { customerId, phone, email } = keys;
  if (customerId !== null) {
    const contact = world.aliased(accountId, 'customer_id', customerId);
    if (contact) return { by: 'customer_id', through: 'alias', contactId: contact.id };
  }
  const byPhone = () => (phone === null ? null : liveOrAliased(world, accountId, 'phone', phone));
  const byEmail = () => (email === null ? null : compatible(world, email, phone, home, rules));
  return rules.precedence === 'phone' ? (byPhone() ?? byEmail()) : (byEmail() ?? byPhone());
}

/** A shared address must not join two people: with a phone that is none of this contact's, the order is somebody else's. */
function compatible(world: World, email: string, phone: string | null, home: Home, rules: Rules): Found | null {
  const found = liveOrAliased(world, home.accountId, 'email', email);
  if (!found || phone === null) return found;
  const contact = world.contact(found.contactId)!;
  const its = holdsPhone(contact.phone, phone) || world.aliased(home.accountId, 'phone', phone)?.id === contact.id;
  return its || !knowsPhone(world, contact, home, rules) ? found : null;
}

function liveOrAliased(world: World, accountId: string, kind: 'phone' | 'email', value: string): Found | null {
  const holder = world.holder(accountId, kind, value);
  if (holder) return { by: kind, through: 'column', contactId: holder.id };
  const aliased = world.aliased(accountId, kind, value);
  return aliased && { by: kind, through: 'alias', contactId: aliased.id };
}

function knowsPhone(world: World, contact: Contact, home: Home, rules: Rules): boolean {
  return isKnownPhone(contact.phone, home.region, rules.phone) || world.hasPhoneAlias(contact.id);
}

/** A link never crosses accounts. */
function contactIn(world: World, home: Home, contactId: string): Contact | null {
  const contact = world.contact(contactId);
  return contact?.accountId === home.accountId ? contact : null;
}

/** A key that became NULL was redacted, not changed. */
function keysKept(before: Keys, now: Keys): boolean {
  return (
    (now.customerId === null || now.customerId === before.customerId) &&
    (now.phone === null || now.phone === before.phone) &&
    (now.email === null || now.email === before.email)
  );
}

function isOnlyLiveOrder(world: World, contactId: string, orderId: string): boolean {
  const others = world.factsOf(contactId).filter((fact) => !fact.deleted && fact.orderId !== orderId);
  return others.length + world.restOf(contactId).live === 0;
}
