import { PureShop } from '../../../support/pure-shop';

const p = '987654321';
const P = '+51987654321';
const q = '912345678';
const Q = '+51912345678';

let t: PureShop;
beforeEach(() => {
  t = new PureShop();
});

describe('the newest order speaks', () => {
  test('by date, then by id as a number; without a date it is the oldest', () => {
    t.step(9, { phone: p, name: 'Nueve', createdAt: 5 });
    t.step(10, { phone: p, name: 'Diez', createdAt: 5 });
    expect(t.contactOf(9).name).toBe('Diez');
    t.step(11, { phone: p, name: 'Once', createdAt: 4 });
    t.step(12, { phone: p, name: 'Doce', createdAt: null });
    expect(t.contactOf(9).name).toBe('Diez');
  });

  test('of those that have a value; none: the field stays', () => {
    t.step(1, { phone: p, email: 'a@g.pe', cid: '7' });
    t.step(2, { phone: p, name: null });
    expect(t.contactOf(1)).toMatchObject({ name: 'Ana Pérez', email: 'a@g.pe', customerId: '7' });
    t.step(1, null);
    expect(t.contactOf(2)).toMatchObject({ name: 'Ana Pérez', email: 'a@g.pe', customerId: '7', totalOrders: 1 });
  });

  test('only its value is tried, not the next one', () => {
    t.app({ email: 'held@g.pe' });
    t.step(1, { phone: p });
    t.step(3, { phone: p, email: 'held@g.pe' });
    t.step(2, { phone: p, email: 'free@g.pe' });
    expect(t.contactOf(1).email).toBeNull();
  });
});

describe('name', () => {
  test.each([
    ['blank', '', true],
    ['NULL', null, true],
    ['the phone', P, true],
    ['the phone without +', P.slice(1), true],
    ["somebody's", 'Mari 🌸', false],
    ['another phone', Q, false],
  ])('over one that is %s', (_, name, written) => {
    const id = t.app({ name, phone: P });
    t.step(1, { phone: p, name: 'Ana' });
    expect(t.contact(id).name).toBe(written ? 'Ana' : name);
  });

  test('of an order without a name the phone stands in, and moves with it', () => {
    t.step(1, { phone: p, cid: '7', name: null });
    expect(t.contactOf(1)).toMatchObject({ name: P, shadow: { name: P } });
    t.step(2, { phone: q, cid: '7', name: null });
    expect(t.contactOf(1)).toMatchObject({ name: Q, phone: Q });
    t.step(3, { phone: q, cid: '7', name: 'Ana' });
    t.step(3, { phone: p, cid: '7', name: null });
    expect(t.contactOf(1)).toMatchObject({ name: 'Ana', phone: P });
  });

  test('neither name nor phone: blank, until one comes', () => {
    t.step(1, { email: 'a@g.pe', name: '#1001' });
    expect(t.contactOf(1)).toMatchObject({ name: '', shadow: { name: null } });
    t.step(2, { email: 'a@g.pe', name: 'Ana' });
    expect(t.contactOf(1).name).toBe('Ana');
  });

  test('an agent who clears the name gets one again; one who writes it keeps it', () => {
    t.step(1, { phone: p, name: 'Ana' });
    const { id } = t.contactOf(1);
    t.edit(id, { name: ' ' });
    t.step(1, { phone: p, name: 'Ana', status: 'Enviado' });
    expect(t.contact(id).name).toBe('Ana');
    t.edit(id, { name: 'Anita' });
    t.step(1, { phone: p, name: 'Ana María' });
    expect(t.contact(id).name).toBe('Anita');
  });
});

describe('e-mail and phone: the order of the checks', () => {
  test('equal, in any case or as WhatsApp writes it: nothing, and it stays theirs', () => {
    const id = t.app({ email: 'Ana@g.pe', phone: '+5215512345678' });
    t.step(1, { email: 'ana@g.pe', phone: '+525512345678' });
    expect(t.contact(id)).toMatchObject({
      email: 'Ana@g.pe',
      phone: '+5215512345678',
      shadow: { email: null, phone: null },
    });
    expect(t.conflicts).toEqual([]);
  });

  test('cleared by an agent: the same value is not written again, and no conflict; another is', () => {
    t.step(1, { phone: p, email: 'a@g.pe' });
    const { id } = t.contactOf(1);
    t.edit(id, { email: null, phone: '' });
    t.step(1, { phone: p, email: 'a@g.pe', status: 'Enviado' });
    expect(t.contact(id)).toMatchObject({ email: null, phone: '' });
    expect(t.conflicts).toEqual([]);
    t.step(2, { phone: p, email: 'b@g.pe' });
    expect(t.contact(id)).toMatchObject({ email: 'b@g.pe', phone: '' });
  });

  test("an agent's value comes before who else has ours", () => {
    t.step(1, { cid: '7', phone: p, email: 'a@g.pe' });
    const { id } = t.contactOf(1);
    t.edit(id, { email: 'agent@g.pe', phone: '+51911111111' });
    const other = t.app({ email: 'b@g.pe', phone: Q });
    t.step(1, { cid: '7', phone: q, email: 'b@g.pe' });
    // At resolution the holder is named, at recompute the agent.
    expect(t.conflicts).toEqual([
      `1 email_belongs_to_other ${id} ${other}`,
      `1 phone_belongs_to_other ${id} ${other}`,
      `1 email_kept_agent_value ${id}`,
      `1 phone_number_kept_agent_value ${id}`,
    ]);
  });

  test('a phone that a conversation uses is not replaced, nor is a conflict said twice', () => {
    t.step(1, { cid: '7', phone: p });
    const { id } = t.contactOf(1);
    t.store.converse(id);
    t.step(2, { cid: '7', phone: q });
    t.step(2, { cid: '7', phone: q, status: 'Enviado' });
    expect(t.contact(id).phone).toBe(P);
    expect(t.conflicts).toEqual([`2 phone_in_use_by_conversation ${id}`]);
  });

  test('a blank phone is filled also in a conversation', () => {
    const id = t.app({ email: 'a@g.pe', inConversation: true });
    t.step(1, { email: 'a@g.pe', phone: p });
    expect(t.contact(id).phone).toBe(P);
  });

  test('a held value is written when it is free at a later change', () => {
    const b = t.app({ email: 'b@g.pe', phone: Q });
    t.step(1, { phone: p, email: 'b@g.pe' });
    expect(t.contactOf(1).email).toBeNull();
    t.edit(b, { email: 'c@g.pe' });
    t.step(1, { phone: p, email: 'b@g.pe' });
    expect(t.contactOf(1).email).toBe('b@g.pe');
  });

  test('the contact that loses an order gives its values up before the other takes them', () => {
    t.step(1, { cid: '7', email: 'a@g.pe', createdAt: 1 });
    t.step(2, { cid: '7', email: 'b@g.pe', createdAt: 2 });
    t.step(3, { cid: '8', phone: q, createdAt: 1 });
    const [first, second] = [t.contactOf(1).id, t.contactOf(3).id];
    t.step(2, { cid: '8', email: 'b@g.pe', createdAt: 2 });
    expect(t.contact(first).email).toBe('a@g.pe');
    expect(t.contact(second).email).toBe('b@g.pe');
    expect(t.conflicts).toEqual([]);
  });
});

describe('aliases', () => {
  test('a value that another contact holds keeps leading to that one', () => {
    const b = t.app({ email: 'b@g.pe', phone: Q });
    t.step(1, { phone: p, email: 'b@g.pe' });
    expect([...t.store.aliases.keys()].map((key) => key.split(' ').slice(1).join(' '))).toEqual([`phone ${P}`]);
    t.edit(b, { email: null });
    expect(t.decide(2, { email: 'b@g.pe' })).toEqual({ rule: 6, how: 'create' });
  });

  test('so does a phone', () => {
    t.step(1, { cid: '7', phone: p });
    const b = t.app({ phone: Q });
    t.step(2, { cid: '7', phone: q });
    t.store.remove(b);
    expect(t.decide(3, { phone: q })).toEqual({ rule: 6, how: 'create' });
  });

  test('the newest link of a key wins', () => {
    t.step(1, { cid: '7', phone: p });
    t.step(2, { phone: q });
    t.step(2, { cid: '7', phone: q });
    expect(t.contactOf(2).id).toBe(t.contactOf(1).id);
    expect(t.decide(3, { phone: q })).toMatchObject({ by: 'phone' });
  });
});

describe('customer type, id and count', () => {
  test('a customer stays one', () => {
    const id = t.app({ phone: P, contactType: null });
    t.step(1, { phone: p });
    expect(t.contact(id).contactType).toBe(2);
    t.step(1, null);
    expect(t.contact(id)).toMatchObject({ contactType: 2, totalOrders: 0 });
  });

  test('one shop order counts once, and while any of its rows counts', () => {
    t.step(1, { phone: p, shopify: 'x' });
    t.step(2, { phone: p, shopify: 'x', status: 'Cancelado' });
    t.step(3, { phone: p, shopify: '3' });
    expect(t.contactOf(1).totalOrders).toBe(2);
    t.step(1, { phone: p, shopify: 'x', status: 'Cancelado' });
    expect(t.contactOf(1).totalOrders).toBe(1);
  });

  test('which order it is stays known when that column was not sent', () => {
    t.step(1, { phone: p, shopify: 'x' });
    t.step(1, { phone: p }, { unchanged: ['shopify_order_id'] });
    expect(t.contactOf(1).totalOrders).toBe(1);
  });

  test('a customer id of another form is written as text', () => {
    const id = t.app({ phone: P, customerId: null, totalOrders: null });
    t.step(1, { phone: p, cid: ' 7000000000000001 ' });
    expect(t.contact(id).customerId).toBe('7000000000000001');
  });

  test('what is blocked identifies nobody', () => {
    t = new PureShop({ customerIdBlocklist: new Set(['0']), emailBlocklist: new Set(['tienda.pe']) });
    t.step(1, { cid: '0', phone: p, email: 'caja@tienda.pe' });
    t.step(2, { cid: '0', phone: q, email: 'caja@tienda.pe' });
    expect(t.contacts).toMatchObject([
      { email: null, customerId: null },
      { email: null, customerId: null },
    ]);
  });
});

test('a contact whose orders are all erased is not written', () => {
  t.step(1, { phone: p, email: 'a@g.pe' });
  const { id } = t.contactOf(1);
  const fact = t.store.facts.get('1')!;
  t.store.facts.set('1', { ...fact, phone: null, email: null, name: null, customerId: null, erased: true });
  t.edit(id, { name: '', email: null, phone: null });
  t.step(1, { phone: p, email: 'a@g.pe', name: 'Ana', status: 'Cancelado' });
  expect(t.contact(id)).toMatchObject({ name: '', email: null, phone: null, totalOrders: 1 });
  expect(t.store.facts.get('1')).toMatchObject({ email: null, phone: null, erased: true, status: 'Cancelado' });
});
