import type { CdcError } from '../../../src/core/errors';
import type { Database } from '../../../src/core/ports/sql';
import type { Profile } from '../../../src/dev/demo-schema';
import { readCatalog } from '../../../src/messaging/catalog';
import { openDatabase } from '../../../src/postgres/database';
import { createDemoDatabases, createTestRole, type DemoDatabases } from '../../support/databases';

jest.setTimeout(60_000);
const profiles: readonly Profile[] = ['seed', 'repo'];

const EXPECTED = {
  seed: {
    tables: {
      accounts: 'messaging.accounts',
      labels: 'messaging.labels',
      contacts: 'messaging.contacts',
      contact_inboxes: 'messaging.contact_inboxes',
    },
    types: { account: 'uuid', contact: 'uuid', tenant: 'uuid' },
    newId: { account: 'gen_random_uuid()', contact: 'gen_random_uuid()' },
  },
  repo: {
    tables: {
      accounts: 'public.accounts',
      labels: 'public.labels',
      contacts: 'public.contacts',
      contact_inboxes: 'public.contact_inboxes',
    },
    types: { account: 'bigint', contact: 'bigint', tenant: 'integer' },
    newId: { account: `nextval('accounts_id_seq'::regclass)`, contact: `nextval('contacts_id_seq'::regclass)` },
  },
};

describe.each(profiles)('catalog, profile %s', (profile) => {
  let databases: DemoDatabases;
  let database: Database;
  let schema: string;
  beforeAll(async () => {
    databases = await createDemoDatabases(profile);
    database = openDatabase(databases.messagingUrl, 'messaging', { applicationName: 'catalog-test' });
    schema = databases.schemas.messaging;
  });
  afterAll(async () => {
    await database.close();
    await databases.drop();
  });

  /** Reads the catalog after `change`, which is then rolled back. */
  async function catalogAfter(...change: string[]) {
    const UNDO = new Error('undo');
    let outcome: Awaited<ReturnType<typeof readCatalog>> | CdcError | undefined;
    await database
      .transaction(async (tx) => {
        await tx.execute(`SET LOCAL search_path = ${schema}`);
        for (const text of change) await tx.execute(text);
        outcome = await readCatalog(tx, schema).catch((error: CdcError) => error);
        throw UNDO;
      })
      .catch((error) => {
        if (error !== UNDO) throw error;
      });
    return outcome!;
  }

  it('finds id types and tables, complete and without a warning', async () => {
    expect(await readCatalog(database, schema)).toEqual({
      ...EXPECTED[profile],
      has: {
        'accounts.status': true,
        'labels.system': true,
        'contacts.contact_type': true,
        'contacts.last_activity_at': true,
      },
      emailIndex: true,
      warnings: [],
    });
  });

  it('makes ids as the table does, also where they are an identity', async () => {
    const identity = `ALTER TABLE contacts DROP id CASCADE; ALTER TABLE contacts ADD id bigint GENERATED ALWAYS AS IDENTITY`;
    const contact = `nextval('${schema}.contacts_id_seq')`;
    expect(await catalogAfter(identity)).toMatchObject({ newId: { contact } });
  });

  it('the commands it gives mend what it warns of', async () => {
    const indexes = [
      'index_contacts_on_lower_email_account_id',
      'index_contacts_on_phone_number',
      'index_contacts_on_phone_number_and_account_id',
      'index_contacts_on_email_and_account_id',
      'index_contact_inboxes_on_contact_id',
    ];
    const drops = indexes.map((name) => `DROP INDEX ${name}`);
    const catalog = await catalogAfter(...drops);
    const warnings = 'warnings' in catalog ? catalog.warnings : [];
    expect(warnings.map(({ what }) => what.split(':')[0])).toEqual([
      'contacts has no unique index on (account_id, email)',
      'contacts has no unique index on (account_id, phone_number)',
      'contacts has no index on lower(email)',
      'contacts has no index that begins with phone_number',
      'contact_inboxes has no index on contact_id',
    ]);
    const commands = warnings.map(({ fix }) => fix.replace('CONCURRENTLY ', '').replace(/;.*/, ''));
    expect(await catalogAfter(...drops, ...commands)).toMatchObject({ emailIndex: true, warnings: [] });
  });

  it.each([
    ['its partial unique one will do', ['DROP INDEX index_contacts_on_phone_number'], 0],
    [
      'one that leads elsewhere will not',
      [
        'DROP INDEX index_contacts_on_phone_number',
        'DROP INDEX index_contacts_on_phone_number_and_account_id',
        'CREATE UNIQUE INDEX ON contacts (account_id, phone_number)',
        'CREATE INDEX ON contacts (phone_number) WHERE blocked',
      ],
      1,
    ],
  ])('an index for phones: %s', async (_, change, expected) => {
    const catalog = await catalogAfter(...change);
    const warnings = 'warnings' in catalog ? catalog.warnings : [];
    expect(warnings.filter(({ what }) => what.includes('begins with phone_number'))).toHaveLength(expected);
  });

  it("needs no more than the sink's own grants", async () => {
    const role = await createTestRole(databases, 'ventia_sink');
    const asSink = openDatabase(role.url, 'messaging', { applicationName: 'catalog-test' });
    try {
      expect(await readCatalog(asSink, schema)).toMatchObject({ ...EXPECTED[profile], warnings: [] });
    } finally {
      await asSink.close();
      await role.drop();
    }
  });

  it('A13: columns that an older schema lacks are left out and named', async () => {
    const catalog = await catalogAfter(
      'ALTER TABLE accounts DROP COLUMN status',
      'ALTER TABLE labels DROP COLUMN system',
      'ALTER TABLE contacts DROP COLUMN contact_type',
    );
    expect(catalog).toMatchObject({
      has: {
        'accounts.status': false,
        'labels.system': false,
        'contacts.contact_type': false,
        'contacts.last_activity_at': true,
      },
    });
    expect('warnings' in catalog && catalog.warnings.map((warning) => warning.what)).toEqual([
      'column accounts.status does not exist: its rule is left out',
      'column labels.system does not exist: its rule is left out',
      'column contacts.contact_type does not exist: its rule is left out',
    ]);
  });

  it('names everything that is wrong at once', async () => {
    expect(
      await catalogAfter(
        'DROP TABLE labels',
        'ALTER TABLE contacts DROP COLUMN email',
        'ALTER TABLE contacts ALTER COLUMN custom_attributes DROP DEFAULT',
        'ALTER TABLE contacts ALTER COLUMN custom_attributes TYPE text',
        'ALTER TABLE contacts ADD COLUMN company_id bigint NOT NULL',
        'ALTER TABLE contacts ALTER COLUMN id DROP DEFAULT',
        'DROP INDEX index_accounts_on_ventia_tenant_id',
        'ALTER TABLE accounts ALTER COLUMN ventia_tenant_id TYPE text',
      ),
    ).toMatchObject({
      kind: 'messaging_schema',
      message: `schema "${schema}" of the messaging database: ${[
        'table labels is missing',
        'column accounts.ventia_tenant_id is of type text, which is none of uuid, bigint, integer',
        'column contacts.id has no default',
        'column contacts.email is missing',
        'column contacts.custom_attributes is of type text, which is none of jsonb',
        'column contacts.company_id is NOT NULL without a default, and no rule fills it',
        'table accounts has no unique index on (ventia_tenant_id)',
      ].join('; ')}`,
    });
  });

  it('a partial unique index of accounts is none that ON CONFLICT could use', async () => {
    expect(
      await catalogAfter(
        'DROP INDEX index_accounts_on_ventia_tenant_id',
        'CREATE UNIQUE INDEX ON accounts (ventia_tenant_id) WHERE status = 0',
      ),
    ).toMatchObject({ message: expect.stringContaining('accounts has no unique index on (ventia_tenant_id)') });
  });

  it('warns where phones may be doubled', async () => {
    expect(
      await catalogAfter(
        'DROP INDEX index_contacts_on_phone_number_and_account_id',
        'CREATE INDEX ON contacts (phone_number, account_id)',
        'DROP INDEX index_contacts_on_email_and_account_id',
        'CREATE UNIQUE INDEX ON contacts (account_id, email) INCLUDE (name)',
      ),
    ).toMatchObject({
      warnings: [{ kind: 'index_absent', what: expect.stringContaining('(account_id, phone_number)') }],
    });
  });

  it('warns where people are looked up in any case without an index', async () => {
    expect(await catalogAfter('DROP INDEX index_contacts_on_lower_email_account_id')).toMatchObject({
      emailIndex: false,
      warnings: [{ kind: 'index_absent', what: expect.stringContaining('lower(email)') }],
    });
  });

  it("detects Chatwoot's triggers that create sequences, and no others", async () => {
    const trigger = (name: string, when: string, body: string) => [
      `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$`,
      `CREATE TRIGGER ${name} ${when} ON accounts FOR EACH ROW EXECUTE FUNCTION ${name}()`,
    ];
    const sequence = (prefix: string) => `execute format('create sequence IF NOT EXISTS ${prefix}_%s', NEW.id);`;
    const catalog = await catalogAfter(
      ...trigger('accounts_after_insert_row_tr', 'AFTER INSERT', sequence('conv_dpid_seq')),
      ...trigger('camp_dpid_before_insert', 'BEFORE INSERT', sequence('camp_dpid_seq')),
      ...trigger('audit_tr', 'AFTER INSERT OR UPDATE', ''),
      ...trigger('disabled_tr', 'AFTER INSERT', sequence('x')),
      'ALTER TABLE accounts DISABLE TRIGGER disabled_tr',
    );
    expect(catalog).toMatchObject({
      warnings: [
        {
          kind: 'sequence_trigger',
          what: expect.stringContaining('accounts_after_insert_row_tr'),
          fix: expect.stringContaining('accounts_after_insert_row_tr()'),
        },
      ],
    });
  });

  it('a schema that is not there lacks all tables; odd names are quoted', async () => {
    await expect(readCatalog(database, 'no such')).rejects.toMatchObject({
      kind: 'messaging_schema',
      message: expect.stringContaining('table accounts is missing; table labels is missing'),
    });
    const odd = `"Odd ""name"`;
    const tables = ['accounts', 'labels', 'contacts', 'contact_inboxes'];
    await database.execute(`CREATE SCHEMA ${odd}`);
    for (const table of tables) {
      await database.execute(`CREATE TABLE ${odd}.${table} (LIKE ${schema}.${table} INCLUDING ALL)`);
    }
    const catalog = await readCatalog(database, 'Odd "name');
    expect(catalog.tables.accounts).toBe(`${odd}.accounts`);
    await database.query(`SELECT FROM ${catalog.tables.contact_inboxes}`);
  });
});
