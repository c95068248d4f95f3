import { NotLoaded } from '../../../../src/messaging/decide/shelf';
import { canonicalId, compareIds } from '../../../../src/messaging/decide/values';
import { World } from '../../../../src/messaging/decide/world';
import { PureShop } from '../../../support/pure-shop';

describe('a world reads only what was loaded', () => {
  test.each<[string, (world: World) => unknown]>([
    ['tenant', (world) => world.tenant('1')],
    ['account', (world) => world.account('1')],
    ['order', (world) => world.fact('1')],
    ['contact', (world) => world.contact('1')],
    ['orders of a contact', (world) => world.factsOf('1')],
    ['holder', (world) => world.holder('1', 'email', 'a@g.pe')],
    ['alias', (world) => world.aliased('1', 'phone', '+51987654321')],
    ['alias to replace', (world) => world.setAlias({ accountId: '1', kind: 'email', value: 'a@g.pe', contactId: '2' })],
  ])('%s', (_, read) => {
    expect(() => read(new World())).toThrow(NotLoaded);
  });

  test('the message tells no value', () => {
    expect(() => new World().holder('1', 'email', 'ana@g.pe')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('ana') }),
    );
  });

  test('an account that is not inserted yet has nobody', () => {
    const world = new World();
    const id = world.newId();
    expect(world.holder(id, 'email', 'a@g.pe')).toBeNull();
    expect(world.aliased(id, 'customer_id', '7')).toBeNull();
  });
});

test('a row loaded twice does not undo what was decided since', () => {
  const shop = new PureShop();
  shop.step(1, { email: 'a@g.pe' });
  const contact = shop.contactOf(1);
  const world = new World();
  world.loadContact(contact.id, contact);
  world.setContact({ ...contact, email: 'b@g.pe', emailKey: 'b@g.pe' });
  world.loadContact(contact.id, contact);
  world.directory(contact.accountId).held.email.know('a@g.pe');
  expect(world.contact(contact.id)!.email).toBe('b@g.pe');
  expect(world.holder(contact.accountId, 'email', 'a@g.pe')).toBeNull();
});

test('ids compare as their type does', () => {
  expect(['10', '9', '-1', '9007199254740993', '9007199254740992'].sort(compareIds)).toEqual([
    '-1',
    '9',
    '10',
    '9007199254740992',
    '9007199254740993',
  ]);
  const uuids = ['b0000000-0000-4000-8000-000000000000', '9fffffff-0000-4000-8000-000000000000'];
  expect([...uuids].sort(compareIds)).toEqual([...uuids].reverse());
});

test.each([
  ['{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['a0eebc999c0b4ef8bb6d6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['42', '42'],
  ['gid://x', 'gid://x'],
])('the canonical form of %s is %s', (text, id) => {
  expect(canonicalId(text)).toBe(id);
});
