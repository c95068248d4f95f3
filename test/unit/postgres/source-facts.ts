import type {
  ExpectedSource,
  PublicationFacts,
  SourceCatalog,
  SourceTable,
  TableFacts,
} from '../../../src/postgres/source-catalog';

/** Facts of a well set-up source, for tests to spoil. */
export const tenantsWanted: SourceTable = {
  schema: 'ventia',
  table: 'tenants',
  columns: [
    { name: 'id', required: true },
    { name: 'name', required: true },
  ],
  keyColumn: 'id',
  tenantColumn: 'id',
};

export const ordersWanted: SourceTable = {
  schema: 'ventia',
  table: 'orders',
  columns: [
    { name: 'id', required: true },
    { name: 'tenant_id', required: true },
    { name: 'customer_email', required: true },
    { name: 'customer_phone', required: false },
  ],
  keyColumn: 'id',
  tenantColumn: 'tenant_id',
};

export const expected: ExpectedSource = {
  tables: [tenantsWanted, ordersWanted],
  publication: 'ventia_cdc',
  slot: 'ventia_cdc',
  captured: false,
  confirmedAtMost: null,
  role: null,
};

const columns = (...names: string[]) => names.map((name) => ({ name, notNull: true, sendable: true, virtual: false }));

export const tenants: TableFacts = {
  schema: 'ventia',
  table: 'tenants',
  publishable: true,
  partitioned: false,
  replicaIdentity: 'd',
  columns: columns('id', 'name', 'settings'),
  uniqueIndexes: [{ name: 'tenants_pkey', columns: ['id'], valid: true, primary: true, identity: false }],
  invalidIndexes: [],
  partitions: [],
  foreignPublications: [],
  schemaUsable: true,
  readableColumns: ['id', 'name', 'settings'],
  activity: { rowBytes: 100, changes: 10, seconds: 100 },
};

export const orders: TableFacts = {
  ...tenants,
  table: 'orders',
  replicaIdentity: 'f',
  columns: columns('id', 'tenant_id', 'customer_email', 'notes'),
  uniqueIndexes: [{ name: 'orders_pkey', columns: ['id'], valid: true, primary: true, identity: false }],
  readableColumns: ['id', 'tenant_id', 'customer_email', 'notes'],
};

export const publication: PublicationFacts = {
  allOperations: true,
  viaRoot: true,
  allTables: false,
  generatedColumns: true,
  tables: [
    { schema: 'ventia', table: 'tenants', columns: null, rowFilter: null },
    { schema: 'ventia', table: 'orders', columns: null, rowFilter: null },
  ],
};

export const catalog: SourceCatalog = {
  server: {
    version: 180_000,
    walLevel: 'logical',
    standby: false,
    database: 'ventia_db',
    user: 'ventia_capture',
    userIsSuperuser: false,
  },
  role: { name: 'ventia_capture', exists: true, replication: true },
  tables: [tenants, orders],
  publication,
  slot: {
    name: 'ventia_cdc',
    plugin: 'pgoutput',
    logical: true,
    database: 'ventia_db',
    temporary: false,
    sender: null,
    decoded: null,
    restartLsn: 90n,
    confirmedLsn: 100n,
    walStatus: 'reserved',
    safeWalBytes: null,
    invalidationReason: null,
    failover: true,
    retainedBytes: 10n,
  },
};

/** A source on which nobody ever did anything. */
export const untouched: SourceCatalog = {
  ...catalog,
  tables: [tenants, { ...orders, replicaIdentity: 'd' }],
  publication: null,
  slot: null,
};
