import type { ChangeEvent, Row } from '../../src/core/change';
import type { Step } from '../../src/messaging/decide/item';
import type { Decision } from '../../src/messaging/decide/resolve';
import type { Rules } from '../../src/messaging/decide/rules';
import type { Contact, ContactFields } from '../../src/messaging/decide/values';
import { changeEvent, EPOCH_US, type EventOptions, RULES } from './events';
import { PureStore } from './pure-store';

/** Fields of an order; those that are left out are NULL, but for a name and a date that rises with the id. */
export interface PureOrder {
  readonly tenant?: number;
  readonly phone?: string;
  readonly email?: string;
  readonly name?: string | null;
  readonly cid?: string;
  readonly status?: string;
  readonly shopify?: string;
  readonly createdAt?: number | null;
}

/** One tenant and its account in memory, and what its orders and its agents do. */
export class PureShop {
  readonly store: PureStore;

  constructor(rules: Partial<Rules> = {}) {
    this.store = new PureStore({ ...RULES, ...rules });
    this.tenant(1);
  }

  tenant(id: number, row: Row | null = {}): Step {
    const values = row && { name: 'Tienda', slug: 's', is_active: true, timezone: 'America/Lima', ...row };
    return this.store.apply([changeEvent('tenants', String(id), values)])[0]!;
  }

  event(id: number, order: PureOrder | null, options: EventOptions = {}): ChangeEvent {
    const tenant_id = BigInt(order?.tenant ?? 1);
    if (!order) return changeEvent('orders', String(id), null, { before: { tenant_id }, ...options });
    const createdAt = order.createdAt === undefined ? id : order.createdAt;
    const row = {
      tenant_id,
      customer_phone: order.phone ?? null,
      customer_email: order.email ?? null,
      customer_name: order.name === undefined ? 'Ana Pérez' : order.name,
      customer_id: order.cid ?? null,
      status: order.status ?? 'Pagado',
      shopify_order_id: order.shopify ?? null,
      created_at: createdAt === null ? null : EPOCH_US + BigInt(createdAt),
    };
    return changeEvent('orders', String(id), row, options);
  }
  step(id: number, order: PureOrder | null, options: EventOptions = {}): Step {
    return this.store.apply([this.event(id, order, options)])[0]!;
  }
  /** How the order's contact was decided. */
  decide(id: number, order: PureOrder, options: EventOptions = {}): Decision {
    const step = this.step(id, order, options);
    if (step?.what !== 'linked') throw new Error(`not decided but ${step?.what}`);
    return step.decision;
  }

  /** A contact that the application made. */
  app(fields: Partial<Contact>): string {
    return this.store.appContact(this.store.accounts.get('1')!.id, fields);
  }
  edit(id: string, fields: Partial<ContactFields>): void {
    this.store.edit(id, fields);
  }

  contactOf(order: number): Contact {
    return this.store.contacts.get(this.store.facts.get(String(order))!.contactId!)!;
  }
  contact(id: string): Contact {
    return this.store.contacts.get(id)!;
  }
  get contacts(): Contact[] {
    return [...this.store.contacts.values()];
  }
  /** `order reason contact other`. */
  get conflicts(): string[] {
    return [...this.store.conflicts].map(([key, reason]) => {
      const [order, contact, other] = key.split(' ');
      return `${order} ${reason} ${contact} ${other}`.trim();
    });
  }
}
