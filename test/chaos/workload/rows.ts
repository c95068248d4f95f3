import type { Session } from './session';

type Values = Record<string, unknown>;

const WORDS = [
  'Ana Pérez',
  'Ñusta Quispe',
  '',
  'O’Higgins \\ "Hnos"',
  '张伟',
  '👩‍👧 Rosa',
  "d'Angelo\tlínea\nnueva",
  '#1001',
];
const STATUSES = ['Pendiente', 'Pagado', 'Enviado', 'Cancelado', null];

/** Columns of orders that updates change, the last two outside of the contract; each with a value for it. */
const CHANGES: Readonly<Record<string, (s: Session) => unknown>> = {
  customer_name: ({ random }) => random.pick(WORDS),
  customer_email: (s) => (s.random.chance(0.2) ? null : `${s.hex(6)}@correo.pe`),
  customer_phone: ({ random }) => random.pick([null, `+51 9${random.digits(8)}`, `9${random.digits(8)}`]),
  customer_id: ({ random }) => random.pick([null, random.digits(19)]),
  customer_order_count: ({ random }) => random.pick([null, 0, -1, 2_147_483_647, random.integer(1, 50)]),
  status: ({ random }) => random.pick(STATUSES),
  total_amount: ({ random }) => random.pick(['0', '0.01', '-9999999999.99', '9999999999.99', `${random.digits(4)}.5`]),
  currency: ({ random }) => random.pick(['PEN', 'USD']),
  channel: ({ random }) => random.pick(['shopify', 'woocommerce', null]),
  updated_at: ({ random }) =>
    random.pick([
      null,
      '1931-07-28 00:00:00.000001+00',
      '9999-12-31 23:59:59.999999+00',
      `2026-02-0${random.integer(1, 9)} 12:00:00.${random.digits(6)}-05`,
    ]),
  notes: (s) => s.hex(s.random.pick([10, 100, 9_000])),
  shipping_address: (s) => s.hex(20),
};

/** Each column of a new order. */
export function newOrder(s: Session, id: string, tenant: string): Values {
  const row: Values = { id, tenant_id: tenant };
  for (const [column, value] of Object.entries(CHANGES)) if (s.random.chance(0.7)) row[column] = value(s);
  if (s.random.chance(0.3)) row.shopify_draft_order_id = `gid://shopify/DraftOrder/${s.world.number()}`;
  if (s.random.chance(0.3)) row.woocommerce_order_id = s.world.number();
  // The rest is the column's own default.
  return { ...row, total_amount: row.total_amount ?? '1', currency: row.currency ?? 'PEN' };
}

/** One to four columns of an order with other values. */
export function changedOrder(s: Session): Values {
  const columns = Object.entries(CHANGES);
  const changed: Values = {};
  for (let left = s.random.integer(1, 4); left > 0; left--) {
    const [column, value] = s.random.pick(columns);
    changed[column] = value(s);
  }
  return changed;
}

/** A large value, most often stored out of line. */
export const largeText = (s: Session): string => s.hex(s.random.pick([1_500, 3_000, 12_000, 60_000]));

export function insert(s: Session, table: string, row: Values): Promise<void> {
  const columns = Object.keys(row);
  const parameters = columns.map((_, i) => `$${i + 1}`);
  return s.run(`INSERT INTO ventia.${table} (${columns}) VALUES (${parameters})`, Object.values(row));
}

export function update(s: Session, table: string, id: string, row: Values): Promise<void> {
  const changes = Object.keys(row).map((column, i) => `${column} = $${i + 2}`);
  return s.run(`UPDATE ventia.${table} SET ${changes} WHERE id = $1`, [id, ...Object.values(row)]);
}

export function remove(s: Session, table: string, id: string): Promise<void> {
  return s.run(`DELETE FROM ventia.${table} WHERE id = $1`, [id]);
}
