import type { ChangeEvent, FieldValue } from '../../core/change';
import { CdcError } from '../../core/errors';
import { formatPosition } from '../../core/position';
import { normalizeEmail } from '../normalize/email';
import { normalizeCustomerId, okey } from '../normalize/keys';
import { normalizeName } from '../normalize/name';
import type { Rules } from './rules';
import { canonicalId } from './values';

/** What is read of a row; the rest of a record need not be decoded. The id is in the record's key. */
export const ORDER_COLUMNS = [
  'tenant_id',
  'customer_phone',
  'customer_email',
  'customer_name',
  'customer_id',
  'customer_order_count',
  'status',
  'shopify_order_id',
  'shopify_draft_order_id',
  'woocommerce_order_id',
  'created_at',
] as const;
export const TENANT_COLUMNS = ['name', 'slug', 'is_active', 'is_platform', 'timezone', 'created_at'] as const;
type OrderColumns = Columns<(typeof ORDER_COLUMNS)[number]>;

/** A change of an order with everything normalized that needs no knowledge of its tenant. */
export interface OrderChange {
  readonly orderId: string;
  readonly version: string;
  readonly commitAt: bigint;
  /** Null when it is not told: a DELETE may carry the id only. */
  readonly tenantId: string | null;
  /** The new row; null for a DELETE. */
  readonly row: OrderRow | null;
  /** Of a person who was erased since: nothing personal is taken from it. */
  readonly erased?: boolean;
}

/** A field is undefined when PostgreSQL did not send its (large) value, because the update did not touch it. */
export interface OrderRow {
  readonly rawPhone: string | null | undefined;
  readonly email: string | null | undefined;
  readonly name: string | null | undefined;
  readonly customerId: string | null | undefined;
  readonly orderCount: number | null;
  readonly status: string | null | undefined;
  readonly okey: string | undefined;
  readonly createdAt: bigint | null;
}

/** A change of a tenant. */
export interface TenantChange {
  readonly tenantId: string;
  readonly version: string;
  readonly commitAt: bigint;
  /** The new row; null for a DELETE. */
  readonly row: TenantRow | null;
}

export interface TenantRow {
  /** Trimmed; null when blank. */
  readonly name: string | null | undefined;
  readonly slug: string | null | undefined;
  readonly isActive: boolean;
  readonly isPlatform: boolean;
  readonly timezone: string | null | undefined;
  readonly createdAt: bigint | null;
}

/** Throws record_malformed when no rule can make sense of the record. */
export function readOrder(event: ChangeEvent, rules: Rules): OrderChange {
  const change = {
    orderId: canonicalId(event.id),
    version: formatPosition(event.position),
    commitAt: event.commitTime,
  };
  if (event.op === 'd') return { ...change, tenantId: tenantIdOf(event.before?.tenant_id), row: null };
  const read: OrderColumns = new Columns(event);
  const tenantId = tenantIdOf(read.value('tenant_id'));
  if (tenantId === null) throw malformed('an order without a tenant');
  return { ...change, tenantId, row: orderRow(read, change.orderId, rules) };
}

function orderRow(read: OrderColumns, orderId: string, rules: Rules): OrderRow {
  const email = read.text('customer_email');
  const name = read.text('customer_name');
  const customerId = read.text('customer_id');
  return {
    rawPhone: read.text('customer_phone'),
    email: email === undefined ? undefined : normalizeEmail(email, rules.emailBlocklist),
    name: name === undefined ? undefined : normalizeName(name),
    customerId: customerId === undefined ? undefined : normalizeCustomerId(customerId, rules.customerIdBlocklist),
    orderCount: read.integer('customer_order_count'),
    status: read.text('status'),
    okey: okeyOf(read, orderId),
    createdAt: read.time('created_at'),
  };
}

/** True when a large value was not sent. */
export const lacksValues = (row: OrderRow): boolean =>
  row.rawPhone === undefined ||
  row.email === undefined ||
  row.name === undefined ||
  row.customerId === undefined ||
  row.status === undefined ||
  row.okey === undefined;

function okeyOf(read: OrderColumns, id: string): string | undefined {
  const shopifyOrderId = read.text('shopify_order_id');
  const shopifyDraftOrderId = read.text('shopify_draft_order_id');
  const woocommerceOrderId = read.text('woocommerce_order_id');
  if (shopifyOrderId === undefined || shopifyDraftOrderId === undefined || woocommerceOrderId === undefined) {
    return undefined;
  }
  return okey({ id, shopifyOrderId, shopifyDraftOrderId, woocommerceOrderId });
}

/** Throws record_malformed when no rule can make sense of the record. */
export function readTenant(event: ChangeEvent): TenantChange {
  const change = {
    tenantId: canonicalId(event.id),
    version: formatPosition(event.position),
    commitAt: event.commitTime,
  };
  if (event.op === 'd') return { ...change, row: null };
  const read: Columns<(typeof TENANT_COLUMNS)[number]> = new Columns(event);
  const row = {
    name: read.trimmed('name'),
    slug: read.trimmed('slug'),
    isActive: read.value('is_active') !== false,
    isPlatform: read.value('is_platform') === true,
    timezone: read.text('timezone'),
    createdAt: read.time('created_at'),
  };
  return { ...change, row };
}

function tenantIdOf(value: FieldValue | undefined): string | null {
  return value === null || value === undefined ? null : canonicalId(String(value));
}

/** The columns of a record's new row. One the table never had reads as NULL. */
class Columns<C extends string> {
  private readonly row: NonNullable<ChangeEvent['after']>;
  private readonly notSent: readonly string[] | null;

  constructor(event: ChangeEvent) {
    if (!event.after) throw malformed(`an ${event.op} without a new row`);
    this.row = event.after;
    this.notSent = event.unchanged;
  }

  value(column: C): FieldValue {
    return this.row[column] ?? null;
  }
  text(column: C): string | null | undefined {
    if (this.notSent?.includes(column)) return undefined;
    const value = this.value(column);
    return value === null || typeof value === 'string' ? value : String(value);
  }
  trimmed(column: C): string | null | undefined {
    const text = this.text(column);
    return text === undefined ? undefined : text?.trim() || null;
  }
  time(column: C): bigint | null {
    const value = this.value(column);
    if (value === null || typeof value === 'bigint') return value;
    throw malformed(`a ${column} that is not a time`);
  }
  integer(column: C): number | null {
    const value = this.value(column);
    const number = value === null ? Number.NaN : Number(value);
    return Number.isSafeInteger(number) ? number : null;
  }
}

const malformed = (what: string) => new CdcError('record_malformed', `${what} cannot be applied`);
