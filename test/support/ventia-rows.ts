import type { Client } from 'pg';

export type Values = Readonly<Record<string, unknown>>;

/** What no topic may ever hold, in a column of its own each: the contract names none of them. */
export const SECRETS = {
  settings: 'shpss_cafe0123456789',
  customer_document_number: '45678912',
  line_items: 'Crema-humectante-200ml',
  shipping_address: 'Jiron Quilca 254',
  notes: 'Timbre-malogrado',
} as const;

const TENANT: Values = { settings: JSON.stringify({ shopify: { token: SECRETS.settings } }) };
const ORDER: Values = {
  customer_document_type: '1',
  customer_document_number: SECRETS.customer_document_number,
  line_items: JSON.stringify([{ title: SECRETS.line_items }]),
  shipping_address: SECRETS.shipping_address,
  notes: SECRETS.notes,
  status: 'Pagado',
  total_price: 99.9,
  total_amount: 99.9,
  currency: 'PEN',
};

/**
 * Writes rows as Ventia does, whatever the profile: columns that a database does not have are left out. Every row has the
 * secrets above.
 */
export class VentiaRows {
  private constructor(
    private readonly client: Client,
    private readonly schema: string,
    private readonly columns: ReadonlyMap<string, ReadonlySet<string>>,
  ) {}

  static async open(client: Client, schema: string): Promise<VentiaRows> {
    const columns = new Map<string, Set<string>>([
      ['tenants', new Set()],
      ['orders', new Set()],
    ]);
    const { rows } = await client.query<{ table: string; column: string }>(
      'SELECT table_name AS table, column_name AS column FROM information_schema.columns WHERE table_schema = $1',
      [schema],
    );
    for (const { table, column } of rows) columns.get(table)?.add(column);
    return new VentiaRows(client, schema, columns);
  }

  /** Gives the new id, as text. */
  tenant(slug: string, values: Values = {}): Promise<string> {
    return this.insert('tenants', { ...TENANT, slug, name: slug, ...values });
  }

  /** Gives the new id, as text. */
  order(tenant: string, values: Values): Promise<string> {
    return this.insert('orders', { ...ORDER, tenant_id: tenant, ...values });
  }

  /** A change of columns that this profile does not have only touches the row. */
  async update(table: 'tenants' | 'orders', id: string, values: Values): Promise<void> {
    const known = this.known(table, values);
    const changes = known.map(([column], i) => `${column} = $${i + 2}, `).join('');
    const text = `UPDATE ${this.schema}.${table} SET ${changes}updated_at = now() WHERE id = $1`;
    await this.client.query(text, [id, ...known.map(([, value]) => value)]);
  }

  async delete(table: 'tenants' | 'orders', id: string): Promise<void> {
    await this.client.query(`DELETE FROM ${this.schema}.${table} WHERE id = $1`, [id]);
  }

  async transaction(work: () => Promise<void>): Promise<void> {
    await this.client.query('BEGIN');
    try {
      await work();
      await this.client.query('COMMIT');
    } catch (error) {
      await this.client.query('ROLLBACK');
      throw error;
    }
  }

  private async insert(table: string, values: Values): Promise<string> {
    const known = this.known(table, values);
    const columns = [...known.map(([column]) => column), 'created_at', 'updated_at'];
    const parameters = [...known.map((_, i) => `$${i + 1}`), 'clock_timestamp()', 'clock_timestamp()'];
    const text = `INSERT INTO ${this.schema}.${table} (${columns.join(', ')}) VALUES (${parameters.join(', ')}) RETURNING id::text`;
    const { rows } = await this.client.query<{ id: string }>(
      text,
      known.map(([, value]) => value),
    );
    return rows[0]!.id;
  }

  private known(table: string, values: Values): [string, unknown][] {
    return Object.entries(values).filter(([column]) => this.columns.get(table)!.has(column));
  }
}
