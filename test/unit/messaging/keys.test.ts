import { normalizeCustomerId, okey, statusCounts } from '../../../src/messaging/normalize/keys';
import { DEFAULT_NORMALIZATION } from '../../../src/messaging/normalize/settings';
import { isBlank } from '../../../src/messaging/normalize/text';

const ids = { id: '7', shopifyOrderId: null, shopifyDraftOrderId: null, woocommerceOrderId: null };

it('an order is known by the shop that sold it, else by its own id', () => {
  const all = { id: '7', shopifyOrderId: 'gid://shopify/Order/1', shopifyDraftOrderId: '1', woocommerceOrderId: '1' };
  expect(okey(all)).toBe('shopify:gid://shopify/Order/1');
  expect(okey({ ...all, shopifyOrderId: '' })).toBe('draft:1');
  expect(okey({ ...all, shopifyOrderId: null, shopifyDraftOrderId: '' })).toBe('woo:1');
  expect(okey(ids)).toBe('order:7');
});

it('the same number of two shops is two orders, and an id is not trimmed', () => {
  expect(okey({ ...ids, shopifyOrderId: '7' })).not.toBe(okey({ ...ids, woocommerceOrderId: '7' }));
  expect(okey({ ...ids, shopifyOrderId: '7' })).not.toBe(okey({ ...ids, shopifyOrderId: ' 7' }));
});

it('a customer id is opaque text', () => {
  const blocked = new Set(['0']);
  const raws = [' 7000000000000001 ', 'gid://shopify/Customer/7', '007', '', '  ', null, ' 0 '];
  expect(raws.map((raw) => normalizeCustomerId(raw, blocked))).toEqual([
    '7000000000000001',
    'gid://shopify/Customer/7',
    '007',
    null,
    null,
    null,
    null,
  ]);
});

it('only the listed statuses do not count, exactly as written', () => {
  const counts = (status: string | null) => statusCounts(status, DEFAULT_NORMALIZATION.notCountingStatuses);
  expect(['Pagado', 'Pendiente', 'Cancelado', 'cancelado', '', null].map(counts)).toEqual([
    true,
    true,
    false,
    true,
    true,
    true,
  ]);
});

it('blank means ECMAScript white space', () => {
  expect([null, '', ' \t\n', '\u00a0\ufeff\u2003', 'a', '\u200b', '\u0085'].map(isBlank)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
