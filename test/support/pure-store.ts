import type { ChangeEvent } from '../../src/core/change';
import { readOrder, readTenant } from '../../src/messaging/decide/change';
import { applyItem, type Item, type Step } from '../../src/messaging/decide/item';
import { needsOf, rootsOf, subjectsOf } from '../../src/messaging/decide/needs';
import { MANY_ORDERS, NEWEST, type Rest } from '../../src/messaging/decide/rest';
import type { Rules } from '../../src/messaging/decide/rules';
import type {
  Account,
  AliasKind,
  Contact,
  ContactFields,
  OrderFact,
  TenantFact,
} from '../../src/messaging/decide/values';
import { compareByAge } from '../../src/messaging/decide/values';
import { isNew, World } from '../../src/messaging/decide/world';
import { statusCounts } from '../../src/messaging/normalize/keys';

const aliasKey = (accountId: string, kind: AliasKind, value: string) => `${accountId} ${kind} ${value}`;

/**
 * Both schemas in memory, for the decisions without a database. It loads exactly what they ask for, so that a decision that
 * reads more fails here too; ids are numbers in the order of creation.
 */
export class PureStore {
  readonly tenants = new Map<string, TenantFact>();
  readonly accounts = new Map<string, Account>();
  readonly facts = new Map<string, OrderFact>();
  readonly contacts = new Map<string, Contact>();
  readonly aliases = new Map<string, string>();
  /** By order, contact, other and field. */
  readonly conflicts = new Map<string, string>();
  /** created_at of the contacts that the sink made. */
  readonly births = new Map<string, bigint>();
  private ids = 0;

  /** Of contacts with more than `manyOrders` only the sum of their other orders is loaded. */
  constructor(
    readonly rules: Rules,
    private readonly manyOrders = MANY_ORDERS,
  ) {}

  /** One batch of one topic; gives what became of each event. */
  apply(events: readonly ChangeEvent[]): Step[] {
    const waiting = [...this.facts.values()].filter((fact) => fact.parked && !fact.deleted).sort(compareByAge);
    const items = events.flatMap((event): Item[] => {
      if (event.op === 't') throw new Error('a truncate is expanded by the sink');
      if (event.table === 'orders') return [{ kind: 'order', change: readOrder(event, this.rules) }];
      const change = readTenant(event);
      const { tenantId } = change;
      const orders = waiting.filter((fact) => change.row && fact.tenantId === tenantId);
      return [
        { kind: 'tenant', change },
        ...orders.map(({ orderId }) => ({ kind: 'place' as const, orderId, tenantId })),
      ];
    });
    const world = new World();
    this.load(world, items);
    const steps = items.map((item) => applyItem(world, item, this.rules));
    this.write(world);
    return steps.filter((_, i) => items[i]!.kind !== 'place');
  }

  // What the application does

  appContact(accountId: string, fields: Partial<Contact>): string {
    const id = String(++this.ids);
    const email = fields.email ?? null;
    const contact: Contact = {
      name: '',
      phone: null,
      contactType: 0,
      customerId: null,
      totalOrders: null,
      inConversation: false,
      ...fields,
      id,
      accountId,
      email,
      emailKey: email?.toLowerCase() ?? null,
      ours: false,
      shadow: { name: null, email: null, phone: null },
      createdAt: null,
    };
    this.contacts.set(id, contact);
    return id;
  }
  edit(id: string, fields: Partial<ContactFields>): void {
    const contact = { ...this.contacts.get(id)!, ...fields };
    this.contacts.set(id, { ...contact, emailKey: contact.email?.toLowerCase() ?? null });
  }
  remove(id: string): void {
    this.contacts.delete(id);
  }
  converse(id: string): void {
    this.contacts.set(id, { ...this.contacts.get(id)!, inConversation: true });
  }

  // As the sink does it, without SQL

  private load(world: World, items: readonly Item[]): void {
    const { orderIds, tenantIds } = subjectsOf(items);
    for (const id of orderIds) {
      const fact = this.facts.get(id) ?? null;
      world.loadFact(id, fact);
      if (fact?.tenantId) tenantIds.add(fact.tenantId);
    }
    for (const id of tenantIds) world.loadTenant(id, this.tenants.get(id) ?? null, this.accounts.get(id) ?? null);
    const roots = rootsOf(world, items, this.rules);
    const more = needsOf(world, roots, this.manyOrders);
    for (let needs = more(); needs; needs = more()) {
      for (const { accountId, kind, value } of needs.aliases) {
        world.loadAlias(accountId, kind, value, this.aliases.get(aliasKey(accountId, kind, value)) ?? null);
      }
      for (const id of needs.contactIds) this.loadContact(world, id);
      for (const { accountId, kind, value } of needs.held) {
        for (const contact of this.contacts.values()) {
          const held = kind === 'email' ? contact.emailKey : contact.phone;
          if (contact.accountId === accountId && held === value) this.loadContact(world, contact.id);
        }
        world.directory(accountId).held[kind].know(value);
      }
      for (const id of needs.factsOf) {
        for (const fact of this.facts.values()) if (fact.contactId === id) world.loadFact(fact.orderId, fact);
        world.knowFactsOf(id);
      }
      const rests = needs.restsOf.map((id) => [id, this.restOf(world, id, needs.okeys)] as const);
      for (const [id, rest] of rests) world.loadRest(id, rest);
    }
  }

  private restOf(world: World, contactId: string, okeys: ReadonlySet<string>): Rest {
    const others = [...this.facts.values()].filter(
      (fact) => fact.contactId === contactId && !world.loadedOf(contactId).includes(fact.orderId),
    );
    const live = others.filter((fact) => !fact.deleted).sort(compareByAge);
    const counting = live.filter(({ status }) => statusCounts(status, this.rules.notCountingStatuses));
    const counted = new Set(counting.flatMap(({ okey }) => okey ?? []));
    const newest = NEWEST.map((field) => [field, live.findLast((fact) => fact[field] !== null)] as const);
    return {
      orders: others.length,
      erased: others.filter((fact) => fact.erased).length,
      live: live.length,
      newest: Object.fromEntries(newest.filter(([, fact]) => fact)),
      counted: counted.size,
      okeys: new Set([...okeys].filter((okey) => counted.has(okey))),
    };
  }

  private loadContact(world: World, id: string): void {
    const phoneAliases = [...this.aliases].filter(([key, target]) => target === id && key.split(' ')[1] === 'phone');
    world.loadContact(id, this.contacts.get(id) ?? null, phoneAliases.length);
  }

  private write(world: World): void {
    const ids = new Map<string, string>();
    const real = (id: string) => (isNew(id) ? ids.get(id)! : id);
    for (const { before, after } of world.accountChanges()) {
      if (!before) ids.set(after.id, String(++this.ids));
      this.accounts.set(after.tenantId, { ...after, id: real(after.id), createdAt: null });
    }
    for (const { before, after } of world.contactChanges()) {
      if (!before) ids.set(after.id, String(++this.ids));
      const id = real(after.id);
      if (!before) this.births.set(id, after.createdAt!);
      this.contacts.set(id, { ...after, id, accountId: real(after.accountId), createdAt: null });
    }
    for (const { after } of world.tenantChanges()) this.tenants.set(after.tenantId, after);
    for (const { after } of world.factChanges()) {
      this.facts.set(after.orderId, { ...after, contactId: after.contactId === null ? null : real(after.contactId) });
    }
    for (const { after } of world.aliasChanges()) {
      const { accountId, kind, value, contactId } = after;
      this.aliases.set(aliasKey(real(accountId), kind, value), real(contactId));
    }
    for (const { orderId, reason, contactId, otherId } of world.conflicts()) {
      const key = `${orderId} ${real(contactId)} ${real(otherId)} ${reason.split('_')[0]}`;
      if (!this.conflicts.has(key)) this.conflicts.set(key, reason);
    }
  }
}
