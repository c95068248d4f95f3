import fc from 'fast-check';
import { canonicalPhone, newPerson, typedEmail, typedName, typedPhone } from '../../../src/dev/shop/people';
import { Random } from '../../../src/dev/shop/random';
import { playShop, type ShopAction } from '../../../src/dev/shop/story';
import { TENANTS } from '../../../src/dev/shop/tenants';
import { normalizeEmail } from '../../../src/messaging/normalize/email';
import { normalizeName } from '../../../src/messaging/normalize/name';
import { normalizePhone, regionOf } from '../../../src/messaging/normalize/phone';

function first(count: number, seed: number): ShopAction[] {
  const story = playShop(seed);
  return Array.from({ length: count }, () => story.next().value);
}

describe('story', () => {
  test('the same seed tells the same, another seed something else', () => {
    expect(first(500, 7)).toEqual(first(500, 7));
    expect(first(500, 8)).not.toEqual(first(500, 7));
  });

  test('makes sense: shops open first, orders come before they change, and nothing happens to a deleted one', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const tenants = new Set<number>();
        const orders = new Set<number>();
        let arrived = 0;
        for (const action of first(600, seed)) {
          if (action.kind === 'open tenant') tenants.add(action.tenant);
          else if ('tenant' in action) expect(tenants).toContain(action.tenant);
          if (action.kind === 'insert order') {
            expect(action.order).toBe(arrived++);
            orders.add(action.order);
          } else if ('order' in action) expect(orders).toContain(action.order);
          if (action.kind === 'delete order') orders.delete(action.order);
        }
      }),
      { numRuns: 30 },
    );
  });

  const actions = first(8_000, 1);
  const orders = actions.flatMap((action) => (action.kind === 'insert order' ? [action.values] : []));
  const updates = actions.flatMap((action) => (action.kind === 'update order' ? [action.values] : []));
  const has = (column: string, pattern: RegExp) =>
    orders.some((order) => typeof order[column] === 'string' && pattern.test(order[column]));

  test.each<[string, () => boolean]>([
    ['shops in three cities', () => new Set(TENANTS.map(({ country }) => country.timezone)).size === 3],
    ['orders that are paid', () => updates.some(({ status }) => status === 'Pagado')],
    ['orders that are sent', () => updates.some(({ status }) => status === 'Enviado')],
    ['orders that are cancelled', () => updates.some(({ status }) => status === 'Cancelado')],
    ['orders that are edited', () => updates.some((values) => 'customer_phone' in values && !('status' in values))],
    ['orders that are deleted', () => actions.some(({ kind }) => kind === 'delete order')],
    ['agents who rename', () => actions.some((a) => a.kind === 'edit contact' && a.values.name !== undefined)],
    ['agents who mend an e-mail', () => actions.some((a) => a.kind === 'edit contact' && a.values.email !== undefined)],
    ['shops that rest', () => actions.some((a) => a.kind === 'change tenant' && a.values.is_active === false)],
    ['a placeholder e-mail', () => has('customer_email', /^no-email-(shopify|woo)-/)],
    ['a mistyped e-mail', () => has('customer_email', /gmial/)],
    ['an e-mail in capitals', () => has('customer_email', /[A-Z].*@/)],
    ['a name that is an order number', () => has('customer_name', /^#\d+$/)],
    ['a name that is a draft number', () => has('customer_name', /^#D\d+$/)],
    ['a name that is an e-mail', () => has('customer_name', /@/)],
    ['None None', () => has('customer_name', /^None None$/)],
    ['a national phone', () => has('customer_phone', /^\d{9,10}$/)],
    ['a phone with the country code', () => has('customer_phone', /^\+5[127]\d+$/)],
    ['a phone of a spreadsheet', () => has('customer_phone', /\.0$/)],
    ['two phones in one column', () => has('customer_phone', / \/ /)],
    ['a draft', () => has('shopify_draft_order_id', /^gid/)],
    ['a draft completed in its row', () => updates.some((values) => 'shopify_order_id' in values)],
    ['an order without customer id', () => orders.some((order) => order.customer_id === null)],
    ['a document number, which must go nowhere', () => has('customer_document_number', /^\d+$/)],
  ])('has %s', (_what, found) => {
    expect(found()).toBe(true);
  });

  test('people come back, and some share a phone', () => {
    const byPhone = new Map<string, Set<unknown>>();
    for (const { customer_phone, customer_id } of orders) {
      const phone = normalizePhone(customer_phone as string | null, 'PE');
      if (phone === null || customer_id === null) continue;
      byPhone.set(phone, (byPhone.get(phone) ?? new Set()).add(customer_id));
    }
    expect(byPhone.size).toBeLessThan(orders.length / 2);
    expect([...byPhone.values()].some((customers) => customers.size > 1)).toBe(true);
  });
});

test('however it is typed, a phone, e-mail or name is that of its person or nothing', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...TENANTS), (seed, { country }) => {
      const random = new Random(seed);
      const person = newPerson(random, country, []);
      const phone = canonicalPhone(person);
      const region = regionOf(country.timezone);
      expect([phone, null]).toContain(normalizePhone(typedPhone(random, person), region));
      expect(phone === null ? null : normalizePhone(phone, region)).toBe(phone);

      const email = normalizeEmail(typedEmail(random, person), new Set());
      expect([person.email, null]).toContain(email?.replace('gmial', 'gmail').replace('hotmial', 'hotmail') ?? null);

      const letters = (name: string | null) =>
        name
          ?.normalize('NFD')
          .replace(/\p{Mn}/gu, '')
          .toLowerCase() ?? null;
      expect([letters(person.name), null]).toContain(letters(normalizeName(typedName(random, person, '#1001'))));
    }),
    { numRuns: 500 },
  );
});

test('chance stays in its bounds and follows its weights', () => {
  const random = new Random(3);
  const counts = { often: 0, seldom: 0, never: 0 };
  for (let i = 0; i < 10_000; i++) {
    counts[random.weighted({ often: 9, seldom: 1, never: 0 })]++;
    expect([2, 3, 4]).toContain(random.integer(2, 4));
  }
  expect(counts.never).toBe(0);
  expect(counts.seldom).toBeGreaterThan(850);
  expect(counts.seldom).toBeLessThan(1_150);
});
