import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CdcError } from '../../../src/core/errors';
import type { Database } from '../../../src/core/ports/sql';
import { choosePorts } from '../../../src/dev/stack/ports';
import { startPostgres } from '../../../src/dev/stack/postgres';
import { openDatabase } from '../../../src/postgres/database';
import { inspectSource, preflight } from '../../../src/postgres/preflight';
import { createSlot, dropSlot } from '../../../src/postgres/slot';
import type { ExpectedSource } from '../../../src/postgres/source-catalog';
import { createSeedDatabase, createTestRole, type DemoDatabases, type TestRole } from '../../support/databases';
import { expectedOf } from './ventia-source';

let databases: DemoDatabases;
let role: TestRole;
let owner: Database;
let service: Database;
let expected: ExpectedSource;

beforeAll(async () => {
  databases = await createSeedDatabase();
  role = await createTestRole(databases, 'ventia_capture');
  owner = openDatabase(databases.sourceUrl, 'source', { applicationName: 'preflight-test-owner' });
  service = openDatabase(role.url, 'source', { applicationName: 'preflight-test' });
  expected = expectedOf(databases);
  await owner.execute('ALTER TABLE ventia.orders REPLICA IDENTITY FULL');
  await owner.execute(`CREATE PUBLICATION ${expected.publication} FOR TABLE ventia.tenants, ventia.orders`);
  await createSlot(service, expected.slot, 10_000);
});

afterAll(async () => {
  await service.close();
  await role.drop();
  await owner.close();
  await databases.drop();
});

const findings = (wanted: Partial<ExpectedSource> = {}) => preflight(service, { ...expected, ...wanted });
const kinds = async (wanted: Partial<ExpectedSource> = {}) => (await findings(wanted)).map(({ kind }) => kind);

it('finds nothing on a source that is set up, asked by a role with no more rights than documented', async () => {
  expect(await findings()).toEqual([]);
});

it('says what capture must know to begin', async () => {
  const inspection = await inspectSource(service, expected);
  const [{ system, lsn } = { system: '', lsn: '' }] = await owner.query<{ system: string; lsn: string }>(
    `SELECT system_identifier::text AS system, (SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots WHERE slot_name = $1)::text AS lsn
     FROM pg_control_system()`,
    [expected.slot],
  );
  expect(inspection).toMatchObject({ systemId: system, timeline: 1, confirmedLsn: BigInt(lsn) });
  expect(inspection.walLsn).toBeGreaterThanOrEqual(inspection.confirmedLsn);
  expect(inspection.slot).toMatchObject({ walStatus: 'reserved', safeWalBytes: null, sender: null });
});

it("tells how far the source's stand-bys are, to a role that may not see who they are", async () => {
  await owner.query(`SELECT pg_create_physical_replication_slot($1, true)`, [`${expected.slot}_replica`]);
  try {
    await owner.execute(`SELECT pg_logical_emit_message(true, 'other', repeat('x', 5000))`);
    const { standbys } = await inspectSource(service, expected);
    const lagBytes = standbys.find(({ name }) => name === `${expected.slot}_replica`)?.lagBytes;
    expect(lagBytes).toBeGreaterThanOrEqual(5000n);
    expect(standbys.map(({ name }) => name)).not.toContain(expected.slot);
  } finally {
    await owner.query(`SELECT pg_drop_replication_slot($1)`, [`${expected.slot}_replica`]);
  }
});

it('is cheap enough for every few seconds', async () => {
  const started = performance.now();
  for (let i = 0; i < 10; i++) await inspectSource(service, expected);
  expect((performance.now() - started) / 10).toBeLessThan(100);
});

const publication = () => expected.publication;
it.each<[string, () => string, () => string, CdcError['kind']]>([
  [
    'a table is renamed',
    () => 'ALTER TABLE ventia.orders RENAME TO old_orders',
    () => 'ALTER TABLE ventia.old_orders RENAME TO orders',
    'table_missing',
  ],
  [
    'a column is renamed',
    () => 'ALTER TABLE ventia.orders RENAME customer_email TO email',
    () => 'ALTER TABLE ventia.orders RENAME email TO customer_email',
    'contract_column_missing',
  ],
  [
    'a right is taken',
    () => `REVOKE SELECT ON ventia.tenants FROM ${role.name}`,
    () => `GRANT SELECT ON ventia.tenants TO ${role.name}`,
    'source_permission',
  ],
  [
    'the schema is closed',
    () => `REVOKE USAGE ON SCHEMA ventia FROM ${role.name}`,
    () => `GRANT USAGE ON SCHEMA ventia TO ${role.name}`,
    'source_permission',
  ],
  [
    'the role may not replicate',
    () => `ALTER ROLE ${role.name} NOREPLICATION`,
    () => `ALTER ROLE ${role.name} REPLICATION`,
    'replication_right_missing',
  ],
  [
    'the publication is dropped',
    () => `DROP PUBLICATION ${publication()}`,
    () => `CREATE PUBLICATION ${publication()} FOR TABLE ventia.tenants, ventia.orders`,
    'publication_missing',
  ],
  [
    'a table left the publication',
    () => `ALTER PUBLICATION ${publication()} DROP TABLE ventia.orders`,
    () => `ALTER PUBLICATION ${publication()} ADD TABLE ventia.orders`,
    'publication_incomplete',
  ],
  [
    'the publication leaves out deletes',
    () => `ALTER PUBLICATION ${publication()} SET (publish = 'insert, update')`,
    () => `ALTER PUBLICATION ${publication()} SET (publish = 'insert, update, delete, truncate')`,
    'publication_incomplete',
  ],
  [
    'the publication has a row filter',
    () => `ALTER PUBLICATION ${publication()} SET TABLE ventia.tenants, ventia.orders WHERE (status <> 'x')`,
    () => `ALTER PUBLICATION ${publication()} SET TABLE ventia.tenants, ventia.orders`,
    'publication_incomplete',
  ],
  [
    'the publication does not list a column',
    () => `ALTER PUBLICATION ${publication()} SET TABLE ventia.orders, ventia.tenants (id, name)`,
    () => `ALTER PUBLICATION ${publication()} SET TABLE ventia.tenants, ventia.orders`,
    'publication_incomplete',
  ],
  [
    'the identity is DEFAULT again',
    () => 'ALTER TABLE ventia.orders REPLICA IDENTITY DEFAULT',
    () => 'ALTER TABLE ventia.orders REPLICA IDENTITY FULL',
    'replica_identity',
  ],
  [
    'tenants have no identity',
    () => 'ALTER TABLE ventia.tenants REPLICA IDENTITY NOTHING',
    () => 'ALTER TABLE ventia.tenants REPLICA IDENTITY DEFAULT',
    'replica_identity',
  ],
])('finds that %s', async (_, spoil, mend, kind) => {
  await owner.execute(spoil());
  try {
    const found = await findings();
    expect(found.map((finding) => finding.kind)).toContain(kind);
    expect(found[0]!.fix).not.toBe('');
  } finally {
    await owner.execute(mend());
  }
  expect(await kinds()).toEqual([]);
});

it('mends by the fix it names', async () => {
  await owner.execute(`REVOKE ALL ON ventia.tenants, ventia.orders FROM ${role.name}`);
  await owner.execute(`REVOKE USAGE ON SCHEMA ventia FROM ${role.name}`);
  await owner.execute(`ALTER ROLE ${role.name} NOREPLICATION`);
  const found = await findings();
  expect(found.map(({ kind }) => kind)).toEqual(['replication_right_missing', 'source_permission']);
  for (const { fix } of found) await owner.execute(fix);
  expect(await kinds()).toEqual([]);
});

it('takes a unique index over key and tenant, and notices when the application drops it', async () => {
  await owner.execute('CREATE UNIQUE INDEX key_tenant ON ventia.orders (tenant_id, id)');
  await owner.execute('ALTER TABLE ventia.orders REPLICA IDENTITY USING INDEX key_tenant');
  expect(await kinds()).toEqual([]);
  await owner.execute('DROP INDEX ventia.key_tenant');
  expect(await kinds()).toEqual(['replica_identity']);
  await owner.execute('ALTER TABLE ventia.orders REPLICA IDENTITY FULL');
});

describe('the slot', () => {
  it('is missing: not yet created, or lost', async () => {
    expect(await kinds({ slot: 'no_such_slot' })).toEqual(['slot_not_created']);
    expect(await kinds({ slot: 'no_such_slot', captured: true })).toEqual(['slot_missing']);
  });

  it('is not ours', async () => {
    const slot = `${expected.slot}_foreign`;
    await owner.execute(`SELECT pg_create_logical_replication_slot('${slot}', 'test_decoding')`);
    expect(await kinds({ slot })).toEqual(['slot_foreign']);
    await dropSlot(owner, slot);
    await owner.execute(`SELECT pg_create_physical_replication_slot('${slot}')`);
    expect(await kinds({ slot })).toEqual(['slot_foreign']);
    await dropSlot(owner, slot);
  });

  it('F09: was re-created behind our back', async () => {
    const { confirmedLsn } = await inspectSource(service, expected);
    await dropSlot(owner, expected.slot);
    await owner.execute('SELECT pg_logical_emit_message(true, $1, $2)', ['x', 'y']);
    await createSlot(service, expected.slot, 10_000);
    expect(await kinds({ confirmedAtMost: confirmedLsn })).toEqual(['slot_replaced']);
  });
});

describe('a source that cannot be asked', () => {
  it.each<[string, (url: URL) => void, CdcError['kind']]>([
    ['is unreachable', (url) => (url.port = '1'), 'source_unreachable'],
    ['refuses the password', (url) => (url.password = 'wrong'), 'source_refused'],
  ])('%s', async (_, spoil, kind) => {
    const url = new URL(role.url);
    spoil(url);
    const db = openDatabase(url.href, 'source', { applicationName: 'preflight-test' });
    expect((await preflight(db, expected)).map((finding) => finding.kind)).toEqual([kind]);
    await db.close();
  });

  it('F19: does not let the role log in', async () => {
    await owner.execute(`ALTER ROLE ${role.name} NOLOGIN`);
    const db = openDatabase(role.url, 'source', { applicationName: 'preflight-test' });
    expect((await preflight(db, expected)).map((finding) => finding.kind)).toEqual(['source_refused']);
    await db.close();
    await owner.execute(`ALTER ROLE ${role.name} LOGIN`);
  });

  it('writes no logical WAL', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'preflight-'));
    const { port } = await choosePorts({ port: 0 });
    const server = await startPostgres({ dir, port, settings: { wal_level: 'replica', max_connections: 10 } });
    const db = openDatabase(server.url, 'source', { applicationName: 'preflight-test' });
    try {
      expect((await preflight(db, expected))[0]).toMatchObject({
        kind: 'wal_level',
        message: 'wal_level is replica, not logical',
      });
      await expect(createSlot(db, 'any', 1_000)).rejects.toMatchObject({ kind: 'wal_level' });
    } finally {
      await db.close();
      await server.stop();
      rmSync(dir, { recursive: true });
    }
  }, 30_000);
});
