import type { Database, Sql } from '../../core/ports/sql';
import { DEMO_SCHEMAS, type Profile } from '../demo-schema';
import type { ShopAction } from './story';
import { TENANTS } from './tenants';

type Values = Readonly<Record<string, unknown>>;

/** Orders whose ids are remembered; older ones are left alone by the story too. */
const REMEMBERED = 2_000;

/** Writes the shop's actions as the applications would: Ventia its tables, the agents of Messaging theirs. */
export class ShopDatabase {
  private readonly tenantIds = new Map<number, string>();
  private readonly orderIds = new Map<number, string>();

  private constructor(
    private readonly messaging: Database,
    private readonly tables: { readonly tenants: Table; readonly orders: Table },
    private readonly messagingSchema: string,
    private readonly source: Database,
  ) {}

  static async open(source: Database, messaging: Database, profile: Profile): Promise<ShopDatabase> {
    const schemas = DEMO_SCHEMAS[profile];
    const tables = {
      tenants: await describeTable(source, schemas.ventia, 'tenants'),
      orders: await describeTable(source, schemas.ventia, 'orders'),
    };
    return new ShopDatabase(messaging, tables, schemas.messaging, source);
  }

  async countOrders(): Promise<number> {
    const rows = await this.source.query<{ count: string }>(`SELECT count(*) FROM ${this.tables.orders.name}`);
    return Number(rows[0]!.count);
  }

  /** `sql` is the source, or a transaction on it. An action on a row that never came about does nothing. */
  async perform(sql: Sql, action: ShopAction): Promise<void> {
    switch (action.kind) {
      case 'open tenant':
        return this.openTenant(sql, action.tenant, action.values);
      case 'change tenant':
        return this.update(sql, this.tables.tenants, this.tenantIds.get(action.tenant), action.values);
      case 'insert order':
        return this.insertOrder(sql, action.order, action.tenant, action.values);
      case 'update order':
        return this.update(sql, this.tables.orders, this.orderIds.get(action.order), action.values);
      case 'delete order': {
        const id = this.orderIds.get(action.order);
        if (id !== undefined) await sql.execute(`DELETE FROM ${this.tables.orders.name} WHERE id = $1`, [id]);
        return;
      }
      case 'edit contact':
        return this.editContact(action);
    }
  }

  /** The shop of an earlier run is opened again, not twice. */
  private async openTenant(sql: Sql, tenant: number, values: Values): Promise<void> {
    const { tenants } = this.tables;
    const { slug } = TENANTS[tenant]!;
    const find = `SELECT id::text FROM ${tenants.name} WHERE slug = $1`;
    let rows = await sql.query<{ id: string }>(find, [slug]);
    if (rows.length === 0) rows = await sql.query<{ id: string }>(...tenants.insert(values));
    this.tenantIds.set(tenant, rows[0]!.id);
  }

  private async insertOrder(sql: Sql, order: number, tenant: number, values: Values): Promise<void> {
    const tenantId = this.tenantIds.get(tenant);
    if (tenantId === undefined) return;
    const rows = await sql.query<{ id: string }>(...this.tables.orders.insert({ ...values, tenant_id: tenantId }));
    this.orderIds.set(order, rows[0]!.id);
    this.orderIds.delete(order - REMEMBERED);
  }

  private async update(sql: Sql, table: Table, id: string | undefined, values: Values): Promise<void> {
    const statement = id === undefined ? undefined : table.update(id, values);
    if (statement !== undefined) await sql.execute(...statement);
  }

  private async editContact({ tenant, phone, email, values }: ShopAction & { kind: 'edit contact' }): Promise<void> {
    const schema = this.messagingSchema;
    await this.messaging.execute(
      `UPDATE ${schema}.contacts SET name = coalesce($4, name), email = coalesce($5, email), updated_at = now()
       WHERE id = (SELECT c.id FROM ${schema}.contacts c JOIN ${schema}.accounts a ON a.id = c.account_id
                   WHERE a.ventia_tenant_id::text = $1 AND (c.phone_number = $2 OR lower(c.email) = $3)
                   ORDER BY c.phone_number = $2 DESC NULLS LAST LIMIT 1)`,
      [this.tenantIds.get(tenant), phone, email, values.name ?? null, values.email ?? null],
      'shop_edit_contact',
    );
  }
}

type Statement = [text: string, values: unknown[]];

/** Statements for those columns that this database has. */
class Table {
  constructor(
    readonly name: string,
    private readonly columns: ReadonlySet<string>,
  ) {}

  insert(values: Values): Statement {
    const known = Object.entries(values).filter(([column]) => this.columns.has(column));
    const columns = [...known.map(([column]) => column), 'created_at', 'updated_at'];
    const parameters = [...known.map((_, i) => `$${i + 1}`), 'now()', 'now()'];
    return [
      `INSERT INTO ${this.name} (${columns.join(', ')}) VALUES (${parameters.join(', ')}) RETURNING id::text`,
      known.map(([, value]) => value),
    ];
  }

  /** Undefined when it has none of them. */
  update(id: string, values: Values): Statement | undefined {
    const known = Object.entries(values).filter(([column]) => this.columns.has(column));
    if (known.length === 0) return undefined;
    const changes = known.map(([column], i) => `${column} = $${i + 2}`);
    return [
      `UPDATE ${this.name} SET ${changes.join(', ')}, updated_at = now() WHERE id = $1`,
      [id, ...known.map(([, value]) => value)],
    ];
  }
}

async function describeTable(sql: Sql, schema: string, table: string): Promise<Table> {
  const rows = await sql.query<{ column_name: string }>(
    'SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2',
    [schema, table],
  );
  return new Table(`${schema}.${table}`, new Set(rows.map((row) => row.column_name)));
}
