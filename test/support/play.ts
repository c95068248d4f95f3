import type { ChangeEvent } from '../../src/core/change';
import { isBlank } from '../../src/messaging/normalize/text';
import type { Action, Block, Edit, NewContact } from './histories';
import type { PureStore } from './pure-store';

/** Everything a history leaves behind, with contacts numbered in the order of their creation: comparable between runs. */
export interface Portrait {
  readonly accounts: readonly unknown[];
  readonly contacts: readonly PortraitContact[];
  readonly facts: readonly PortraitFact[];
  readonly aliases: readonly string[];
  readonly conflicts: readonly string[];
}
export interface PortraitFact {
  readonly contactId: number | null;
  readonly deleted: boolean;
  readonly status: string | null;
  readonly okey: string | null;
  readonly [column: string]: unknown;
}
export interface PortraitContact {
  readonly contact: number;
  readonly tenant: number;
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly contactType: number | null;
  readonly customerId: string | null;
  readonly totalOrders: number | null;
  readonly ours: boolean;
  readonly shadow: { readonly name: string | null; readonly email: string | null; readonly phone: string | null };
  readonly createdAt: bigint | null;
}

/** A contact as the application sees it. */
export interface Seen {
  readonly id: string;
  readonly email: string | null;
  readonly phone: string | null;
}

/** Where a history is played: in memory or on PostgreSQL. */
export interface Stage {
  apply(events: readonly ChangeEvent[]): Promise<void> | void;
  /** In the order of creation; none without an account. */
  contacts(tenant: number): Promise<Seen[]> | Seen[];
  hasAccount(tenant: number): Promise<boolean> | boolean;
  create(tenant: number, fields: NewContact): Promise<void> | void;
  edit(id: string, fields: Edit): Promise<void> | void;
  remove(id: string): Promise<void> | void;
  converse(id: string): Promise<void> | void;
  portrait(): Promise<Portrait> | Portrait;
}

export async function play(stage: Stage, blocks: readonly Block[]): Promise<void> {
  for (const block of blocks) {
    if ('events' in block) await stage.apply(block.events);
    else await act(stage, block.action);
  }
}

/** Messaging's validations refuse what another contact of the account has, in any case. */
async function act(stage: Stage, action: Exclude<Action, { do: 'event' }>): Promise<void> {
  const contacts = await stage.contacts(action.tenant);
  const taken = (fields: Edit, self: string | null) =>
    contacts.some(
      (other) =>
        other.id !== self &&
        ((!isBlank(fields.email ?? null) && other.email?.toLowerCase() === fields.email!.toLowerCase()) ||
          (!isBlank(fields.phone ?? null) && other.phone === fields.phone)),
    );
  if (action.do === 'create') {
    if ((await stage.hasAccount(action.tenant)) && !taken(action.fields, null)) {
      await stage.create(action.tenant, action.fields);
    }
    return;
  }
  const contact = contacts[action.contact % Math.max(1, contacts.length)];
  if (!contact) return;
  if (action.do !== 'edit') await stage[action.do](contact.id);
  else if (!taken(action.fields, contact.id)) await stage.edit(contact.id, action.fields);
}

export function pureStage(store: PureStore): Stage {
  const accountOf = (tenant: number) => store.accounts.get(String(tenant));
  const contacts = (tenant: number) =>
    [...store.contacts.values()].filter((contact) => contact.accountId === accountOf(tenant)?.id);
  return {
    apply: (events) => void store.apply(events),
    contacts: (tenant) => contacts(tenant).sort((a, b) => Number(a.id) - Number(b.id)),
    hasAccount: (tenant) => accountOf(tenant) !== undefined,
    create: (tenant, { name, email, phone, contactType }) =>
      void store.appContact(accountOf(tenant)!.id, { name, email, phone, contactType }),
    edit: (id, fields) => store.edit(id, fields),
    remove: (id) => store.remove(id),
    converse: (id) => store.converse(id),
    portrait: () => purePortrait(store),
  };
}

function purePortrait(store: PureStore): Portrait {
  const facts = [...store.facts.values()];
  const conflicts = [...store.conflicts].map(([key, reason]) => [...key.split(' '), reason]);
  const ranks = ranking([
    ...store.contacts.keys(),
    ...facts.map((fact) => fact.contactId),
    ...store.aliases.values(),
    ...conflicts.flatMap(([, contact, other]) => [contact!, other!]),
  ]);
  const tenantOf = new Map([...store.accounts.values()].map(({ id, tenantId }) => [id, Number(tenantId)]));
  return sorted({
    accounts: [...store.accounts.values()].map(({ tenantId, name, status }) => ({
      tenant: Number(tenantId),
      name,
      status,
    })),
    contacts: [...store.contacts.values()].map((c) => ({
      contact: ranks(c.id)!,
      tenant: tenantOf.get(c.accountId)!,
      name: c.name,
      email: c.email,
      phone: c.phone,
      contactType: c.contactType,
      customerId: c.customerId,
      totalOrders: c.totalOrders,
      ours: c.ours,
      shadow: c.shadow,
      createdAt: store.births.get(c.id) ?? null,
    })),
    facts: facts.map((f) => ({
      ...f,
      tenantId: f.tenantId === null ? null : Number(f.tenantId),
      contactId: ranks(f.contactId),
    })),
    aliases: [...store.aliases].map(([key, target]) => {
      const [account, kind, value] = key.split(' ');
      return `${tenantOf.get(account!)} ${kind} ${value} ${ranks(target)}`;
    }),
    conflicts: conflicts.map(
      ([order, contact, other, , reason]) => `${order} ${reason} ${ranks(contact!)} ${ranks(other!)}`,
    ),
  });
}

export const sorted = (portrait: Portrait): Portrait => ({
  accounts: byText(portrait.accounts),
  contacts: byText(portrait.contacts),
  facts: byText(portrait.facts),
  aliases: [...portrait.aliases].sort(),
  conflicts: [...portrait.conflicts].sort(),
});
function byText<T>(values: readonly T[]): T[] {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}n` : field));
  return values
    .map((value) => [text(value), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => value);
}

/** Numbers ids by their order; of '' and null nothing. */
export function ranking(ids: readonly (string | null)[]): (id: string | null) => number | null {
  const known = [...new Set(ids.filter((id) => id))].sort((a, b) => Number(a) - Number(b));
  const ranks = new Map(known.map((id, rank) => [id, rank]));
  return (id) => ranks.get(id) ?? null;
}
