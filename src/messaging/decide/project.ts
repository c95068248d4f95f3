import { statusCounts } from '../normalize/keys';
import { holdsPhone } from '../normalize/phone';
import { isBlank } from '../normalize/text';
import type { HeldKind } from './directory';
import type { Newest, Rest } from './rest';
import type { Rules } from './rules';
import { type ConflictReason, type Contact, compareByAge, type OrderFact } from './values';
import type { World } from './world';

const CUSTOMER = 2;

/**
 * Sets the contact's fields to what its live orders say, each by its own rule of who may write it. Nothing an agent or the
 * application wrote is replaced (Invariant 10), and a field for which no live order has a value stays as it is.
 */
export function recompute(world: World, contactId: string, rules: Rules): void {
  const contact = world.contact(contactId);
  if (!contact) return;
  const facts = world.factsOf(contactId);
  const rest = world.restOf(contactId);
  if (facts.length + rest.orders > 0 && rest.erased === rest.orders && facts.every((fact) => fact.erased)) return;
  const live = facts.filter((fact) => !fact.deleted);

  const email = newestWith('email', live, rest);
  const phone = newestWith('phone', live, rest);
  let next = contact;
  if (email) next = withUnique(world, next, 'email', email);
  if (phone) next = withUnique(world, next, 'phone', phone);
  next = withName(next, contact.phone, newestWith('name', live, rest)?.name ?? null);

  const contactType = live.length + rest.live > 0 && (next.contactType ?? 0) < CUSTOMER ? CUSTOMER : next.contactType;
  const customerId = newestWith('customerId', live, rest)?.customerId ?? next.customerId;
  const totalOrders = countOrders(live, rest, rules);
  if (contactType !== next.contactType || customerId !== next.customerId || totalOrders !== next.totalOrders) {
    next = { ...next, contactType, customerId, totalOrders };
  }
  if (next !== contact) world.setContact(next);
}

function newestWith(field: Newest, facts: readonly OrderFact[], rest: Rest): OrderFact | null {
  let newest: OrderFact | null = rest.newest[field] ?? null;
  for (const fact of facts)
    if (fact[field] !== null && (newest === null || compareByAge(fact, newest) > 0)) newest = fact;
  return newest;
}

/** E-mail and phone, which only one contact of an account can hold. `source` is the order that supplies the value. */
function withUnique(world: World, contact: Contact, field: HeldKind, source: OrderFact): Contact {
  const value = source[field]!;
  if (holds(contact, field, value)) return contact;
  const current = contact[field];
  const shadow = contact.shadow[field];
  const refuse = (reason: ConflictReason, otherId = '') => {
    world.addConflict(source.orderId, reason, contact.id, otherId);
    return contact;
  };
  if (isBlank(current)) {
    // An agent cleared what we wrote: the same value is not written again.
    if (shadow === value) return contact;
  } else if (current !== shadow) {
    return refuse(field === 'email' ? 'email_kept_agent_value' : 'phone_number_kept_agent_value');
  }
  const other = world.holder(contact.accountId, field, value, contact.id);
  if (other) return refuse(field === 'email' ? 'email_belongs_to_other' : 'phone_belongs_to_other', other.id);
  if (field === 'phone' && !isBlank(current) && contact.inConversation) return refuse('phone_in_use_by_conversation');
  const written = { ...contact, [field]: value, shadow: { ...contact.shadow, [field]: value } };
  return field === 'email' ? { ...written, emailKey: value } : written;
}

/** True when the contact's column equals the value: an e-mail in any case, a phone also as WhatsApp writes it. */
export function holds(contact: Contact, field: HeldKind, value: string): boolean {
  return field === 'email' ? contact.emailKey === value : holdsPhone(contact.phone, value);
}

/**
 * A real name replaces a blank one, one that is only the phone, and our own. Without a real name the phone stands in, so
 * that Messaging later lets a WhatsApp profile name replace it.
 */
function withName(contact: Contact, phoneBefore: string | null, value: string | null): Contact {
  const current = contact.name;
  const name = value ?? contact.phone ?? '';
  const nobody = isBlank(current) || isPhone(current!, phoneBefore) || isPhone(current!, contact.phone);
  const mayWrite = nobody || (value !== null && current === contact.shadow.name);
  if (!mayWrite || name === current || isBlank(name)) return contact;
  return { ...contact, name, shadow: { ...contact.shadow, name } };
}

function isPhone(name: string, phone: string | null): boolean {
  return !isBlank(phone) && withoutPlus(name) === withoutPlus(phone!);
}

const withoutPlus = (phone: string): string => (phone.startsWith('+') ? phone.slice(1) : phone);

function countOrders(live: readonly OrderFact[], rest: Rest, rules: Rules): number {
  if (rules.totalOrders === 'source') {
    const told = newestWith('orderCount', live, rest);
    if (told) return told.orderCount!;
  }
  const orders = new Set<string>();
  for (const fact of live) {
    if (fact.okey === null || rest.okeys.has(fact.okey)) continue;
    if (statusCounts(fact.status, rules.notCountingStatuses)) orders.add(fact.okey);
  }
  return rest.counted + orders.size;
}
