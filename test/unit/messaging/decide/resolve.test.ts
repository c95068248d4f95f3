import { PureShop } from '../../../support/pure-shop';

const p = '987654321';
const P = '+51987654321';
const q = '912345678';
const Q = '+51912345678';

let t: PureShop;
beforeEach(() => {
  t = new PureShop();
});

describe('a linked order stays', () => {
  test('when no key changed, or only became NULL', () => {
    t.step(1, { phone: p, email: 'a@g.pe', cid: '7' });
    const { id } = t.contactOf(1);
    expect(t.decide(1, { phone: p, email: 'a@g.pe', cid: '7', name: 'Otra' })).toEqual({
      rule: 1,
      how: 'stay',
      contactId: id,
    });
    expect(t.decide(1, { email: 'a@g.pe' })).toEqual({ rule: 1, how: 'stay', contactId: id });
    expect(t.decide(1, {})).toEqual({ rule: 1, how: 'stay', contactId: id });
    expect(t.contactOf(1)).toMatchObject({ phone: P, email: 'a@g.pe', customerId: '7', totalOrders: 1 });
  });

  test('not when a value came back after a redaction', () => {
    t.step(1, { phone: p, email: 'a@g.pe' });
    t.step(1, { phone: p });
    expect(t.decide(1, { phone: p, email: 'a@g.pe' })).toMatchObject({
      rule: 3,
      how: 'found',
      by: 'phone',
      through: 'column',
    });
  });

  test.each([
    ['phone', { phone: q, email: 'a@g.pe', cid: '7' }, { phone: q }],
    ['e-mail', { phone: p, email: 'b@g.pe', cid: '7' }, { email: 'b@g.pe' }],
    ['customer id', { phone: p, email: 'a@g.pe', cid: '8' }, { cid: '8', email: 'x@g.pe' }],
  ])('not when its %s became another', (_, changed, other) => {
    t.step(1, { phone: p, email: 'a@g.pe', cid: '7' });
    t.step(2, other);
    expect(t.decide(1, changed)).toMatchObject({ how: 'found', insteadOf: null });
  });

  test('nor does an agent re-route it', () => {
    t.step(1, { email: 'a@g.pe' });
    const { id } = t.contactOf(1);
    t.edit(id, { email: 'b@g.pe' });
    const other = t.app({ email: 'a@g.pe' });
    expect(t.decide(1, { email: 'a@g.pe', status: 'Enviado' })).toEqual({ rule: 1, how: 'stay', contactId: id });
    expect(t.contact(other).totalOrders).toBeNull();
  });
});

describe('where the e-mail outranks the phone', () => {
  beforeEach(() => {
    t = new PureShop({ precedence: 'email' });
  });

  test('it decides between two contacts, and the other keeps its phone', () => {
    const [mine, other] = [t.app({ email: 'a@g.pe' }), t.app({ phone: P })];
    expect(t.decide(1, { phone: p, email: 'a@g.pe' })).toMatchObject({ by: 'email', contactId: mine });
    expect(t.contact(mine)).toMatchObject({ phone: null, totalOrders: 1 });
    expect(t.contact(other)).toMatchObject({ phone: P, totalOrders: null });
    expect(t.conflicts).toEqual([`1 phone_belongs_to_other ${mine} ${other}`]);
  });

  test('a shared address still joins nobody who has another phone; one that knows this phone is the one', () => {
    t.step(1, { phone: p, email: 'fam@g.pe' });
    t.step(2, { phone: q, email: 'fam@g.pe' });
    const [first, second] = [t.contactOf(1).id, t.contactOf(2).id];
    expect(first).not.toBe(second);
    expect(t.decide(3, { phone: p, email: 'fam@g.pe' })).toMatchObject({ by: 'email', contactId: first });
    expect(t.decide(4, { phone: q, email: 'fam@g.pe' })).toMatchObject({ by: 'phone', contactId: second });
    expect(t.decide(5, { phone: q })).toMatchObject({ by: 'phone', contactId: second });
  });

  test('a former phone of the contact counts as known', () => {
    t.step(1, { phone: p, email: 'a@g.pe', cid: '7' });
    t.step(2, { phone: q, cid: '7' });
    const { id } = t.contactOf(1);
    expect(t.contact(id).phone).toBe(Q);
    expect(t.decide(3, { phone: p, email: 'a@g.pe' })).toMatchObject({ by: 'email', contactId: id });
  });
});

describe('customer id, phone, e-mail', () => {
  test('the customer id outranks the phone, the phone the e-mail', () => {
    t.step(1, { phone: p, cid: '7' });
    t.step(2, { phone: q });
    t.step(3, { email: 'a@g.pe' });
    expect(t.decide(4, { cid: '7', phone: q, email: 'a@g.pe' })).toMatchObject({
      by: 'customer_id',
      contactId: t.contactOf(1).id,
    });
    expect(t.decide(5, { phone: q, email: 'a@g.pe' })).toMatchObject({ by: 'phone', contactId: t.contactOf(2).id });
    expect(t.decide(6, { cid: '8', email: 'a@g.pe' })).toMatchObject({ by: 'email', contactId: t.contactOf(3).id });
  });

  test('what a contact holds now beats what another was known by', () => {
    t.step(1, { email: 'a@g.pe' });
    t.edit(t.contactOf(1).id, { email: 'b@g.pe' });
    expect(t.decide(2, { email: 'a@g.pe' })).toMatchObject({ through: 'alias', contactId: t.contactOf(1).id });
    const heir = t.app({ email: 'a@g.pe' });
    expect(t.decide(3, { email: 'a@g.pe' })).toMatchObject({ through: 'column', contactId: heir });
  });

  test('an alias whose contact is gone finds nobody', () => {
    t.step(1, { phone: p });
    t.store.remove(t.contactOf(1).id);
    expect(t.decide(2, { phone: p })).toEqual({ rule: 6, how: 'create' });
  });

  test('a WhatsApp contact under its variant of the number', () => {
    t.tenant(1, { timezone: 'America/Mexico_City' });
    const id = t.app({ name: 'Wa', phone: '+5215512345678' });
    expect(t.decide(1, { phone: '55 1234 5678' })).toMatchObject({ by: 'phone', contactId: id });
    expect(t.contact(id).phone).toBe('+5215512345678');
    const canonical = t.app({ phone: '+525512345678' });
    expect(t.decide(2, { phone: '55 1234 5678' })).toMatchObject({ contactId: canonical });
  });

  test('of several spellings of one e-mail the exact one, else the lowest id', () => {
    const first = t.app({ email: 'ANA@g.pe' });
    const second = t.app({ email: 'Ana@g.pe' });
    expect(t.decide(1, { email: 'ana@g.pe' })).toMatchObject({ contactId: first });
    const exact = t.app({ email: 'ana@g.pe' });
    expect(t.decide(2, { email: 'ana@g.pe' })).toMatchObject({ contactId: exact });
    expect(t.contact(second).totalOrders).toBeNull();
  });

  test.each([
    ['no phone', { phone: null }, true],
    ['a blank phone', { phone: ' ' }, true],
    ["the old job's wrong number", { phone: '+987654321' }, true],
    ['a phone', { phone: Q }, false],
    ["WhatsApp's variant of a phone", { phone: '+5215512345678' }, false],
  ])('an e-mail leads an order with a phone to a contact with %s: %s', (_, fields, found) => {
    const id = t.app({ email: 'fam@g.pe', ...fields });
    expect(t.decide(1, { phone: p, email: 'fam@g.pe' })).toMatchObject(
      found ? { rule: 4, how: 'found', by: 'email', contactId: id } : { rule: 6, how: 'create' },
    );
  });

  test('nor to one that was known by another phone', () => {
    t.step(1, { phone: q, email: 'fam@g.pe' });
    t.edit(t.contactOf(1).id, { phone: null });
    expect(t.decide(2, { phone: p, email: 'fam@g.pe' })).toEqual({ rule: 6, how: 'create' });
    expect(t.decide(3, { email: 'fam@g.pe' })).toMatchObject({ by: 'email', contactId: t.contactOf(1).id });
  });
});

test('a phone alias that moves to another contact is forgotten by the first, within a batch too', () => {
  t.step(1, { phone: p, email: 'a@g.pe' });
  t.step(2, { cid: '7', email: 'b@g.pe' });
  t.edit(t.contactOf(1).id, { phone: null });
  t.store.apply([t.event(3, { cid: '7', phone: p }), t.event(4, { phone: q, email: 'a@g.pe' })]);
  expect(t.contactOf(3)).toMatchObject({ id: t.contactOf(2).id, phone: P });
  expect(t.contactOf(4)).toMatchObject({ id: t.contactOf(1).id, phone: Q });
});

describe('a correction renames in place', () => {
  test('the only live order of a contact we made', () => {
    t.step(1, { email: 'ana@gmial.com' });
    const { id } = t.contactOf(1);
    expect(t.decide(1, { email: 'ana@gmail.com' })).toEqual({ rule: 5, how: 'rename', contactId: id });
    expect(t.contacts).toMatchObject([{ id, email: 'ana@gmail.com' }]);
    // The former address still finds it.
    expect(t.decide(2, { email: 'ana@gmial.com' })).toMatchObject({ through: 'alias', contactId: id });
  });

  test('deleted orders do not hinder it', () => {
    t.step(1, { email: 'a@g.pe' });
    t.step(2, { email: 'a@g.pe' });
    t.step(2, null);
    expect(t.decide(1, { email: 'b@g.pe' })).toMatchObject({ how: 'rename' });
  });

  test('not with other orders, nor for a contact of the application', () => {
    t.step(1, { email: 'a@g.pe' });
    t.step(2, { email: 'a@g.pe' });
    expect(t.decide(1, { email: 'b@g.pe' })).toEqual({ rule: 6, how: 'create' });
    expect(t.contactOf(2)).toMatchObject({ email: 'a@g.pe', totalOrders: 1 });
    t.app({ email: 'c@g.pe' });
    t.step(3, { email: 'c@g.pe' });
    expect(t.decide(3, { email: 'd@g.pe' })).toEqual({ rule: 6, how: 'create' });
  });
});

test('an order with only a customer id makes nobody and leaves no alias', () => {
  expect(t.decide(1, { cid: '7' })).toEqual({ rule: 6, how: 'none' });
  expect([t.contacts, [...t.store.aliases]]).toEqual([[], []]);
  expect(t.decide(1, { cid: '7', email: 'a@g.pe' })).toEqual({ rule: 6, how: 'create' });
});

test('an order that lost its keys for others that find nobody is taken from its contact', () => {
  t.step(1, { email: 'a@g.pe' });
  t.step(2, { email: 'a@g.pe' });
  const { id } = t.contactOf(1);
  expect(t.decide(1, { cid: '9' })).toEqual({ rule: 6, how: 'none' });
  expect(t.contact(id).totalOrders).toBe(1);
});

describe('a contact that an agent removed', () => {
  test('is not made again for its orders, whatever changes in them', () => {
    t.step(1, { phone: p });
    const { id } = t.contactOf(1);
    t.store.remove(id);
    for (const order of [{ phone: p }, { phone: q, email: 'x@g.pe' }, { cid: '5' }]) {
      expect(t.decide(1, order)).toEqual({ rule: 7, how: 'gone', contactId: id });
    }
    expect(t.contacts).toEqual([]);
  });

  test('its orders follow the first that is found with another, the oldest first, deleted ones too', () => {
    t.step(1, { phone: p, email: 'a@g.pe', createdAt: 5 });
    t.step(2, { phone: p, createdAt: null });
    t.step(3, { phone: p, email: 'b@g.pe', createdAt: 3 });
    t.step(4, { email: 'a@g.pe', createdAt: 9 });
    t.step(2, null);
    const gone = t.contactOf(1).id;
    t.store.remove(gone);
    const heir = t.app({ name: 'Fusionada', phone: P });
    expect(t.decide(1, { phone: p, email: 'a@g.pe', status: 'Enviado', createdAt: 5 })).toMatchObject({
      rule: 3,
      how: 'found',
      contactId: heir,
      insteadOf: gone,
    });
    // 4 has only the e-mail, which the heir got from 1 by then; the deleted 2 follows by its phone.
    expect([1, 2, 3, 4].map((n) => t.store.facts.get(String(n))!.contactId)).toEqual([heir, heir, heir, heir]);
    expect(t.contact(heir)).toMatchObject({ totalOrders: 3, email: 'a@g.pe' });
  });

  test('those whose keys lead elsewhere stay behind', () => {
    t.step(1, { phone: p, cid: '7' });
    t.step(2, { phone: q, cid: '7' });
    const gone = t.contactOf(1).id;
    t.store.remove(gone);
    const heir = t.app({ phone: P });
    const other = t.app({ phone: Q });
    t.step(1, { phone: p, cid: '7', status: 'Enviado' });
    // Its customer id leads to the heir by now, and outranks the phone.
    expect(t.store.facts.get('2')!.contactId).toBe(heir);
    expect(t.contact(other).totalOrders).toBeNull();

    t.step(3, { email: 'a@g.pe' });
    t.step(4, { email: 'a@g.pe' });
    t.step(4, { phone: '+573001234567', email: 'a@g.pe' });
    const second = t.contactOf(3).id;
    t.store.remove(second);
    const home = t.app({ email: 'a@g.pe', phone: '+573009999999' });
    expect(t.decide(3, { email: 'a@g.pe', status: 'Enviado' })).toMatchObject({ contactId: home, insteadOf: second });
    expect(t.store.facts.get('4')!.contactId).toBe(second);
  });

  test('and so do those that lead to a third', () => {
    t.step(1, { phone: p, email: 'a@g.pe' });
    t.step(2, { phone: p, email: 'a@g.pe' });
    const gone = t.contactOf(1).id;
    t.step(2, { email: 'a@g.pe' });
    t.store.remove(gone);
    const [byPhone, byEmail] = [t.app({ phone: P }), t.app({ email: 'a@g.pe' })];
    expect(t.decide(1, { phone: p, email: 'a@g.pe', status: 'Enviado' })).toMatchObject({
      contactId: byPhone,
      insteadOf: gone,
    });
    expect(t.store.facts.get('2')!.contactId).toBe(gone);
    expect(t.decide(2, { email: 'a@g.pe' })).toMatchObject({ contactId: byEmail, insteadOf: gone });
  });
});

describe('an order that moves to another tenant', () => {
  beforeEach(() => t.tenant(2));

  test.each(['delete first', 'create first'])('ends the same, %s', (first) => {
    t.step(1, { phone: p, email: 'a@g.pe' });
    t.step(2, { phone: p });
    const former = t.contactOf(1).id;
    const gone = t.event(1, null, { lsn: 0x9000n, seq: 0n });
    const come = t.event(1, { phone: p, email: 'a@g.pe', tenant: 2 }, { lsn: 0x9000n, seq: 1n });
    for (const event of first === 'delete first' ? [gone, come] : [come, gone]) t.store.apply([event]);
    expect(t.contact(former).totalOrders).toBe(1);
    expect(t.contactOf(1)).toMatchObject({ accountId: t.store.accounts.get('2')!.id, phone: P, totalOrders: 1 });
    expect(t.store.facts.get('1')).toMatchObject({ tenantId: '2', deleted: false });
  });

  test('leaves a vanished contact behind', () => {
    t.step(1, { phone: p });
    t.store.remove(t.contactOf(1).id);
    expect(t.decide(1, { phone: p, tenant: 2 })).toEqual({ rule: 6, how: 'create' });
  });

  test('waits when the other is unknown, and its contact forgets it', () => {
    t.step(1, { phone: p });
    const { id } = t.contactOf(1);
    expect(t.step(1, { phone: p, tenant: 3 })).toMatchObject({ what: 'parked' });
    expect(t.contact(id).totalOrders).toBe(0);
    expect(t.store.facts.get('1')).toMatchObject({ contactId: null, parked: true, rawPhone: p, phone: null });
    t.tenant(3);
    expect(t.contactOf(1)).toMatchObject({ phone: P, totalOrders: 1 });
  });
});
