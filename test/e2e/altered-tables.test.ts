import { AlteredShop } from '../support/altered-shop';
import { readChanges } from '../support/topics';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

const COLUMNS = [
  'id',
  'tenant_id',
  'name',
  'customer_name',
  'customer_email',
  'status',
  'customer_order_count',
  'woocommerce_order_id',
];

let shop: AlteredShop;
beforeAll(async () => {
  shop = await AlteredShop.open();
  await shop.sql('CREATE UNIQUE INDEX orders_identity ON ventia.orders (id, tenant_id)');
  await shop.sql(`CREATE TYPE ventia.order_status AS ENUM ('Pagado')`);
});
afterAll(() => shop?.pipeline.drop());

const orders = (change: string) => `ALTER TABLE ventia.orders ${change}`;

interface Alteration {
  readonly what: string;
  readonly forth: string;
  readonly back: string;
  /**
   * Why the table is loaded again; none: it is not. `any`: a column of the contract that was altered before, and a rewrite for
   * another reason, cannot be told from a rewrite of that column.
   */
  readonly why?: string;
}

const ALTERATIONS: readonly Alteration[] = [
  { what: 'another column added', forth: orders(`ADD beside text DEFAULT 'x'`), back: orders('DROP beside') },
  { what: 'another column renamed', forth: orders('RENAME notes TO nota'), back: orders('RENAME nota TO notes') },
  { what: 'a default', forth: orders(`ALTER status SET DEFAULT 'Nuevo'`), back: orders('ALTER status DROP DEFAULT') },
  {
    what: 'NOT NULL',
    forth: orders('ALTER customer_email SET NOT NULL'),
    back: orders('ALTER customer_email DROP NOT NULL'),
  },
  {
    what: 'a type that is the same in the contract',
    forth: orders('ALTER status TYPE text'),
    back: orders('ALTER status TYPE varchar'),
  },
  {
    what: 'another primary key',
    forth: orders(
      'DROP CONSTRAINT orders_pkey, ADD CONSTRAINT by_tenant PRIMARY KEY (tenant_id, id), ADD CONSTRAINT by_id UNIQUE (id)',
    ),
    back: orders('DROP CONSTRAINT by_tenant, DROP CONSTRAINT by_id, ADD CONSTRAINT orders_pkey PRIMARY KEY (id)'),
  },
  {
    what: 'another identity that suffices',
    forth: orders('REPLICA IDENTITY USING INDEX orders_identity'),
    back: orders('REPLICA IDENTITY FULL'),
  },
  {
    what: 'a column of the contract under another name for a moment',
    forth: `${orders('RENAME customer_email TO correo')}; ${orders('RENAME correo TO customer_email')}`,
    back: 'SELECT',
  },
  {
    what: 'another column retyped, the table rewritten',
    forth: orders(`ALTER notes TYPE bytea USING convert_to(notes, 'UTF8')`),
    back: orders(`ALTER notes TYPE text USING convert_from(notes, 'UTF8')`),
    why: 'any',
  },
  {
    what: 'a wider type',
    forth: orders('ALTER customer_order_count TYPE bigint'),
    back: orders('ALTER customer_order_count TYPE integer'),
    why: 'column customer_order_count was altered and the table rewritten',
  },
  {
    what: 'values rewritten by the ALTER itself',
    forth: orders('ALTER customer_name TYPE text USING upper(customer_name)'),
    back: orders('ALTER customer_name TYPE varchar USING lower(customer_name)'),
    why: 'column customer_name was altered and the table rewritten',
  },
  {
    what: 'an enum',
    forth: orders('ALTER status DROP DEFAULT, ALTER status TYPE ventia.order_status USING status::ventia.order_status'),
    back: orders('ALTER status TYPE varchar'),
    why: 'column status was altered and the table rewritten',
  },
];

describe('goes on: between transactions, inside one, and while capture is down', () => {
  it.each(ALTERATIONS)('$what', async ({ forth, back, why }) => {
    await shop.write();
    await shop.sql(forth);
    await shop.within(back);
    await shop.write();
    await shop.converges(COLUMNS);
    await shop.down();
    await shop.write();
    await shop.sql(forth);
    await shop.write();
    await shop.up();
    await shop.converges(COLUMNS);
    if (why !== 'any') expect(shop.reasons).toEqual(why === undefined ? [] : [`ventia.orders: ${why}`]);
    await shop.within(back);
    await shop.converges(COLUMNS);
  });

  it('an enum value that is new', async () => {
    await shop.sql(orders('ALTER status TYPE ventia.order_status USING status::ventia.order_status'));
    await shop.sql(`ALTER TYPE ventia.order_status ADD VALUE 'Perdido'`);
    await shop.sql(`UPDATE ventia.orders SET status = 'Perdido'`);
    await shop.sql(orders('ALTER status TYPE varchar'));
    await shop.write();
    await shop.converges(COLUMNS);
  });

  it('a column of the contract that comes later: rows that were there have its value, too', async () => {
    await shop.sql(orders('ADD total_price numeric(12, 2) DEFAULT 12.5'));
    await shop.write();
    await shop.converges(COLUMNS);
    await eventually(async () => {
      const last = new Map(
        (await readChanges(shop.pipeline.topics.orders)).map((change) => [change.key, change.after]),
      );
      const rows = [...last.values()].filter((row) => row !== null);
      expect(rows.filter(({ total_price }) => total_price === null)).toEqual([]);
      expect(rows.map(({ total_price }) => String(total_price))).toContain(String(Buffer.from([0x04, 0xe2])));
      return true;
    });
  });
});

describe('TRUNCATE', () => {
  const truncates = async (table: 'tenants' | 'orders') =>
    (await readChanges(shop.pipeline.topics[table])).filter(({ op }) => op === 't').length;

  it('of one table, with changes before and after it in the transaction: one record a partition', async () => {
    await shop.within('TRUNCATE ventia.orders');
    await shop.converges(COLUMNS);
    expect([await truncates('tenants'), await truncates('orders')]).toEqual([0, 6]);
  });

  it('of both, and of one that takes the other with it, while capture is down', async () => {
    const tenants = `INSERT INTO ventia.tenants (id, name, slug) VALUES ${shop.tenants
      .map((id, i) => `('${id}', 'otra', 'otra-${i}')`)
      .join(', ')}`;
    await shop.sql(`TRUNCATE ventia.tenants, ventia.orders, ventia.users, ventia.shopify_stores; ${tenants}`);
    await shop.write();
    await shop.down();
    await shop.write();
    await shop.sql(`TRUNCATE ventia.tenants CASCADE; ${tenants}`);
    await shop.write();
    await shop.up();
    await shop.converges(COLUMNS);
    expect([await truncates('tenants'), await truncates('orders')]).toEqual([12, 18]);
  });
});
