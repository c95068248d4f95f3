import { regionOf } from '../normalize/phone';
import { lacksValues, type OrderChange } from './change';
import { type Home, nextFact, placedFact } from './fact';
import { createContact, link, relinkOthers, unlink } from './link';
import { recompute } from './project';
import { type Decision, resolve } from './resolve';
import type { Rules } from './rules';
import type { OrderFact } from './values';
import type { World } from './world';

/** What became of a change of an order. `incomplete`: a value was not sent, and none was stored. */
export type OrderStep =
  | { readonly what: 'stale' | 'deleted' }
  | { readonly what: 'parked'; readonly incomplete: boolean }
  | { readonly what: 'linked'; readonly decision: Decision; readonly incomplete: boolean };

/**
 * Applies one change of an order to the world, as if it were the only one. A new row (c, u, r) is resolved, linked and its
 * contact recomputed also when no column changed, so that a repeated snapshot repairs.
 */
export function applyOrder(world: World, change: OrderChange, rules: Rules): OrderStep {
  const stored = world.fact(change.orderId);
  // Invariant 9: equal or older changes nothing.
  if (stored && change.version <= stored.version) return { what: 'stale' };
  if (change.row === null) {
    const fact = nextFact(stored, change, null, rules);
    world.setFact(fact);
    if (fact.contactId !== null) recompute(world, fact.contactId, rules);
    return { what: 'deleted' };
  }
  const home = homeOf(world, change.tenantId!);
  const fact = nextFact(stored, change, home, rules);
  world.setFact(fact);
  if (stored?.contactId && fact.contactId === null) recompute(world, stored.contactId, rules);
  const incomplete = stored === null && lacksValues(change.row);
  if (!home) return { what: 'parked', incomplete };
  return { what: 'linked', decision: settle(world, fact, stored, home, rules), incomplete };
}

/** Places an order that waited for its tenant; null when it does not wait (any more) or the tenant is still not there. */
export function placeOrder(world: World, orderId: string, rules: Rules): OrderStep | null {
  const stored = world.fact(orderId);
  if (!stored?.parked || stored.deleted || stored.tenantId === null) return null;
  const home = homeOf(world, stored.tenantId);
  if (!home) return null;
  const fact = placedFact(stored, home, rules);
  world.setFact(fact);
  return { what: 'linked', decision: settle(world, fact, stored, home, rules), incomplete: false };
}

/** Both the tenant and its account must be known, the tenant by more than a DELETE. */
export function homeOf(world: World, tenantId: string): Home | null {
  const tenant = world.tenant(tenantId);
  const account = world.account(tenantId);
  return tenant && tenant.name !== null && account
    ? { accountId: account.id, region: regionOf(tenant.timezone) }
    : null;
}

function settle(world: World, fact: OrderFact, stored: OrderFact | null, home: Home, rules: Rules): Decision {
  const decision = resolve(world, fact, stored, home, rules);
  switch (decision.how) {
    case 'stay':
      recompute(world, decision.contactId, rules);
      break;
    case 'found':
      link(world, fact, decision.contactId, rules);
      if (decision.insteadOf !== null) relinkOthers(world, decision.insteadOf, decision.contactId, home, rules);
      break;
    case 'rename':
      link(world, fact, decision.contactId, rules);
      break;
    case 'create':
      link(world, fact, createContact(world, fact, home), rules, true);
      break;
    case 'none':
      unlink(world, fact, rules);
      break;
    case 'gone':
      break;
  }
  return decision;
}
