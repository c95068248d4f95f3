import { REGIONS } from '../normalize/phone';
import type { OrderRow } from './change';
import type { Item } from './item';
import { homeOf } from './orders';
import type { Rules } from './rules';
import type { AliasKind } from './values';
import type { World } from './world';

/** What may lead to an erased person. `order`: the order itself, whose dead letter was emptied. */
export interface Trace {
  readonly kind: AliasKind | 'order';
  readonly value: string;
}

/** A change that an erasure may be about: it is not newer than the last one of its tenant. */
export interface Suspect {
  readonly index: number;
  readonly tenantId: string;
  readonly version: string;
  readonly traces: readonly Trace[];
}

/**
 * Changes to be held against the erased, normally none: what comes is newer than all erasures, unless a topic is replayed or
 * the sink is behind.
 *
 * @param erasedUpto by tenant the highest position that an erasure reaches; null where nobody was erased
 */
export function suspectsOf(
  world: World,
  items: readonly Item[],
  erasedUpto: ReadonlyMap<string, string | null>,
  rules: Rules,
): Suspect[] {
  const suspects: Suspect[] = [];
  items.forEach((item, index) => {
    if (item.kind !== 'order' || !item.change.row) return;
    const { orderId, version, row } = item.change;
    const tenantId = item.change.tenantId!;
    const upto = erasedUpto.get(tenantId) ?? null;
    if (upto === null || version > upto) return;
    const stored = world.fact(orderId);
    if (stored && (stored.erased || version <= stored.version)) return;
    const home = homeOf(world, tenantId);
    const phones = phonesOf(row.rawPhone ?? null, home?.region ?? null, rules);
    suspects.push({ index, tenantId, version, traces: tracesOf(orderId, row, phones) });
  });
  return suspects;
}

/** In the country of the tenant; while that is not known, in each that it may be. */
export function phonesOf(raw: string | null, region: Parameters<Rules['phone']>[1] | null, rules: Rules): string[] {
  if (raw === null) return [];
  const phones = (region === null ? REGIONS : [region]).map((one) => rules.phone(raw, one));
  return [...new Set(phones)].filter((phone) => phone !== null);
}

function tracesOf(orderId: string, { customerId, email }: OrderRow, phones: readonly string[]): Trace[] {
  return [
    { kind: 'order', value: orderId },
    ...phones.map((value): Trace => ({ kind: 'phone', value })),
    ...(email ? [{ kind: 'email', value: email } as const] : []),
    ...(customerId ? [{ kind: 'customer_id', value: customerId } as const] : []),
  ];
}

/** The items with those at `indexes` marked: nothing personal is taken from them. */
export function withErased(items: readonly Item[], indexes: ReadonlySet<number>): readonly Item[] {
  return items.map((item, index) =>
    item.kind === 'order' && indexes.has(index) ? { ...item, change: { ...item.change, erased: true } } : item,
  );
}
