import { canonicalPhone, newPerson, type Person, typedEmail, typedName, typedPhone } from './people';
import { Random } from './random';
import { TENANTS } from './tenants';

/** Columns of ventia.orders; a database that lacks one is written without it. */
export type OrderValues = Readonly<Record<string, string | number | boolean | null>>;
export type TenantValues = Readonly<Record<string, string | boolean>>;

/** One thing that happens; tenants and orders are named by number in the order they came. */
export type ShopAction =
  | { readonly kind: 'open tenant'; readonly tenant: number; readonly values: TenantValues }
  | { readonly kind: 'change tenant'; readonly tenant: number; readonly values: TenantValues }
  | { readonly kind: 'insert order'; readonly tenant: number; readonly order: number; readonly values: OrderValues }
  | { readonly kind: 'update order'; readonly order: number; readonly values: OrderValues }
  | { readonly kind: 'delete order'; readonly order: number }
  | {
      /** Somebody in Messaging corrects a contact, found by its phone or its address. */
      readonly kind: 'edit contact';
      readonly tenant: number;
      readonly phone: string | null;
      readonly email: string | null;
      readonly values: { readonly name?: string; readonly email?: string };
    };

interface OpenOrder {
  readonly order: number;
  readonly tenant: number;
  readonly person: Person;
  readonly number: string;
  draft: boolean;
  status: 'Pendiente' | 'Pagado' | 'Enviado';
}

/** Beyond these the oldest are left as they are: the story goes on for days in little memory. */
const OPEN_ORDERS = 400;
const PEOPLE_PER_TENANT = 300;

/**
 * The demo shop as an endless list of actions: the shops open, then orders arrive, are paid, edited, cancelled and now and
 * then deleted, with the dirt of real data. The same seed tells the same story.
 */
export function* playShop(seed: number): Generator<ShopAction, never> {
  const story = new Story(new Random(seed));
  for (let tenant = 0; tenant < TENANTS.length; tenant++) yield story.openTenant(tenant);
  for (;;) {
    const action = story.next();
    if (action !== undefined) yield action;
  }
}

class Story {
  private readonly people: Person[][] = TENANTS.map(() => []);
  private readonly open: OpenOrder[] = [];
  private readonly inactive = new Set<number>();
  private orders = 0;
  private orderNumber: number;

  constructor(private readonly random: Random) {
    this.orderNumber = random.integer(1_000, 90_000);
  }

  openTenant(tenant: number): ShopAction {
    const { name, slug, country } = TENANTS[tenant]!;
    const values = { name, slug, timezone: country.timezone, is_active: true, is_platform: false };
    return { kind: 'open tenant', tenant, values };
  }

  /** Undefined when what chance chose has nothing to work on yet. */
  next(): ShopAction | undefined {
    const what = this.random.weighted({
      arrive: 46,
      pay: 26,
      ship: 8,
      edit: 8,
      cancel: 5,
      remove: 1,
      agent: 5,
      tenant: 0.4,
    });
    switch (what) {
      case 'arrive':
        return this.arrive();
      case 'pay':
        return this.pay();
      case 'ship':
        return this.ship();
      case 'edit':
        return this.edit();
      case 'cancel':
        return this.close((order) => ({
          kind: 'update order',
          order,
          values: { status: 'Cancelado', validado: false },
        }));
      case 'remove':
        return this.close((order) => ({ kind: 'delete order', order }));
      case 'agent':
        return this.editContact();
      case 'tenant':
        return this.changeTenant();
    }
  }

  private arrive(): ShopAction {
    const tenant = this.random.integer(0, TENANTS.length - 1);
    const person = this.customer(tenant);
    return this.random.chance(0.12) ? this.arriveAsDraft(tenant, person) : this.insert(tenant, person, false);
  }

  /** A draft of the seller's: the customer's address is not known yet, and the draft's number stands for the name. */
  private arriveAsDraft(tenant: number, person: Person): ShopAction {
    const action = this.insert(tenant, person, true);
    const blank = this.random.chance(0.5);
    const customer_email = `no-email-shopify-${this.random.digits(8)}@example.com`;
    const customer_name = this.open.at(-1)!.number;
    return blank ? { ...action, values: { ...action.values, customer_email, customer_name } } : action;
  }

  private insert(tenant: number, person: Person, draft: boolean): ShopAction & { kind: 'insert order' } {
    const { random } = this;
    const order = this.orders++;
    const number = `#${draft ? 'D' : ''}${this.orderNumber++}`;
    const channel = draft ? 'shopify' : random.pick(['shopify', 'shopify', 'woocommerce', 'venta_whatsapp']);
    const paid = !draft && random.chance(0.4);
    const amount = random.integer(...person.country.amount);
    person.orders++;
    this.remember({ order, tenant, person, number, draft, status: paid ? 'Pagado' : 'Pendiente' });
    return {
      kind: 'insert order',
      tenant,
      order,
      values: {
        customer_name: typedName(random, person, number),
        customer_email: typedEmail(random, person),
        customer_phone: typedPhone(random, person),
        customer_id: random.chance(0.85) ? person.customerId : null,
        customer_order_count: person.orders,
        customer_document_type: '1',
        customer_document_number: random.digits(person.country.documentDigits),
        shipping_address: `Calle ${random.integer(1, 90)} # ${random.integer(1, 200)}`,
        order_number: number,
        status: paid ? 'Pagado' : 'Pendiente',
        validado: paid,
        total_price: amount,
        total_amount: amount,
        currency: person.country.currency,
        channel,
        shopify_draft_order_id: draft ? `gid://shopify/DraftOrder/${random.digits(13)}` : null,
        shopify_order_id: !draft && channel === 'shopify' ? `gid://shopify/Order/${random.digits(13)}` : null,
        woocommerce_order_id: channel === 'woocommerce' ? random.integer(1, 2 ** 31 - 1) : null,
      },
    };
  }

  /** A paid draft becomes an order in its own row, or, where the platform did not find it again, a second row beside it. */
  private pay(): ShopAction | undefined {
    const order = this.oneOf(({ status }) => status === 'Pendiente');
    if (order === undefined) return undefined;
    order.status = 'Pagado';
    const paid = {
      status: 'Pagado',
      validado: true,
      payment_method: this.random.pick(['tarjeta', 'yape', 'efectivo']),
    };
    if (!order.draft) return { kind: 'update order', order: order.order, values: paid };
    order.draft = false;
    if (this.random.chance(0.2)) return this.insert(order.tenant, order.person, false);
    const completed = {
      ...paid,
      shopify_order_id: `gid://shopify/Order/${this.random.digits(13)}`,
      customer_name: order.person.name,
      customer_email: typedEmail(this.random, order.person),
    };
    return { kind: 'update order', order: order.order, values: completed };
  }

  private ship(): ShopAction | undefined {
    const order = this.oneOf(({ status }) => status === 'Pagado');
    if (order === undefined) return undefined;
    order.status = 'Enviado';
    return { kind: 'update order', order: order.order, values: { status: 'Enviado' } };
  }

  /** Somebody mends what was typed: sometimes it becomes right, sometimes only different. */
  private edit(): ShopAction | undefined {
    const order = this.oneOf(() => true);
    if (order === undefined) return undefined;
    const { person, number } = order;
    const what = this.random.weighted({ name: 3, email: 3, phone: 3, notes: 1 });
    const values = {
      name: () => ({ customer_name: this.random.chance(0.7) ? person.name : typedName(this.random, person, number) }),
      email: () => ({ customer_email: person.email ?? typedEmail(this.random, person) }),
      phone: () => ({ customer_phone: typedPhone(this.random, person) }),
      notes: () => ({ notes: 'Entregar por la tarde' }),
    }[what]();
    return { kind: 'update order', order: order.order, values };
  }

  private close(action: (order: number) => ShopAction): ShopAction | undefined {
    const order = this.oneOf(({ status }) => status !== 'Enviado');
    if (order === undefined) return undefined;
    this.open.splice(this.open.indexOf(order), 1);
    return action(order.order);
  }

  private editContact(): ShopAction | undefined {
    const order = this.oneOf(({ status }) => status !== 'Pendiente');
    if (order === undefined) return undefined;
    const { tenant, person } = order;
    const given = person.name.split(' ')[0]!;
    const values =
      person.email !== null && this.random.chance(0.4)
        ? { email: person.email.replace('@', '+ventas@') }
        : { name: this.random.pick([`${given} VIP`, `${given} (mayorista)`, `${given} 🌸`]) };
    return { kind: 'edit contact', tenant, phone: canonicalPhone(person), email: person.email, values };
  }

  private changeTenant(): ShopAction {
    const tenant = this.random.integer(0, TENANTS.length - 1);
    const { name } = TENANTS[tenant]!;
    if (this.inactive.delete(tenant)) return { kind: 'change tenant', tenant, values: { is_active: true } };
    if (this.random.chance(0.7)) {
      const values = { name: this.random.pick([name, ` ${name} `, `${name} Online`]) };
      return { kind: 'change tenant', tenant, values };
    }
    this.inactive.add(tenant);
    return { kind: 'change tenant', tenant, values: { is_active: false } };
  }

  /** As often as not somebody who bought before. */
  private customer(tenant: number): Person {
    const known = this.people[tenant]!;
    if (known.length > 0 && (known.length >= PEOPLE_PER_TENANT || this.random.chance(0.5))) {
      return this.random.pick(known);
    }
    const person = newPerson(this.random, TENANTS[tenant]!.country, known);
    known.push(person);
    return person;
  }

  private remember(order: OpenOrder): void {
    this.open.push(order);
    if (this.open.length > OPEN_ORDERS) this.open.shift();
  }

  private oneOf(fits: (order: OpenOrder) => boolean): OpenOrder | undefined {
    const fitting = this.open.filter(fits);
    return fitting.length === 0 ? undefined : this.random.pick(fitting);
  }
}
