import { type Region, regionOf, whatsappVariant } from '../normalize/phone';
import type { HeldKind } from './directory';
import { nextFact, placedFact } from './fact';
import type { Item } from './item';
import { homeOf } from './orders';
import type { Rules } from './rules';
import type { AliasKind, Contact, Keys, OrderFact } from './values';
import { isNew, type World } from './world';

/** Values of an account to be looked up. */
export interface Lookup<K extends AliasKind = AliasKind> {
  readonly accountId: string;
  readonly kind: K;
  readonly value: string;
}

/** What is still to be loaded before a batch can be decided. */
export interface Needs {
  readonly aliases: readonly Lookup[];
  readonly held: readonly Lookup<HeldKind>[];
  readonly contactIds: readonly string[];
  readonly factsOf: readonly string[];
  /** Contacts of which only the sum of the other orders is wanted: those that are loaded by now are left out of it. */
  readonly restsOf: readonly string[];
  /** Which okeys a rest must say whether it has. */
  readonly okeys: ReadonlySet<string>;
}

/** Where the decisions of a batch begin: the keys by which contacts will be searched, and the contacts linked now. */
export interface Roots {
  readonly searches: readonly Search[];
  readonly links: ReadonlySet<string>;
  readonly okeys: ReadonlySet<string>;
}
export interface Search extends Keys {
  readonly accountId: string;
}

/** Orders and tenants that the items are about: the first load. */
export function subjectsOf(items: readonly Item[]): { orderIds: Set<string>; tenantIds: Set<string> } {
  const orderIds = new Set<string>();
  const tenantIds = new Set<string>();
  for (const item of items) {
    if (item.kind === 'place') orderIds.add(item.orderId);
    else if (item.kind === 'order') orderIds.add(item.change.orderId);
    const tenantId = item.kind === 'place' ? item.tenantId : item.change.tenantId;
    if (tenantId !== null) tenantIds.add(tenantId);
  }
  return { orderIds, tenantIds };
}

/** With the subjects loaded: follows each order through its changes, without deciding anything. */
export function rootsOf(world: World, items: readonly Item[], rules: Rules): Roots {
  const searches: Search[] = [];
  const links = new Set<string>();
  const okeys = new Set<string>();
  const drafts = new Map<string, OrderFact>();
  /** By tenant, those it takes in this batch. */
  const regions = new Map<string, Set<Region>>();
  for (const item of items) {
    if (item.kind === 'tenant') {
      const { tenantId, row } = item.change;
      regions.set(tenantId, (regions.get(tenantId) ?? new Set()).add(regionOf(row?.timezone ?? null)));
    } else if (item.kind === 'place') {
      const parked = world.fact(item.orderId);
      if (parked?.okey) okeys.add(parked.okey);
      if (parked?.contactId) links.add(parked.contactId);
      if (parked) searches.push(...searchesToPlace(world, parked, item.tenantId, regions.get(item.tenantId), rules));
    } else {
      const { orderId, tenantId, version, row } = item.change;
      const stored = drafts.get(orderId) ?? world.fact(orderId);
      if (stored?.okey) okeys.add(stored.okey);
      if (stored && version <= stored.version) continue;
      if (stored?.contactId) links.add(stored.contactId);
      const home = row && tenantId !== null ? homeOf(world, tenantId) : null;
      const draft = nextFact(stored, item.change, home, rules);
      drafts.set(orderId, draft);
      if (draft.okey !== null) okeys.add(draft.okey);
      if (home) searches.push(searchOf(home.accountId, draft));
    }
  }
  return { searches, links, okeys };
}

/** Its tenant may change in this very batch: the account may be one that is not made yet, the region any of several. */
function searchesToPlace(
  world: World,
  parked: OrderFact,
  tenantId: string,
  coming: Iterable<Region> | undefined,
  rules: Rules,
): Search[] {
  const accountId = world.account(tenantId)?.id;
  if (accountId === undefined) return [];
  const regions = new Set([regionOf(world.tenant(tenantId)?.timezone ?? null), ...(coming ?? [])]);
  return Array.from(regions, (region) => searchOf(accountId, placedFact(parked, { accountId, region }, rules)));
}

const searchOf = (accountId: string, { customerId, phone, email }: Keys): Search => ({
  accountId,
  customerId,
  phone,
  email,
});

/**
 * Gives what the decisions can come to read and nobody loaded yet; null when nothing. Loads nothing itself: the caller loads it
 * and asks again, until the closure is complete: keys lead to contacts, contacts to their orders, those to the values they will
 * try to write, and the orders of a vanished contact to keys again.
 */
export function needsOf(world: World, roots: Roots, manyOrders: number): () => Needs | null {
  const walk = new Walk(world, roots, manyOrders);
  return () => walk.on();
}

/** Goes as far as what is loaded leads; what is open then is gone on with by the next call. */
class Walk {
  private searches: readonly Search[];
  /** Contacts that may be linked or recomputed, and those of them that are not done with. */
  private readonly involved = new Set<string>();
  private readonly open = new Set<string>();
  private readonly okeys: Set<string>;
  private aliases: Lookup[] = [];
  private heldValues: Lookup<HeldKind>[] = [];
  private contactIds: string[] = [];
  private factsOf: string[] = [];
  private restsOf: string[] = [];

  constructor(
    private readonly world: World,
    private readonly roots: Roots,
    private readonly manyOrders: number,
  ) {
    this.searches = roots.searches;
    this.okeys = new Set(roots.okeys);
    for (const id of roots.links) this.involve(id);
  }

  on(): Needs | null {
    this.aliases = [];
    this.heldValues = [];
    this.contactIds = [];
    this.factsOf = [];
    this.restsOf = [];
    this.searches = this.searches.filter((search) => !this.search(search));
    // A set visits what is added while it is walked.
    for (const id of this.open) if (this.contact(id)) this.open.delete(id);
    return this.needs();
  }

  /** True when nothing of it had to be asked for. */
  private search({ accountId, customerId, phone, email }: Search): boolean {
    if (isNew(accountId)) return true;
    const asked = this.asked;
    if (customerId !== null) this.alias(accountId, 'customer_id', customerId);
    if (phone !== null) {
      this.alias(accountId, 'phone', phone);
      this.phone(accountId, phone, true);
    }
    if (email !== null) {
      this.alias(accountId, 'email', email);
      this.held(accountId, 'email', email, true);
    }
    return this.asked === asked;
  }

  private get asked(): number {
    return this.aliases.length + this.heldValues.length;
  }

  private involve(id: string): void {
    if (this.involved.has(id)) return;
    this.involved.add(id);
    this.open.add(id);
  }

  /** True when it is done with. */
  private contact(id: string): boolean {
    const { world } = this;
    if (!world.hasContact(id)) {
      this.contactIds.push(id);
      return false;
    }
    const contact = world.contact(id);
    if (!world.hasFactsOf(id)) {
      // What the column says may be wrong: then what is loaded is much, or a sum of little.
      const many = (contact?.totalOrders ?? 0) > this.manyOrders;
      (many ? this.restsOf : this.factsOf).push(id);
      return false;
    }
    if (contact) this.values(contact);
    return contact !== null || !this.roots.links.has(id) || this.orphans(id);
  }

  /** What the contact's orders may come to write into it. */
  private values({ id, accountId }: Contact): void {
    const { newest } = this.world.restOf(id);
    for (const fact of [...this.world.factsOf(id), newest.phone, newest.email]) {
      if (fact?.phone) this.phone(accountId, fact.phone, false);
      if (fact?.email) this.held(accountId, 'email', fact.email, false);
    }
  }

  /** Orders of a contact that is gone: whoever gets one of them may get all. True when nothing had to be asked for. */
  private orphans(goneId: string): boolean {
    const asked = this.asked;
    for (const fact of this.world.factsOf(goneId)) {
      if (fact.okey !== null) this.okeys.add(fact.okey);
      const account = fact.tenantId === null ? null : this.world.account(fact.tenantId);
      if (account) this.search(searchOf(account.id, fact));
    }
    return this.asked === asked;
  }

  /** The same value may be asked for twice: loading it twice changes nothing. */
  private needs(): Needs | null {
    const { aliases, heldValues: held, contactIds, factsOf, restsOf, okeys } = this;
    if (aliases.length + held.length + contactIds.length + factsOf.length > 0)
      return { aliases, held, contactIds, factsOf, restsOf: [], okeys };
    // Rests come last: what is left out of them must be loaded before.
    return restsOf.length === 0 ? null : { aliases, held, contactIds, factsOf, restsOf, okeys };
  }

  private alias(accountId: string, kind: AliasKind, value: string): void {
    const directory = this.world.directory(accountId);
    if (!directory.hasAlias(kind, value)) this.aliases.push({ accountId, kind, value });
    else {
      const alias = directory.alias(kind, value);
      if (alias) this.involve(alias.contactId);
    }
  }

  private phone(accountId: string, phone: string, find: boolean): void {
    this.held(accountId, 'phone', phone, find);
    const variant = whatsappVariant(phone);
    if (variant !== null) this.held(accountId, 'phone', variant, find);
  }

  /** `find`: whoever holds it may get the order; else only whether it is free matters. */
  private held(accountId: string, kind: HeldKind, value: string, find: boolean): void {
    const directory = this.world.directory(accountId);
    if (!directory.hasHolders(kind, value)) this.heldValues.push({ accountId, kind, value });
    else if (find) for (const id of directory.holders(kind, value)) this.involve(id);
  }
}
