import { whatsappVariant } from '../normalize/phone';
import { Directory, type HeldKind } from './directory';
import { NO_REST, type Rest } from './rest';
import { type Change, Index, Shelf } from './shelf';
import {
  type Account,
  ALIAS_KINDS,
  type Alias,
  type AliasKind,
  type Conflict,
  type ConflictReason,
  type Contact,
  compareIds,
  type OrderFact,
  type TenantFact,
} from './values';

const NEW = 'new:';
/** True for the id of a row that is not inserted yet. */
export const isNew = (id: string): boolean => id.startsWith(NEW);

/**
 * The part of both schemas that a batch is about, as values: loaded set-wise, changed by one event after the other, written
 * set-wise. Holds no connection and decides nothing.
 */
export class World {
  private readonly tenants = new Shelf<TenantFact>('tenant');
  private readonly accounts = new Shelf<Account>('account');
  private readonly facts = new Shelf<OrderFact>('order');
  private readonly contacts = new Shelf<Contact>('contact');
  private readonly directories = new Map<string, Directory>();
  /** Orders by contact. */
  private readonly linked = new Index('link');
  private readonly rests = new Map<string, Rest>();
  /** Phone aliases that point to a contact. */
  private readonly phoneAliases = new Map<string, number>();
  private readonly conflictsByKey = new Map<string, Conflict>();
  /** Accounts that get the labels they lack. */
  readonly labelled = new Set<string>();
  private newIds = 0;

  /** A name for a row to be inserted; real ids sort before it. */
  newId(): string {
    return `${NEW}${++this.newIds}`;
  }

  // Tenants and accounts

  loadTenant(tenantId: string, fact: TenantFact | null, account: Account | null): void {
    this.tenants.load(tenantId, fact);
    this.accounts.load(tenantId, account);
  }
  tenant(tenantId: string): TenantFact | null {
    return this.tenants.get(tenantId);
  }
  setTenant(fact: TenantFact): void {
    this.tenants.set(fact.tenantId, fact);
  }
  /** By tenant: an account has exactly one. */
  account(tenantId: string): Account | null {
    return this.accounts.get(tenantId);
  }
  setAccount(account: Account): void {
    this.accounts.set(account.tenantId, account);
  }

  // Orders

  loadFact(orderId: string, fact: OrderFact | null): void {
    if (this.facts.has(orderId)) return;
    this.facts.load(orderId, fact);
    if (fact?.contactId) this.linked.add(fact.contactId, orderId);
  }
  fact(orderId: string): OrderFact | null {
    return this.facts.get(orderId);
  }
  setFact(fact: OrderFact): void {
    const before = this.facts.get(fact.orderId)?.contactId ?? null;
    this.facts.set(fact.orderId, fact);
    if (before === fact.contactId) return;
    if (before !== null) this.linked.remove(before, fact.orderId);
    if (fact.contactId !== null) this.linked.add(fact.contactId, fact.orderId);
  }
  /** All facts of the contact are loaded. */
  knowFactsOf(contactId: string): void {
    this.linked.know(contactId);
  }
  hasFactsOf(contactId: string): boolean {
    return this.linked.has(contactId);
  }
  /** Orders of the contact that are loaded, whether or not others are. */
  loadedOf(contactId: string): readonly string[] {
    return this.linked.present(contactId);
  }
  /** The other orders of the contact, of which there are too many to load. Those that are loaded are its members already. */
  loadRest(contactId: string, rest: Rest): void {
    this.rests.set(contactId, rest);
    this.linked.know(contactId);
  }
  restOf(contactId: string): Rest {
    return this.rests.get(contactId) ?? NO_REST;
  }
  /** Every order linked to the contact, deleted ones too; {@link restOf} those that are not loaded. */
  factsOf(contactId: string): OrderFact[] {
    return this.linked.get(contactId).map((orderId) => this.facts.get(orderId)!);
  }

  // Contacts

  loadContact(id: string, contact: Contact | null, phoneAliases = 0): void {
    if (this.contacts.has(id)) return;
    this.contacts.load(id, contact);
    if (!contact) return;
    this.phoneAliases.set(id, phoneAliases);
    this.hold(contact, null);
  }
  hasContact(id: string): boolean {
    return this.contacts.has(id);
  }
  /** Null: it does not exist (any more). */
  contact(id: string): Contact | null {
    return this.contacts.get(id);
  }
  addContact(contact: Contact): void {
    this.contacts.load(contact.id, null);
    this.contacts.set(contact.id, contact);
    this.linked.know(contact.id);
    this.phoneAliases.set(contact.id, 0);
    this.hold(contact, null);
  }
  setContact(contact: Contact): void {
    const before = this.contact(contact.id)!;
    this.contacts.set(contact.id, contact);
    this.hold(contact, before);
  }
  private hold({ id, accountId, emailKey, phone }: Contact, before: Contact | null): void {
    const { held } = this.directory(accountId);
    move(held.email, id, before?.emailKey, emailKey);
    move(held.phone, id, before?.phone, phone);
  }

  // Look-ups

  directory(accountId: string): Directory {
    let found = this.directories.get(accountId);
    if (!found) {
      found = new Directory(isNew(accountId));
      this.directories.set(accountId, found);
    }
    return found;
  }
  /**
   * The contact that holds the value in its column: the e-mail exactly, else in another case; the phone in its canonical
   * form, else as WhatsApp writes it; of several the lowest id. `except` is passed over.
   */
  holder(accountId: string, kind: HeldKind, value: string, except: string | null = null): Contact | null {
    const directory = this.directory(accountId);
    const holder = this.first(directory.holders(kind, value), value, except);
    const variant = kind === 'phone' && holder === null ? whatsappVariant(value) : null;
    return variant === null ? holder : this.first(directory.holders(kind, variant), variant, except);
  }
  private first(ids: readonly string[], value: string, except: string | null): Contact | null {
    let found: Contact | null = null;
    for (const id of ids) {
      if (id === except) continue;
      const contact = this.contacts.get(id)!;
      if (found === null || precedes(contact, found, value)) found = contact;
    }
    return found;
  }

  // Aliases

  loadAlias(accountId: string, kind: AliasKind, value: string, contactId: string | null): void {
    const alias = contactId === null ? null : { accountId, kind, value, contactId };
    this.directory(accountId).aliases[kind].load(value, alias);
  }
  /** The contact that the alias finds; one that is gone counts as absent. */
  aliased(accountId: string, kind: AliasKind, value: string): Contact | null {
    const alias = this.directory(accountId).alias(kind, value);
    const contact = alias && this.contact(alias.contactId);
    return contact?.accountId === accountId ? contact : null;
  }
  setAlias(alias: Alias): void {
    const { accountId, kind, value, contactId } = alias;
    const directory = this.directory(accountId);
    const before = directory.alias(kind, value);
    if (before?.contactId === contactId) return;
    directory.aliases[kind].set(value, alias);
    if (kind !== 'phone') return;
    if (before) this.countPhoneAlias(before.contactId, -1);
    this.countPhoneAlias(contactId, 1);
  }
  private countPhoneAlias(contactId: string, by: number): void {
    this.phoneAliases.set(contactId, (this.phoneAliases.get(contactId) ?? 0) + by);
  }
  hasPhoneAlias(contactId: string): boolean {
    return (this.phoneAliases.get(contactId) ?? 0) > 0;
  }

  // Conflicts

  /** For one order, contact, other and field the first reason stays. */
  addConflict(orderId: string, reason: ConflictReason, contactId: string, otherId: string): void {
    const key = `${orderId} ${contactId} ${otherId} ${fieldOf(reason)}`;
    if (!this.conflictsByKey.has(key)) this.conflictsByKey.set(key, { orderId, reason, contactId, otherId });
  }

  // What is to be written

  tenantChanges = () => this.tenants.changes();
  accountChanges = () => this.accounts.changes();
  factChanges = () => this.facts.changes();
  contactChanges = () => this.contacts.changes();
  aliasChanges(): Change<Alias>[] {
    return [...this.directories.values()].flatMap(({ aliases }) =>
      ALIAS_KINDS.flatMap((kind) => aliases[kind].changes()),
    );
  }
  conflicts = (): Iterable<Conflict> => this.conflictsByKey.values();
}

/** A conflict is about one of the two fields that only one contact can have. */
export const fieldOf = (reason: ConflictReason): HeldKind => (reason.startsWith('email') ? 'email' : 'phone');

/** Who holds the e-mail exactly, not in another case; then the lower id. */
function precedes(a: Contact, b: Contact, email: string): boolean {
  const exact = a.email === email;
  return exact === (b.email === email) ? compareIds(a.id, b.id) < 0 : exact;
}

function move(index: Index, id: string, from: string | null | undefined, to: string | null): void {
  if (from === to) return;
  if (from) index.remove(from, id);
  if (to) index.add(to, id);
}
