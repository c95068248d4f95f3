import type { HeldKind } from './directory';
import type { Home } from './fact';
import { holds, recompute } from './project';
import { find } from './resolve';
import type { Rules } from './rules';
import { type ConflictReason, type Contact, compareByAge, type Keys, type OrderFact } from './values';
import type { World } from './world';

/**
 * Links the order to a contact: first the one that loses it is recomputed, then the conflicts are noted, then the one that
 * has it is recomputed, and at last the order's keys lead to it.
 */
export function link(world: World, fact: OrderFact, contactId: string, rules: Rules, created = false): void {
  const former = fact.contactId;
  const linked = former === contactId ? fact : { ...fact, contactId };
  if (linked !== fact) world.setFact(linked);
  if (former !== null && former !== contactId) recompute(world, former, rules);
  const contact = world.contact(contactId)!;
  noteHeld(world, linked, contact, 'email', created ? 'email_shared_different_phone' : 'email_belongs_to_other');
  noteHeld(world, linked, contact, 'phone', 'phone_belongs_to_other');
  recompute(world, contactId, rules);
  writeAliases(world, linked, contact.accountId, contactId);
}

/** Takes the order from its contact. */
export function unlink(world: World, fact: OrderFact, rules: Rules): void {
  const former = fact.contactId;
  world.setFact({ ...fact, contactId: null });
  if (former !== null) recompute(world, former, rules);
}

/** An empty contact of the account, for an order that nobody is known for; the order's link fills it. */
export function createContact(world: World, fact: OrderFact, home: Home): string {
  const id = world.newId();
  world.addContact({
    id,
    accountId: home.accountId,
    name: '',
    email: null,
    emailKey: null,
    phone: null,
    contactType: null,
    customerId: null,
    totalOrders: null,
    inConversation: false,
    ours: true,
    shadow: { name: null, email: null, phone: null },
    createdAt: fact.createdAt ?? fact.commitAt,
  });
  return id;
}

/**
 * The other orders of a contact that an agent deleted or merged, one of which has just been found with another contact:
 * those whose keys lead to the same one follow, deleted ones too, the oldest first.
 */
export function relinkOthers(world: World, goneId: string, contactId: string, home: Home, rules: Rules): void {
  for (const fact of world.factsOf(goneId).sort(compareByAge)) {
    if (find(world, fact, home, rules)?.contactId === contactId) link(world, fact, contactId, rules);
  }
}

/** The sink never takes a value from another contact; it says so. */
function noteHeld(world: World, fact: OrderFact, contact: Contact, field: HeldKind, reason: ConflictReason): void {
  const value = fact[field];
  if (value === null || holds(contact, field, value)) return;
  const other = world.holder(contact.accountId, field, value, contact.id);
  if (other) world.addConflict(fact.orderId, reason, contact.id, other.id);
}

/** A phone or an e-mail that another contact holds in its column stays that contact's. */
function writeAliases(world: World, keys: Keys, accountId: string, contactId: string): void {
  const { customerId, phone, email } = keys;
  if (customerId !== null) world.setAlias({ accountId, kind: 'customer_id', value: customerId, contactId });
  if (phone !== null && !world.holder(accountId, 'phone', phone, contactId)) {
    world.setAlias({ accountId, kind: 'phone', value: phone, contactId });
  }
  if (email !== null && !world.holder(accountId, 'email', email, contactId)) {
    world.setAlias({ accountId, kind: 'email', value: email, contactId });
  }
}
