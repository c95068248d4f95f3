import type { OrderChange, TenantChange } from './change';
import { applyOrder, type OrderStep, placeOrder } from './orders';
import type { Rules } from './rules';
import { applyTenant, type TenantStep } from './tenants';
import type { World } from './world';

/** One thing to do, alone and in its turn. */
export type Item =
  | { readonly kind: 'tenant'; readonly change: TenantChange }
  | { readonly kind: 'order'; readonly change: OrderChange }
  /** An order that waited for its tenant. */
  | { readonly kind: 'place'; readonly orderId: string; readonly tenantId: string };

/** Null: a parked order that cannot be placed. */
export type Step = TenantStep | OrderStep | null;

/** The decision: sinks, audits and previews all call this. */
export function applyItem(world: World, item: Item, rules: Rules): Step {
  switch (item.kind) {
    case 'tenant':
      return applyTenant(world, item.change, rules);
    case 'order':
      return applyOrder(world, item.change, rules);
    case 'place':
      return placeOrder(world, item.orderId, rules);
  }
}
