import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { applyDemoSchema, dropDemoSchema, type Profile } from '../../../src/dev/demo-schema';
import { createDemoDatabases, type DemoDatabases, runner, withClient } from '../../support/databases';

// CREATE and DROP DATABASE wait for a checkpoint, which a busy machine takes its time for.
jest.setTimeout(60_000);

const profiles: readonly Profile[] = ['seed', 'repo'];

const VENTIA_TABLES = { seed: ['orders', 'shopify_stores', 'tenants', 'users'], repo: ['orders', 'tenants', 'users'] };
const MESSAGING_TABLES = [
  'accounts',
  'agent_bots',
  'automation_rules',
  'campaign_recipients',
  'campaigns',
  'channel_whatsapp',
  'contact_inboxes',
  'contacts',
  'conversations',
  'inboxes',
  'labels',
  'messages',
  'notes',
  'users',
];

/** Everything a roll-back could leave behind. */
async function objects(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    SELECT format('%s.%s', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'ventia', 'messaging')
    UNION SELECT nspname FROM pg_namespace WHERE nspname IN ('ventia', 'messaging')
    UNION SELECT format('type %s', t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname IN ('public', 'ventia', 'messaging')`);
  return rows.map((row) => row.name).sort();
}

async function tables(client: Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' ORDER BY relname`,
    [schema],
  );
  return rows.map((row) => row.relname);
}

describe.each(profiles)('demo schema, profile %s', (profile) => {
  let databases: DemoDatabases;
  beforeAll(async () => {
    databases = await createDemoDatabases(profile);
  });
  afterAll(() => databases.drop());

  const inVentia = <T>(work: (client: Client) => Promise<T>) => withClient(databases.sourceUrl, work);
  const inMessaging = <T>(work: (client: Client) => Promise<T>) => withClient(databases.messagingUrl, work);

  it('has the tables of both systems', async () => {
    expect(await inVentia((client) => tables(client, databases.schemas.ventia))).toEqual(VENTIA_TABLES[profile]);
    expect(await inMessaging((client) => tables(client, databases.schemas.messaging))).toEqual(MESSAGING_TABLES);
  });

  it('goes down without a trace and up again', async () => {
    await inVentia((ventia) =>
      inMessaging(async (messaging) => {
        const before = [await objects(ventia), await objects(messaging)];
        await dropDemoSchema(profile, runner(ventia), runner(messaging));
        expect([await objects(ventia), await objects(messaging)]).toEqual([[], []]);
        await applyDemoSchema(profile, runner(ventia), runner(messaging));
        expect([await objects(ventia), await objects(messaging)]).toEqual(before);
      }),
    );
  });

  it('is applied whole or not at all: a second run changes nothing', async () => {
    await inVentia((ventia) =>
      inMessaging(async (messaging) => {
        const before = [await objects(ventia), await objects(messaging)];
        await expect(applyDemoSchema(profile, runner(ventia), runner(messaging))).rejects.toThrow('already exists');
        expect([await objects(ventia), await objects(messaging)]).toEqual(before);
      }),
    );
  });

  it.each([
    ['accounts', 'ventia_tenant_id'],
    ['conversations', 'account_id, status'],
    ['messages', 'conversation_id, created_at DESC'],
    ['contacts', 'phone_number'],
  ])('has the recommended index on %s (%s)', async (table, columns) => {
    const { rows } = await inMessaging((client) =>
      client.query<{ indexdef: string }>('SELECT indexdef FROM pg_indexes WHERE schemaname = $1 AND tablename = $2', [
        databases.schemas.messaging,
        table,
      ]),
    );
    expect(rows.map((row) => row.indexdef.replace(/^.* USING btree /, ''))).toContain(`(${columns})`);
  });

  it('behaves to SQL as the applications made it', async () => {
    const at = { ...databases.schemas };
    await inMessaging(async (client) => {
      const tenant = profile === 'seed' ? 'gen_random_uuid()' : '1';
      const refusal = (text: string) =>
        client.query(text).then(
          () => 'accepted',
          (error: { code: string }) => error.code,
        );
      const account = `INSERT INTO ${at.messaging}.accounts (ventia_tenant_id, name`;
      expect(await refusal(`${account}) VALUES (${tenant}, 'A')`)).toBe('23502');
      const { rows } = await client.query(
        `${account}, created_at, updated_at) VALUES (${tenant}, 'A', now(), now()) RETURNING id, status, locale`,
      );
      expect(rows[0]).toMatchObject({ status: 0, locale: 'en' });
      const contact = (email: string, phone: string) =>
        refusal(`INSERT INTO ${at.messaging}.contacts (account_id, email, phone_number, created_at, updated_at)
                 VALUES ('${rows[0].id}', ${email}, ${phone}, now(), now())`);
      expect(await contact(`'a@x.pe'`, `'+51987654321'`)).toBe('accepted');
      expect(await contact(`'a@x.pe'`, 'NULL')).toBe('23505');
      expect(await contact('NULL', `'+51987654321'`)).toBe('23505');
      expect(await contact(`'A@X.pe'`, `'+51987654321 '`)).toBe('accepted');
      expect(await contact(`''`, `''`)).toBe('accepted');
      expect(await contact(`''`, `''`)).toBe('accepted');
      expect(await refusal(`DELETE FROM ${at.messaging}.accounts`)).toBe('23503');
    });
  });

  it('a deleted tenant takes its orders along', async () => {
    const { ventia } = databases.schemas;
    await inVentia(async (client) => {
      const { rows } = await client.query(
        `INSERT INTO ${ventia}.tenants (name, slug, created_at, updated_at) VALUES ('T', 't', now(), now()) RETURNING id`,
      );
      const total = profile === 'seed' ? 'total_amount' : 'total_price';
      await client.query(
        `INSERT INTO ${ventia}.orders (tenant_id, customer_email, ${total}, currency, created_at, updated_at)
         VALUES ($1, 'a@x.pe', 10, 'PEN', now(), now())`,
        [rows[0].id],
      );
      await client.query(`DELETE FROM ${ventia}.tenants WHERE id = $1`, [rows[0].id]);
      expect((await client.query(`SELECT FROM ${ventia}.orders`)).rowCount).toBe(0);
    });
  });
});

describe('views across both schemas', () => {
  let databases: DemoDatabases;
  const VIEWS = join(__dirname, '../../../schemas/sql/views/001_tenants_and_conversations');
  const file = (suffix: string) => readFile(`${VIEWS}${suffix}.sql`, 'utf8');

  beforeAll(async () => {
    databases = await createDemoDatabases('seed');
    await withClient(databases.sourceUrl, async (client) => {
      await client.query(await file(''));
      await client.query(await file(''));
      await client.query(CONVERSATION);
    });
  });
  afterAll(() => databases.drop());

  const TENANT = '11111111-1111-1111-1111-111111111111';
  const GONE = '22222222-2222-2222-2222-222222222222';
  const CONVERSATION = `
    INSERT INTO ventia.tenants (id, name, slug) VALUES ('${TENANT}', 'Empresa Demo SAC', 'demo');
    INSERT INTO messaging.accounts (ventia_tenant_id, name, created_at, updated_at)
      VALUES ('${TENANT}', 'Empresa Demo SAC', now(), now()), ('${GONE}', 'Cerrada', now(), now());
    WITH account AS (SELECT id FROM messaging.accounts WHERE ventia_tenant_id = '${TENANT}'),
    contact AS (
      INSERT INTO messaging.contacts (account_id, name, phone_number, created_at, updated_at)
      SELECT id, 'Ana', '+51987654321', now(), now() FROM account RETURNING id),
    inbox AS (
      INSERT INTO messaging.inboxes (name, channel_type, channel_id, account_id, created_at, updated_at)
      SELECT 'WhatsApp', 'Channel::Whatsapp', 1, id, now(), now() FROM account RETURNING id),
    contact_inbox AS (
      INSERT INTO messaging.contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
      SELECT contact.id, inbox.id, '51987654321', now(), now() FROM contact, inbox RETURNING id)
    INSERT INTO messaging.conversations
      (account_id, inbox_id, contact_id, contact_inbox_id, last_activity_at, created_at, updated_at)
    SELECT account.id, inbox.id, contact.id, contact_inbox.id, '2026-01-02 03:04:05.678901', now(), now()
    FROM account, inbox, contact, contact_inbox;`;

  it('the conversations of a tenant, with contact and tenant names', async () => {
    const { rows } = await withClient(databases.sourceUrl, (client) =>
      client.query(
        `SELECT tenant_name, conversation_status, contact_name, contact_phone, last_activity_at::text
         FROM cdc.tenant_conversations WHERE tenant_id = $1`,
        [TENANT],
      ),
    );
    expect(rows).toEqual([
      {
        tenant_name: 'Empresa Demo SAC',
        conversation_status: 0,
        contact_name: 'Ana',
        contact_phone: '+51987654321',
        last_activity_at: '2026-01-02 03:04:05.678901',
      },
    ]);
  });

  it('the condition reaches the index of accounts', async () => {
    const plan = await withClient(databases.sourceUrl, async (client) => {
      await client.query('SET enable_seqscan = off');
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN SELECT * FROM cdc.tenant_conversations WHERE tenant_id = '${TENANT}'`,
      );
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    });
    expect(plan).toContain('index_accounts_on_ventia_tenant_id');
    expect(plan).not.toContain('Function Scan');
  });

  it('accounts whose tenant does not exist', async () => {
    const { rows } = await withClient(databases.sourceUrl, (client) =>
      client.query('SELECT account_name, tenant_id FROM cdc.accounts_without_tenant'),
    );
    expect(rows).toEqual([{ account_name: 'Cerrada', tenant_id: GONE }]);
  });

  it('do not stand in the way of a migration, and go down', async () => {
    await withClient(databases.sourceUrl, async (client) => {
      await client.query('ALTER TABLE ventia.tenants ALTER COLUMN name TYPE text');
      await client.query('ALTER TABLE messaging.contacts DROP COLUMN phone_number');
      await client.query(await file('.down'));
      const { rows } = await client.query(`SELECT FROM pg_class WHERE relnamespace = 'cdc'::regnamespace`);
      expect(rows).toHaveLength(0);
    });
  });
});
