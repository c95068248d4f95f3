import { changedOrder, insert, largeText, newOrder, remove, update } from './rows';
import type { Session } from './session';

/** One or a few statements, in whatever transaction is open, or each by itself. */
export type Step = (s: Session) => Promise<void>;

const BIG = 5_000;

async function addOrder(s: Session, tenant = s.tenant()): Promise<string> {
  const id = s.uuid();
  await insert(s, 'orders', newOrder(s, id, tenant));
  s.world.know('orders', id, s.random);
  return id;
}

async function addTenant(s: Session, id = s.uuid()): Promise<string> {
  const number = s.world.number();
  const name = s.random.chance(0.3) ? largeText(s) : `Tienda ${number}`;
  await insert(s, 'tenants', { id, name, slug: `tienda-${number}`, is_platform: s.random.chance(0.1) });
  s.world.know('tenants', id, s.random);
  return id;
}

/** Orders of one tenant, as many as `limit`; they need not exist. */
const SOME = 'SELECT id FROM ventia.orders WHERE tenant_id = $1 LIMIT $2';

/** A new id for the row; what knows the old one finds nothing. */
async function moveKey(s: Session, table: 'tenants' | 'orders', id: string, more = {}): Promise<void> {
  const other = s.uuid();
  await update(s, table, id, { id: other, ...more });
  s.world.know(table, other, s.random);
  if (s.random.chance(0.8)) s.world.forget(table, id);
}

export const STEPS = {
  insert: async (s) => void (await addOrder(s)),
  update: (s) => update(s, 'orders', s.order(), changedOrder(s)),
  sameAgain: (s) => s.run('UPDATE ventia.orders SET status = status WHERE id = $1', [s.order()]),
  outsideContract: (s) => update(s, 'orders', s.order(), { notes: s.hex(50) }),
  remove: async (s) => {
    const id = s.order();
    await remove(s, 'orders', id);
    if (s.random.chance(0.7)) s.world.forget('orders', id);
  },
  reborn: async (s) => {
    const id = s.order();
    await remove(s, 'orders', id);
    await insert(s, 'orders', newOrder(s, id, s.tenant()));
  },
  passing: async (s) => {
    const id = await addOrder(s);
    await update(s, 'orders', id, changedOrder(s));
    await remove(s, 'orders', id);
  },
  upsert: (s) =>
    s.run(
      `INSERT INTO ventia.orders (id, tenant_id, status) VALUES ($1, $2, 'Nuevo')
       ON CONFLICT (id) DO UPDATE SET tenant_id = excluded.tenant_id, status = 'Repetido'`,
      [s.order(), s.tenant()],
    ),
  moveKey: (s) => moveKey(s, 'orders', s.order()),
  moveTenant: (s) => update(s, 'orders', s.order(), { tenant_id: s.tenant() }),
  moveBoth: (s) => moveKey(s, 'orders', s.order(), { tenant_id: s.tenant(), ...changedOrder(s) }),
  large: async (s) => {
    const id = s.random.chance(0.5) ? await addOrder(s) : s.order();
    await update(s, 'orders', id, { customer_name: largeText(s) });
  },
  many: async (s) => {
    const ids = await s.ids(
      `INSERT INTO ventia.orders (tenant_id, customer_name, total_amount)
       SELECT $1, 'Persona ' || i, i FROM generate_series(1, $2) AS i RETURNING id`,
      [s.tenant(), s.random.integer(2, 150)],
    );
    for (const id of ids.slice(0, 20)) s.world.know('orders', id, s.random);
  },
  changeMany: (s) =>
    s.run(`UPDATE ventia.orders SET status = $3 WHERE id IN (${SOME})`, [
      s.tenant(),
      s.random.integer(2, 150),
      s.hex(5),
    ]),
  moveMany: (s) =>
    s.run(`UPDATE ventia.orders SET tenant_id = $3 WHERE id IN (${SOME})`, [
      s.tenant(),
      s.random.integer(2, 40),
      s.tenant(),
    ]),
  removeMany: (s) => s.run(`DELETE FROM ventia.orders WHERE id IN (${SOME})`, [s.tenant(), s.random.integer(2, 150)]),
  addTenant: async (s) => {
    const id = await addTenant(s);
    for (let left = s.random.integer(0, 3); left > 0; left--) await addOrder(s, id);
  },
  renameTenant: (s) =>
    update(s, 'tenants', s.tenant(), { name: s.random.chance(0.3) ? largeText(s) : `Otra ${s.hex(4)}` }),
  // A large name stays out of the WAL, and out of the record.
  switchTenant: (s) => update(s, 'tenants', s.tenant(), { is_active: s.random.chance(0.5), timezone: s.hex(8) }),
  // Without orders, which would hold it; with a name, which could not be had if it were large.
  moveTenantKey: async (s) => moveKey(s, 'tenants', await addTenant(s), { name: 'Mudada' }),
  // Its orders go with it.
  removeTenant: async (s) => {
    if (s.world.tenants.length < 6) return;
    const id = s.tenant();
    s.world.forget('tenants', id);
    await remove(s, 'tenants', id);
  },
} satisfies Record<string, Step>;

/** Thousands of rows. */
export const BIG_STEPS = {
  copyMany: async (s) => {
    const tenant = s.tenant();
    const lines = Array.from({ length: BIG }, (_, i) => `${s.uuid()}\t${tenant}\tCopia ${i}\t${i}.25\n`);
    await s.copy('COPY ventia.orders (id, tenant_id, customer_name, total_amount) FROM STDIN', lines);
  },
  insertMany: (s) =>
    s.run(
      `INSERT INTO ventia.orders (tenant_id, customer_name, status)
       SELECT $1, repeat(md5(i::text), 20), 'Pagado' FROM generate_series(1, $2) AS i`,
      [s.tenant(), BIG],
    ),
  changeAll: (s) => s.run(`UPDATE ventia.orders SET channel = $3 WHERE id IN (${SOME})`, [s.tenant(), BIG, s.hex(4)]),
  removeAll: (s) => s.run(`DELETE FROM ventia.orders WHERE id IN (${SOME})`, [s.tenant(), BIG]),
  removeFull: STEPS.removeTenant,
  truncate: (s) => s.run('TRUNCATE ventia.orders'),
  truncateBoth: async (s) => {
    await s.run('TRUNCATE ventia.tenants, ventia.orders CASCADE');
    s.world.tenants.length = 0;
    for (let left = 6; left > 0; left--) await addTenant(s);
  },
} satisfies Record<string, Step>;

export const STEP_WEIGHTS: Record<keyof typeof STEPS, number> = {
  insert: 30,
  update: 30,
  sameAgain: 2,
  outsideContract: 5,
  remove: 8,
  reborn: 3,
  passing: 3,
  upsert: 4,
  moveKey: 4,
  moveTenant: 5,
  moveBoth: 3,
  large: 6,
  many: 3,
  changeMany: 3,
  moveMany: 1,
  removeMany: 2,
  addTenant: 3,
  renameTenant: 2,
  switchTenant: 4,
  moveTenantKey: 1,
  removeTenant: 0.5,
};

export const BIG_WEIGHTS: Record<keyof typeof BIG_STEPS, number> = {
  copyMany: 4,
  insertMany: 4,
  changeAll: 4,
  removeAll: 3,
  removeFull: 2,
  truncate: 1,
  truncateBoth: 0.5,
};
