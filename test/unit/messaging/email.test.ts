import { normalizeEmail } from '../../../src/messaging/normalize/email';
import { emailBlocklist } from '../../../src/messaging/normalize/settings';
import { emailVectors } from '../../fixtures/email-name-vectors';

const none = emailBlocklist([]);

it.each(emailVectors.flat())('E %j', (raw, expected) => {
  expect(normalizeEmail(raw, none)).toBe(expected);
});

describe('e-mail', () => {
  it.each<[string, string, string | null]>([
    ['case and space', '  Ana@Gmail.COM\n', 'ana@gmail.com'],
    ['an invisible mark', '\u200bana@gmail.com\u202c', 'ana@gmail.com'],
    ['dots are not folded', 'a.n.a@gmail.com', 'a.n.a@gmail.com'],
    ['placeholder at any domain', 'No-Email-Woo-1@tienda.pe', null],
    ['subdomain of a reserved domain', 'a@shop.example.org', null],
    ['a domain that only ends like one', 'a@myexample.org', 'a@myexample.org'],
    ['.test', 'a@shop.test', null],
    ['.invalid', 'a@b.invalid', null],
    ['.localhost', 'a@b.localhost', null],
    ['.example', 'a@b.example', null],
    ['no dot in the domain', 'ana@gmail', null],
    ['two at signs', 'ana@gmail.com@x.pe', null],
    ['a name around it', 'Ana <ana@gmail.com>', null],
    ['two addresses', 'ana@gmail.com, luis@gmail.com', null],
    ['not ASCII', 'josé@gmail.com', null],
    ['a dotted capital I', 'İnes@gmail.com', null],
    ['a NUL byte', 'ana\u0000@gmail.com', null],
    ['254 characters', `${'a'.repeat(242)}@gmail.co.pe`, `${'a'.repeat(242)}@gmail.co.pe`],
    ['255 characters', `${'a'.repeat(243)}@gmail.co.pe`, null],
  ])('%s', (_, raw, expected) => {
    expect(normalizeEmail(raw, none)).toBe(expected);
  });

  it('leaves out what the owner blocked: addresses, domains and their subdomains', () => {
    const blocked = emailBlocklist([' Ventas@Tienda.pe ', '@marketplace.com', 'mail.shop.pe', '']);
    const answers = ['ventas@tienda.pe', 'ana@tienda.pe', 'x@marketplace.com', 'x@eu.marketplace.com', 'x@shop.pe'];
    expect(answers.map((raw) => normalizeEmail(raw, blocked))).toEqual([
      null,
      'ana@tienda.pe',
      null,
      null,
      'x@shop.pe',
    ]);
  });
});
