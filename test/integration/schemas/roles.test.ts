import type { Client } from 'pg';
import type { Profile } from '../../../src/dev/demo-schema';
import {
  createDemoDatabases,
  createTestRole,
  type DemoDatabases,
  type TestRole,
  withClient,
} from '../../support/databases';

jest.setTimeout(60_000);
const profiles: readonly Profile[] = ['seed', 'repo'];
const DENIED = '42501';

/** `ok`, or the SQLSTATE of the refusal. */
const attempt = (client: Client, text: string) =>
  client.query(text).then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );

describe.each(profiles)('roles, profile %s', (profile) => {
  let databases: DemoDatabases;
  let capture: TestRole;
  let sink: TestRole;

  beforeAll(async () => {
    databases = await createDemoDatabases(profile);
    capture = await createTestRole(databases, 'ventia_capture');
    sink = await createTestRole(databases, 'ventia_sink');
  });
  afterAll(async () => {
    await capture.drop();
    await sink.drop();
    await databases.drop();
  });

  it('capture replicates and reads the columns of the contract, no secret and no document', async () => {
    const at = databases.schemas.ventia;
    await withClient(capture.url, async (client) => {
      const { rows } = await client.query('SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = current_user');
      expect(rows).toEqual([{ rolreplication: true, rolsuper: false }]);
      expect(await attempt(client, `SELECT id, name, timezone, updated_at FROM ${at}.tenants ORDER BY id`)).toBe('ok');
      expect(await attempt(client, `SELECT id, tenant_id, customer_email, status FROM ${at}.orders`)).toBe('ok');
      expect(await attempt(client, `SELECT pg_logical_emit_message(false, 'ventia_cdc', '')`)).toBe('ok');
      for (const secret of [
        'settings FROM %.tenants',
        'customer_document_number FROM %.orders',
        'email FROM %.users',
      ]) {
        expect(await attempt(client, `SELECT ${secret.replace('%', at)}`)).toBe(DENIED);
      }
      expect(await attempt(client, `UPDATE ${at}.orders SET status = 'Pagado'`)).toBe(DENIED);
      expect(await attempt(client, `CREATE TABLE ${at}.mine ()`)).toBe(DENIED);
    });
  });

  it('the sink reads and writes its three tables and keeps its ledger', async () => {
    const at = databases.schemas.messaging;
    const tenant = profile === 'seed' ? 'gen_random_uuid()' : '1';
    await withClient(sink.url, async (client) => {
      const statements = [
        `INSERT INTO ${at}.accounts (ventia_tenant_id, name, created_at, updated_at) VALUES (${tenant}, 'A', now(), now())`,
        `INSERT INTO ${at}.labels (account_id, title, color, created_at, updated_at)
         SELECT id, 't', '#E91E63', now(), now() FROM ${at}.accounts ON CONFLICT (title, account_id) DO NOTHING`,
        `INSERT INTO ${at}.contacts (account_id, created_at, updated_at) SELECT id, now(), now() FROM ${at}.accounts
         ON CONFLICT DO NOTHING`,
        `UPDATE ${at}.contacts SET name = 'Ana'`,
        `SELECT contact_id FROM ${at}.contact_inboxes`,
        'CREATE TABLE cdc.fact (id bigserial)',
        'INSERT INTO cdc.fact DEFAULT VALUES',
        'DELETE FROM cdc.fact',
        'CREATE TEMPORARY TABLE incoming (id text)',
      ];
      for (const text of statements) expect([text, await attempt(client, text)]).toEqual([text, 'ok']);
    });
  });

  it('the sink also uses a ledger that the owner made, before or after the grants', async () => {
    await withClient(databases.messagingUrl, (owner) => owner.query('CREATE TABLE cdc.later (id bigserial, x text)'));
    await withClient(sink.url, async (client) => {
      expect(await attempt(client, `INSERT INTO cdc.later (x) VALUES ('')`)).toBe('ok');
    });
  });

  it('the sink can do nothing else', async () => {
    const at = databases.schemas.messaging;
    await withClient(sink.url, async (client) => {
      const tables = ['conversations', 'messages', 'channel_whatsapp', 'inboxes', 'notes', 'users', 'campaigns'];
      for (const table of tables) expect(await attempt(client, `SELECT FROM ${at}.${table}`)).toBe(DENIED);
      for (const table of ['accounts', 'labels', 'contacts', 'contact_inboxes']) {
        expect(await attempt(client, `DELETE FROM ${at}.${table}`)).toBe(DENIED);
        expect(await attempt(client, `TRUNCATE ${at}.${table} CASCADE`)).toBe(DENIED);
      }
      expect(await attempt(client, `UPDATE ${at}.contact_inboxes SET source_id = ''`)).toBe(DENIED);
      expect(await attempt(client, `CREATE TABLE ${at}.mine ()`)).toBe(DENIED);
      if (profile === 'seed') expect(await attempt(client, 'SELECT id FROM ventia.tenants')).toBe(DENIED);
    });
  });
});
