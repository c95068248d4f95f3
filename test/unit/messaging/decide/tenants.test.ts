import { PureShop } from '../../../support/pure-shop';

let t: PureShop;
beforeEach(() => {
  t = new PureShop();
});
const account = (tenant = 1) => t.store.accounts.get(String(tenant))!;

test('name and status follow the source by change only', () => {
  t.store.accounts.set('1', { ...account(), name: 'Del agente', status: 1 });
  expect(t.tenant(1, { timezone: 'America/Bogota' })).toEqual({ what: 'followed' });
  expect(account()).toMatchObject({ name: 'Del agente', status: 1 });
  t.tenant(1, { name: ' Otra ', is_active: false });
  t.tenant(1, { name: 'Otra', is_active: true });
  expect(account()).toMatchObject({ name: 'Otra', status: 0 });
});

test('an account that is there already is adopted: its name stays, an inactive tenant suspends it', () => {
  t.store.accounts.set('2', { id: '90', tenantId: '2', name: 'Por la API', status: 0, createdAt: null });
  expect(t.tenant(2, { name: 'Fuente' })).toEqual({ what: 'adopted' });
  expect(account(2)).toMatchObject({ name: 'Por la API', status: 0 });
  expect(t.store.tenants.get('2')!.name).toBe('Fuente');
  t.store.accounts.set('3', { id: '91', tenantId: '3', name: 'Por la API', status: 0, createdAt: null });
  t.tenant(3, { is_active: false });
  expect(account(3).status).toBe(1);
});

test('after a DELETE the status comes from is_active again, whatever it was', () => {
  t.tenant(1, { is_active: false });
  t.tenant(1, null);
  t.store.accounts.set('1', { ...account(), status: 0 });
  t.tenant(1, { is_active: false });
  expect(account().status).toBe(1);
  t.tenant(1, null);
  t.tenant(1, { is_active: true });
  expect(account().status).toBe(0);
});

test('a DELETE keeps what is known and suspends, also what an agent had released', () => {
  t.tenant(1, { is_active: false });
  t.store.accounts.set('1', { ...account(), status: 0 });
  expect(t.tenant(1, null)).toEqual({ what: 'deleted' });
  expect(account().status).toBe(1);
  expect(t.store.tenants.get('1')).toMatchObject({ name: 'Tienda', isActive: false, deleted: true });
  expect(t.step(1, { email: 'a@g.pe' })).toMatchObject({ what: 'linked' });
});

test('one that was only seen deleted places no order', () => {
  t.store.accounts.set('2', { id: '90', tenantId: '2', name: 'Por la API', status: 0, createdAt: null });
  t.tenant(2, null);
  expect(t.step(1, { tenant: 2, email: 'a@g.pe' })).toMatchObject({ what: 'parked' });
});

test('a name that is too large to be sent keeps what is stored', () => {
  t.store.apply([
    {
      ...t.event(1, null),
      table: 'tenants',
      op: 'u',
      id: '1',
      after: { name: null, slug: 'x', is_active: true },
      unchanged: ['name', 'timezone'],
    },
  ]);
  expect(account().name).toBe('Tienda');
  expect(t.store.tenants.get('1')).toMatchObject({ name: 'Tienda', timezone: 'America/Lima' });
});
