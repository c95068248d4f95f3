import type { Region } from '../normalize/phone';
import type { OrderChange, OrderRow } from './change';
import type { Rules } from './rules';
import type { OrderFact } from './values';

/** Where the orders of a tenant are placed. */
export interface Home {
  readonly accountId: string;
  readonly region: Region;
}

/**
 * The fact that a change makes of what was stored. Without a `home` it is parked, with its raw phone. The link goes when the
 * tenant does.
 */
export function nextFact(stored: OrderFact | null, change: OrderChange, home: Home | null, rules: Rules): OrderFact {
  if (change.row === null) return deletedFact(stored, change);
  const { row, tenantId } = change;
  const parked = home === null;
  const erased = (stored?.erased ?? false) || (change.erased ?? false);
  const personal = erased ? NOTHING : personalOf(stored, row);
  const phone = parked || personal.rawPhone === null ? personal.phone : rules.phone(personal.rawPhone, home.region);
  return {
    orderId: change.orderId,
    tenantId,
    phone,
    email: personal.email,
    name: personal.name,
    customerId: personal.customerId,
    orderCount: row.orderCount,
    status: kept(row.status, stored?.status),
    okey: kept(row.okey, stored?.okey),
    createdAt: row.createdAt,
    commitAt: change.commitAt,
    version: change.version,
    deleted: false,
    erased,
    parked,
    rawPhone: parked ? personal.rawPhone : null,
    contactId: stored !== null && stored.tenantId === tenantId ? stored.contactId : null,
  };
}

/** A parked order in its home. */
export function placedFact(parked: OrderFact, home: Home, rules: Rules): OrderFact {
  const phone = parked.rawPhone === null ? parked.phone : rules.phone(parked.rawPhone, home.region);
  return { ...parked, phone, rawPhone: null, parked: false };
}

/** Everything that was known, marked; of an unknown order only that it is gone. */
function deletedFact(stored: OrderFact | null, change: OrderChange): OrderFact {
  if (stored) return { ...stored, deleted: true, version: change.version };
  return {
    orderId: change.orderId,
    tenantId: change.tenantId,
    ...NOTHING,
    orderCount: null,
    status: null,
    okey: null,
    createdAt: null,
    commitAt: change.commitAt,
    version: change.version,
    deleted: true,
    erased: false,
    parked: false,
    contactId: null,
  };
}

type Personal = Pick<OrderFact, 'rawPhone' | 'phone' | 'email' | 'name' | 'customerId'>;

const NOTHING: Personal = { rawPhone: null, phone: null, email: null, name: null, customerId: null };

function personalOf(stored: OrderFact | null, row: OrderRow): Personal {
  const notSent = row.rawPhone === undefined;
  return {
    rawPhone: kept(row.rawPhone, stored?.rawPhone),
    phone: notSent ? (stored?.phone ?? null) : null,
    email: kept(row.email, stored?.email),
    name: kept(row.name, stored?.name),
    customerId: kept(row.customerId, stored?.customerId),
  };
}

/** A value that was not sent stays what is stored; never NULL because of it. */
const kept = <T>(sent: T | null | undefined, stored: T | null | undefined): T | null =>
  sent === undefined ? (stored ?? null) : sent;
