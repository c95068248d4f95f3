/** The columns of an order that may say which order it is; text as in the row, null where absent. */
export interface OrderIds {
  readonly id: string;
  readonly shopifyOrderId: string | null;
  readonly shopifyDraftOrderId: string | null;
  readonly woocommerceOrderId: string | null;
}

/**
 * What counts as one order: two rows of one shop order are one. Ids are taken verbatim; the prefix keeps the numbers of
 * different shops apart.
 */
export function okey(order: OrderIds): string {
  if (order.shopifyOrderId) return `shopify:${order.shopifyOrderId}`;
  if (order.shopifyDraftOrderId) return `draft:${order.shopifyDraftOrderId}`;
  if (order.woocommerceOrderId) return `woo:${order.woocommerceOrderId}`;
  return `order:${order.id}`;
}

/** Customer ids are opaque (numbers past 2^53, GIDs): trimmed, never folded. Null for none or a blocked one. */
export function normalizeCustomerId(raw: string | null, blocklist: ReadonlySet<string>): string | null {
  const id = raw?.trim();
  return !id || blocklist.has(id) ? null : id;
}

/** Whether an order of this status counts as one; an order without a status does. */
export function statusCounts(status: string | null, notCounting: ReadonlySet<string>): boolean {
  return status === null || !notCounting.has(status);
}
