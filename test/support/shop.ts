import type { ChangeEvent, FieldValue, Row } from '../../src/core/change';
import type { ApplyResult, Sink } from '../../src/core/ports/sink';
import type { Profile } from '../../src/dev/demo-schema';
import { changeEvent, EPOCH_US, type EventOptions } from './events';
import type { SinkWorld } from './sinks';

let serial = 0;

/** Ids as the profile's source has them, of `tenant` 1, 2, … and their orders; no two shops share any. */
export class ShopIds {
  constructor(
    private readonly profile: Profile,
    private readonly base = ++serial * 10_000,
  ) {}

  id(n: number): string {
    const number = this.base + n;
    return this.profile === 'repo'
      ? String(number)
      : `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
  }
  /** As the record's column holds it. */
  value(n: number): FieldValue {
    return this.profile === 'repo' ? BigInt(this.id(n)) : this.id(n);
  }
}

export interface OrderInput {
  readonly tenant?: number;
  readonly phone?: string | null;
  readonly email?: string | null;
  readonly name?: string | null;
  readonly cid?: string | bigint | null;
  readonly count?: number | null;
  readonly status?: string | null;
  readonly createdAt?: bigint | null;
  readonly shopifyId?: string | null;
  readonly draftId?: string | null;
  readonly wooId?: bigint | null;
}

export interface ContactRow {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly type: number | null;
  readonly attributes: unknown;
  readonly [column: string]: unknown;
}

/** A tenant, its orders and what becomes of them: the vocabulary of the vectors. */
export class Shop {
  readonly ids: ShopIds;
  /** Every event applied, by topic, in its order. */
  readonly log: { readonly topic: 'tenants' | 'orders'; readonly event: ChangeEvent }[] = [];

  private appContacts = 0;

  constructor(
    readonly world: SinkWorld,
    private readonly sinks: { accounts: Sink; contacts: Sink } = world,
    firstId?: number,
  ) {
    this.ids = new ShopIds(world.profile, firstId);
  }

  tenantRow(values: Row = {}): Row {
    return {
      name: 'Empresa Demo SAC',
      slug: 'demo',
      is_active: true,
      is_platform: false,
      timezone: 'America/Lima',
      created_at: EPOCH_US,
      ...values,
    };
  }

  tenantEvent(n = 1, values: Row | null = {}, options: EventOptions = {}): ChangeEvent {
    return changeEvent('tenants', this.ids.id(n), values && this.tenantRow(values), options);
  }

  /** An order's record; columns that repo's table lacks are there when the vector is about them. */
  orderEvent(n: number, order: OrderInput | null, options: EventOptions = {}): ChangeEvent {
    const tenant = this.ids.value(order?.tenant ?? 1);
    const before = options.before === undefined && order === null ? { tenant_id: tenant } : options.before;
    if (order === null)
      return changeEvent('orders', this.ids.id(100 + n), null, { ...options, before: before ?? null });
    const after: Row = {
      tenant_id: tenant,
      customer_name: order.name === undefined ? 'Ana Pérez' : order.name,
      customer_email: order.email ?? null,
      status: order.status === undefined ? 'Pagado' : order.status,
      shopify_order_id: order.shopifyId ?? null,
      shopify_draft_order_id: order.draftId ?? null,
      woocommerce_order_id: order.wooId ?? null,
      created_at: order.createdAt === undefined ? EPOCH_US + BigInt(n) * 60_000_000n : order.createdAt,
      ...(order.phone !== undefined && { customer_phone: order.phone }),
      ...(order.cid !== undefined && { customer_id: order.cid }),
      ...(order.count !== undefined && { customer_order_count: order.count }),
    };
    return changeEvent('orders', this.ids.id(100 + n), after, options);
  }

  open(n = 1, values: Row = {}): Promise<ApplyResult> {
    return this.tenants(this.tenantEvent(n, values));
  }
  order(n: number, order: OrderInput | null, options: EventOptions = {}): Promise<ApplyResult> {
    return this.orders(this.orderEvent(n, order, options));
  }

  /** One batch. */
  tenants(...events: ChangeEvent[]): Promise<ApplyResult> {
    this.log.push(...events.map((event) => ({ topic: 'tenants' as const, event })));
    return this.apply('tenants', events);
  }
  orders(...events: ChangeEvent[]): Promise<ApplyResult> {
    this.log.push(...events.map((event) => ({ topic: 'orders' as const, event })));
    return this.apply('orders', events);
  }
  apply(topic: 'tenants' | 'orders', events: readonly ChangeEvent[]): Promise<ApplyResult> {
    const sink = topic === 'tenants' ? this.sinks.accounts : this.sinks.contacts;
    return sink.apply({ topic: `ventia.${topic}`, partition: 0, lastOffset: 0n, events });
  }

  /** The whole log again, one batch a topic. */
  async replay(): Promise<ApplyResult[]> {
    const of = (topic: 'tenants' | 'orders') =>
      this.log.filter((entry) => entry.topic === topic).map((entry) => entry.event);
    return [await this.apply('tenants', of('tenants')), await this.apply('orders', of('orders'))];
  }

  async account(n = 1): Promise<Record<string, unknown> & { id: string }> {
    const accounts = await this.world.rows<{ id: string }>('SELECT * FROM accounts WHERE ventia_tenant_id::text = $1', [
      this.ids.id(n),
    ]);
    if (accounts.length !== 1) throw new Error(`${accounts.length} accounts`);
    return accounts[0]!;
  }

  contacts(n = 1): Promise<ContactRow[]> {
    return this.world.rows<ContactRow>(
      `SELECT c.*, c.id::text AS id, c.phone_number AS phone, c.contact_type AS type, c.custom_attributes AS attributes
       FROM contacts c JOIN accounts a ON a.id = c.account_id
       WHERE a.ventia_tenant_id::text = $1 ORDER BY c.created_at, c.id`,
      [this.ids.id(n)],
    );
  }

  /** A contact that the application made; gives its id. */
  async appContact(values: Record<string, unknown>, n = 1): Promise<string> {
    const at = new Date(Date.UTC(2025, 0, 1) + ++this.appContacts * 60_000).toISOString();
    const columns = { created_at: at, updated_at: at, ...values };
    const names = Object.keys(columns);
    const [row] = await this.world.rows<{ id: string }>(
      `INSERT INTO contacts (account_id, ${names.join(', ')})
       SELECT id, ${names.map((_, i) => `$${i + 2}`).join(', ')} FROM accounts WHERE ventia_tenant_id::text = $1 RETURNING id::text`,
      [this.ids.id(n), ...Object.values(columns)],
    );
    return row!.id;
  }

  /** What an agent does to a contact in the application. */
  async edit(id: string, values: Record<string, unknown>): Promise<void> {
    const names = Object.keys(values);
    await this.world.rows(
      `UPDATE contacts SET ${names.map((name, i) => `${name} = $${i + 2}`).join(', ')} WHERE id::text = $1`,
      [id, ...Object.values(values)],
    );
  }

  async converse(contactId: string): Promise<void> {
    await this.world.rows(
      `WITH inbox AS (
         INSERT INTO inboxes (name, channel_type, channel_id, account_id, created_at, updated_at)
         SELECT 'WhatsApp', 'Channel::Whatsapp', 1, account_id, now(), now() FROM contacts WHERE id::text = $1 RETURNING id)
       INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
       SELECT c.id, inbox.id, $1, now(), now() FROM inbox, contacts c WHERE c.id::text = $1`,
      [contactId],
    );
  }

  conflicts(): Promise<{ order: string; reason: string; contact: string; other: string }[]> {
    const orders = Array.from({ length: 60 }, (_, n) => this.ids.id(100 + n));
    return this.world.rows(
      `SELECT order_id AS order, reason, contact_id AS contact, other_id AS other FROM cdc.conflict
       WHERE order_id = ANY ($1) ORDER BY order_id, reason`,
      [orders],
    );
  }

  async fact(n: number): Promise<Record<string, unknown>> {
    const [row] = await this.world.rows('SELECT * FROM cdc.order_fact WHERE order_id = $1', [this.ids.id(100 + n)]);
    return row!;
  }
}
