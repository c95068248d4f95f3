/**
 * What the decisions are made of: plain values, ids as text in the catalog's own form, times in microseconds since 1970 UTC,
 * versions as core/position's sortable text. A field of a value is null where the database has NULL.
 */

/** What the sinks know of a tenant. */
export interface TenantFact {
  readonly tenantId: string;
  /** As the source had it last, trimmed, never blank; null when only a DELETE was seen. */
  readonly name: string | null;
  readonly isActive: boolean;
  readonly timezone: string | null;
  readonly version: string;
  readonly deleted: boolean;
}

/** A row of `accounts`. */
export interface Account {
  /** Made by {@link World.newId} until it is inserted. */
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  /** 0 active, 1 suspended. */
  readonly status: number;
  /** Of an account that is not inserted yet, else null. */
  readonly createdAt: bigint | null;
}

/** The three ways to know a person, strongest first. */
export interface Keys {
  readonly customerId: string | null;
  readonly phone: string | null;
  readonly email: string | null;
}

/** What the sinks know of an order: normalized values only. */
export interface OrderFact extends Keys {
  readonly orderId: string;
  readonly tenantId: string | null;
  readonly name: string | null;
  readonly orderCount: number | null;
  readonly status: string | null;
  /** What counts as one order; null when it could not be known. */
  readonly okey: string | null;
  readonly createdAt: bigint | null;
  /** Commit time of the order's newest change. */
  readonly commitAt: bigint;
  readonly version: string;
  readonly deleted: boolean;
  /** Personal data was erased on request: that of later versions is ignored too. */
  readonly erased: boolean;
  /** Waits for its tenant. */
  readonly parked: boolean;
  /** The phone as it came, while the region of its tenant is not known. */
  readonly rawPhone: string | null;
  /** The contact it is linked to; one that no longer exists marks a person whom an agent deleted or merged. */
  readonly contactId: string | null;
}

/** The fields of a contact that an order can fill. */
export interface ContactFields {
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
}

/** A row of `contacts`, with what we remember of it. */
export interface Contact extends ContactFields {
  /** Made by {@link World.newId} until it is inserted. */
  readonly id: string;
  readonly accountId: string;
  /** The e-mail as the database folds its case: the form in which it is looked up. */
  readonly emailKey: string | null;
  /** visitor 0, lead 1, customer 2; null counts as 0. */
  readonly contactType: number | null;
  /** custom_attributes.ventia_customer_id where it is a string, and total_orders where it is a number; else null. */
  readonly customerId: string | null;
  readonly totalOrders: number | null;
  /** It has contact_inboxes: its phone is an address in a running conversation. */
  readonly inConversation: boolean;
  /** We inserted it. */
  readonly ours: boolean;
  /** The last values *we* wrote, null where none: a field that still equals its shadow is ours to change. */
  readonly shadow: ContactFields;
  /** created_at and last_activity_at of a contact that is not inserted yet, else null. */
  readonly createdAt: bigint | null;
}

export const ALIAS_KINDS = ['customer_id', 'phone', 'email'] as const;
export type AliasKind = (typeof ALIAS_KINDS)[number];

/** A value by which a contact of an account was known once. It finds the contact, it never reserves the value. */
export interface Alias {
  readonly accountId: string;
  readonly kind: AliasKind;
  readonly value: string;
  readonly contactId: string;
}

export type ConflictReason =
  | 'email_belongs_to_other'
  | 'email_kept_agent_value'
  | 'email_shared_different_phone'
  | 'phone_belongs_to_other'
  | 'phone_number_kept_agent_value'
  | 'phone_in_use_by_conversation';

/** A value that was not written, for people to look at. */
export interface Conflict {
  readonly orderId: string;
  readonly reason: ConflictReason;
  readonly contactId: string;
  /** The contact that has the value; '' when there is none. */
  readonly otherId: string;
}

/** Oldest first: by created_at (null is older than any), then by id as the source's type orders it. */
export function compareByAge(a: OrderFact, b: OrderFact): number {
  if (a.createdAt !== b.createdAt) {
    if (a.createdAt === null) return -1;
    if (b.createdAt === null) return 1;
    return a.createdAt < b.createdAt ? -1 : 1;
  }
  return compareIds(a.orderId, b.orderId);
}

const INTEGER = /^-?\d+$/;

/** Integers by value; uuids as PostgreSQL does, which is the order of their lower-case text. */
export function compareIds(a: string, b: string): number {
  if (INTEGER.test(a) && INTEGER.test(b)) {
    const difference = BigInt(a) - BigInt(b);
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

/** One text for one id: a uuid in lower case with its dashes (as PostgreSQL writes it), anything else as it is. */
export function canonicalId(text: string): string {
  // As it nearly always comes: a fifth of the time, and nothing allocated.
  if (CANONICAL_UUID.test(text)) return text;
  const uuid = UUID.exec(text);
  return uuid ? uuid.slice(1).join('-').toLowerCase() : text;
}
