import fc from 'fast-check';
import type { ChangeEvent, Row } from '../../src/core/change';
import { changeEvent, EPOCH_US } from './events';

/**
 * Random histories of a few tenants and orders whose keys collide often: what a source could write, in the order in which its
 * records reach the sinks, with what people do in the application in between.
 */
export type Action =
  | { readonly do: 'event'; readonly event: ChangeEvent }
  /** `contact` counts the contacts of the account in the order of their creation, modulo their number. */
  | { readonly do: 'edit'; readonly tenant: number; readonly contact: number; readonly fields: Edit }
  | { readonly do: 'remove' | 'converse'; readonly tenant: number; readonly contact: number }
  | { readonly do: 'create'; readonly tenant: number; readonly fields: NewContact };

export interface Edit {
  readonly name?: string;
  readonly email?: string | null;
  readonly phone?: string | null;
}
export interface NewContact {
  readonly name: string;
  readonly email: string | null;
  readonly phone: string | null;
  readonly contactType: number;
  readonly blocked: boolean;
  readonly attributes: 'object' | 'null' | 'array';
}

/** Ids are small here and shifted by whoever runs the history, so that histories share a database. */
export const TENANTS = [1, 2] as const;
const ORDERS = 7;

const PHONES = [
  ['987654321', '+51 987-654-321', '0051987654321'],
  ['912345678', '+51912345678'],
  // Mexico and Argentina: numbers that WhatsApp writes in another way.
  ['+525512345678', '+52 55 1234 5678'],
  ['+5491123456789'],
  ['n/a', '', '01 4445555'],
];
/** As contacts of the application hold them. */
const HELD_PHONES = [
  '+51987654321',
  '+51912345678',
  '+5215512345678',
  '+525512345678',
  '+541123456789',
  '+987654321',
  null,
  '',
];
const EMAILS = ['ana@g.pe', 'Ana@G.pe ', 'luis@g.pe', 'fam@g.pe', 'no-email-woo-1@example.com'];
const HELD_EMAILS = ['ana@g.pe', 'Ana@G.pe', 'luis@g.pe', 'fixed@g.pe', null, ''];
const NAMES = ['Ana Pérez', 'Ana', 'Luis', '#1001', '', 'null'];

const pick = <T>(values: readonly T[]) => fc.constantFrom(...values);
const nullable = <T>(values: readonly T[]) => fc.option(pick(values), { freq: 3 });

interface OrderDraft {
  readonly phone: string | null;
  readonly email: string | null;
  readonly name: string | null;
  readonly cid: bigint | null;
  readonly status: string | null;
  readonly shopify: string | null;
  readonly draft: string | null;
  readonly woo: bigint | null;
  readonly createdAt: bigint | null;
  readonly unchanged: readonly string[];
}
const orderRow: fc.Arbitrary<OrderDraft> = fc.record({
  phone: fc.option(pick(PHONES).chain(pick), { freq: 3 }),
  email: nullable(EMAILS),
  name: nullable(NAMES),
  cid: nullable([77n, 78n, 7000000000000001n]),
  status: pick(['Pagado', 'Pendiente', 'Cancelado', null]),
  shopify: nullable(['s1', 's2']),
  draft: nullable(['d1']),
  woo: nullable([1n]),
  createdAt: nullable([0n, 1n, 2n, 3n]),
  unchanged: fc.oneof(
    { weight: 6, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.subarray(['customer_phone', 'customer_name', 'customer_email', 'shopify_order_id']) },
  ),
});

type Draft =
  | { readonly do: 'order'; readonly order: number; readonly tenant: number; readonly row: OrderDraft }
  | { readonly do: 'delete'; readonly order: number }
  | { readonly do: 'move'; readonly order: number; readonly row: OrderDraft; readonly createFirst: boolean }
  | { readonly do: 'tenant'; readonly tenant: number; readonly row: TenantDraft | null }
  | { readonly do: 'again'; readonly which: number }
  | Exclude<Action, { do: 'event' }>;
interface TenantDraft {
  readonly name: string;
  readonly active: boolean;
}

const tenant = pick(TENANTS);
const order = fc.integer({ min: 1, max: ORDERS });
const contact = fc.nat({ max: 5 });
const draft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('order' as const), order, tenant, row: orderRow }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), order }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('move' as const), order, row: orderRow, createFirst: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('tenant' as const),
      tenant,
      row: fc.option(fc.record({ name: pick(['Tienda', 'Otra']), active: fc.boolean() }), { freq: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat({ max: 40 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      tenant,
      contact,
      fields: fc.record(
        { name: pick(['Anita VIP', '', 'Ana']), email: pick(HELD_EMAILS), phone: pick(HELD_PHONES) },
        { requiredKeys: [] },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: pick(['remove', 'converse'] as const), tenant, contact }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      tenant,
      fields: fc.record({
        name: pick(['Mari 🌸', '', '51987654321', '+51912345678']),
        email: pick(HELD_EMAILS),
        phone: pick(HELD_PHONES),
        contactType: pick([0, 1]),
        blocked: fc.boolean(),
        attributes: pick(['object', 'null', 'array'] as const),
      }),
    }),
  },
);

/** Mostly both tenants are there from the start; else one comes late or never. */
const early = fc.oneof(
  { weight: 5, arbitrary: fc.constant<number[]>([...TENANTS]) },
  { weight: 1, arbitrary: fc.subarray<number>([...TENANTS]) },
);

export const histories = (maxLength: number): fc.Arbitrary<Action[]> =>
  fc.tuple(early, fc.array(draft, { minLength: 1, maxLength, size: 'max' })).map(([tenants, drafts]) => {
    const openings = tenants.map((n): Draft => ({ do: 'tenant', tenant: n, row: { name: 'Tienda', active: true } }));
    return toActions([...openings, ...drafts]);
  });

/** Gives the drafts positions, and follows where each order is, so that deletes and moves tell the right tenant. */
function toActions(drafts: readonly Draft[]): Action[] {
  const actions: Action[] = [];
  const events: ChangeEvent[] = [];
  const homes = new Map<number, number>();
  let lsn = 0n;
  const emit = (...emitted: ChangeEvent[]) => {
    events.push(...emitted);
    actions.push(...emitted.map((event) => ({ do: 'event' as const, event })));
  };
  for (const one of drafts) {
    lsn++;
    switch (one.do) {
      case 'order': {
        // An order changes its tenant by a move only.
        const home = homes.get(one.order) ?? one.tenant;
        homes.set(one.order, home);
        emit(orderEvent(one.order, home, one.row, { lsn }));
        break;
      }
      case 'delete': {
        const home = homes.get(one.order);
        if (home === undefined) break;
        homes.delete(one.order);
        emit(deleteEvent(one.order, home, { lsn }));
        break;
      }
      case 'move': {
        const from = homes.get(one.order);
        if (from === undefined) break;
        const to = TENANTS.find((n) => n !== from)!;
        homes.set(one.order, to);
        const pair = [
          deleteEvent(one.order, from, { lsn, seq: 0n }),
          orderEvent(one.order, to, { ...one.row, unchanged: [] }, { lsn, seq: 1n }),
        ];
        emit(...(one.createFirst ? pair.reverse() : pair));
        break;
      }
      case 'tenant': {
        const row = one.row && { name: one.row.name, slug: 's', is_active: one.row.active, timezone: 'America/Lima' };
        emit(changeEvent('tenants', String(one.tenant), row, { lsn }));
        break;
      }
      case 'again': {
        const event = events[one.which % Math.max(1, events.length)];
        if (event) actions.push({ do: 'event', event });
        break;
      }
      default:
        actions.push(one);
    }
  }
  return actions;
}

interface At {
  readonly lsn: bigint;
  readonly seq?: bigint;
}

function orderEvent(order: number, home: number, row: OrderDraft, at: At): ChangeEvent {
  const after: Row = {
    tenant_id: BigInt(home),
    customer_phone: row.phone,
    customer_email: row.email,
    customer_name: row.name,
    customer_id: row.cid,
    status: row.status,
    shopify_order_id: row.shopify,
    shopify_draft_order_id: row.draft,
    woocommerce_order_id: row.woo,
    created_at: row.createdAt === null ? null : EPOCH_US + row.createdAt,
  };
  const unchanged = row.unchanged;
  const sent = Object.fromEntries(
    Object.entries(after).map(([key, value]) => [key, unchanged.includes(key) ? null : value]),
  );
  return changeEvent('orders', String(100 + order), sent, {
    ...at,
    op: 'u',
    ...(unchanged.length > 0 && { unchanged }),
  });
}

const deleteEvent = (order: number, home: number, at: At): ChangeEvent =>
  changeEvent('orders', String(100 + order), null, { ...at, before: { tenant_id: BigInt(home) } });

/** Batches of one topic, or an action of the application. */
export type Block = { readonly events: readonly ChangeEvent[] } | { readonly action: Exclude<Action, { do: 'event' }> };

/** Cuts a history into batches: after each event where `cut` says so, and wherever topic or actor change. */
export function cutInto(actions: readonly Action[], cut: (event: number) => boolean): Block[] {
  const blocks: Block[] = [];
  let open: ChangeEvent[] = [];
  let count = 0;
  const close = () => {
    if (open.length > 0) blocks.push({ events: open });
    open = [];
  };
  for (const action of actions) {
    if (action.do !== 'event') {
      close();
      blocks.push({ action });
      continue;
    }
    if (open.length > 0 && (open[0]!.table !== action.event.table || cut(count))) close();
    open.push(action.event);
    count++;
  }
  close();
  return blocks;
}
