import { judgeSource } from '../../../src/postgres/preflight';
import { judgeServer, type SourceCatalog } from '../../../src/postgres/source-catalog';
import { catalog, expected, orders, publication, tenants, untouched } from './source-facts';

const findings = (facts: SourceCatalog, wanted = expected) => judgeSource(facts, wanted);
const kinds = (facts: SourceCatalog, wanted = expected) => findings(facts, wanted).map(({ kind }) => kind);
const entry = (table: string) => ({ schema: 'ventia', table, columns: null, rowFilter: null });

it('finds nothing where all is well', () => {
  expect(findings(catalog)).toEqual([]);
});

it('finds all that is missing at once, in the order in which it is to be mended', () => {
  expect(kinds(untouched)).toEqual(['publication_missing', 'replica_identity', 'slot_not_created']);
});

it.each<[string, Partial<SourceCatalog>, string, string]>([
  ['wal_level', { server: { ...catalog.server, walLevel: 'replica' } }, 'wal_level', 'ALTER SYSTEM'],
  ['a table', { tables: [tenants, null] }, 'table_missing', 'Create the table'],
  [
    'a right',
    { role: { name: 'r', exists: true, replication: false } },
    'replication_right_missing',
    'ALTER ROLE "r" REPLICATION;',
  ],
  [
    'a grant',
    { tables: [{ ...tenants, readableColumns: ['id'] }, orders] },
    'source_permission',
    'GRANT SELECT ("id", "name") ON "ventia"."tenants" TO "ventia_capture";',
  ],
  ['a publication', { publication: null }, 'publication_missing', 'ventia-cdc setup'],
  ['an operation', { publication: { ...publication, allOperations: false } }, 'publication_incomplete', 'setup'],
  [
    'a published table',
    { publication: { ...publication, tables: [entry('orders')] } },
    'publication_incomplete',
    'setup',
  ],
  [
    'rows of a table',
    { publication: { ...publication, tables: [entry('orders'), { ...entry('tenants'), rowFilter: 'x' }] } },
    'publication_incomplete',
    'setup',
  ],
  [
    'columns of a table',
    { publication: { ...publication, tables: [entry('orders'), { ...entry('tenants'), columns: ['id'] }] } },
    'publication_incomplete',
    'setup',
  ],
  ['the identity', { tables: [tenants, { ...orders, replicaIdentity: 'd' }] }, 'replica_identity', 'setup'],
  ["the tenants' identity", { tables: [{ ...tenants, replicaIdentity: 'n' }, orders] }, 'replica_identity', 'setup'],
  ['the slot', { slot: null }, 'slot_not_created', 'setup'],
])('finds that %s is missing', (_, spoiled, kind, fix) => {
  const found = findings({ ...catalog, ...spoiled });
  expect(found.map((finding) => finding.kind)).toEqual([kind]);
  expect(found[0]!.fix).toContain(fix);
});

it('takes an index over more than key and tenant, and a list over more than the contract', () => {
  const identity = { name: 'own', columns: ['notes', 'id', 'tenant_id'], valid: true, primary: false, identity: true };
  const wide = { ...entry('orders'), columns: ['id', 'tenant_id', 'customer_email', 'notes'] };
  const facts: SourceCatalog = {
    ...catalog,
    tables: [tenants, { ...orders, replicaIdentity: 'i', uniqueIndexes: [...orders.uniqueIndexes, identity] }],
    publication: { ...publication, tables: [entry('tenants'), wide] },
  };
  expect(kinds(facts)).toEqual([]);
});

it('notices an identity index that is gone', () => {
  expect(kinds({ ...catalog, tables: [tenants, { ...orders, replicaIdentity: 'i' }] })).toEqual(['replica_identity']);
});

it('notices a partition with another identity than its table', () => {
  const partition = { schema: 'ventia', table: 'orders_1', replicaIdentity: 'd' };
  expect(kinds({ ...catalog, tables: [tenants, { ...orders, partitions: [partition] }] })).toEqual([
    'replica_identity',
  ]);
});

it('does not count a column that is never sent as there', () => {
  const columns = orders.columns.map((column) => ({ ...column, sendable: column.name !== 'customer_email' }));
  expect(kinds({ ...catalog, tables: [tenants, { ...orders, columns }] })).toEqual(['contract_column_missing']);
});

it.each([
  [140_011, false, 'source_version'],
  [150_000, false, null],
  [180_004, false, null],
  [160_002, true, 'source_standby'],
])('judges version %s, stand-by %s', (version, standby, kind) => {
  expect(judgeServer({ ...catalog.server, version, standby })?.kind ?? null).toBe(kind);
});
