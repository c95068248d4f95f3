import fc from 'fast-check';
import { identityIndexName, planTable } from '../../../src/postgres/plan-table';
import { describeWalPrice, identityColumns } from '../../../src/postgres/replica-identity';
import type { SourceOptions } from '../../../src/postgres/setup-step';
import type { PublicationFacts, SourceCatalog, TableFacts } from '../../../src/postgres/source-catalog';
import { planSourceSetup } from '../../../src/postgres/source-plan';
import { catalog, expected, orders, ordersWanted, publication, tenants, untouched } from './source-facts';

const full: SourceOptions = { identity: 'auto', columns: 'all' };
const index: SourceOptions = { identity: 'index', columns: 'all' };
const contract: SourceOptions = { identity: 'index', columns: 'contract' };

const sqlOf = (facts: SourceCatalog, options: SourceOptions, wanted = expected) =>
  planSourceSetup(facts, wanted, options).steps.flatMap(({ sql }) => sql);
const problemsOf = (facts: SourceCatalog, options: SourceOptions, wanted = expected) =>
  planSourceSetup(facts, wanted, options).problems.map(({ kind }) => kind);
const withOrders = (more: Partial<TableFacts>): SourceCatalog => ({
  ...catalog,
  tables: [tenants, { ...orders, ...more }],
});

describe('the plan', () => {
  it('is empty for a source that is set up', () => {
    expect(planSourceSetup(catalog, expected, full)).toEqual({ steps: [], problems: [] });
  });

  it('makes identity, publication and slot, in this order', () => {
    expect(sqlOf(untouched, full)).toEqual([
      'ALTER TABLE "ventia"."orders" REPLICA IDENTITY FULL',
      'CREATE PUBLICATION ventia_cdc FOR TABLE "ventia"."tenants", "ventia"."orders" ' +
        `WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true, publish_generated_columns = stored)`,
      `SELECT pg_create_logical_replication_slot('ventia_cdc', 'pgoutput', failover => true)`,
    ]);
  });

  it('makes the identity by an index beside running writes, when asked to', () => {
    const steps = planSourceSetup(untouched, expected, index).steps.slice(0, 2);
    expect(steps).toMatchObject([
      {
        kind: 'concurrently',
        sql: ['CREATE UNIQUE INDEX CONCURRENTLY "orders_cdc_identity" ON "ventia"."orders" ("id", "tenant_id")'],
      },
      {
        kind: 'transaction',
        sql: ['ALTER TABLE "ventia"."orders" REPLICA IDENTITY USING INDEX "orders_cdc_identity"'],
      },
    ]);
  });

  it('drops what a broken attempt left, and uses what a finished one made', () => {
    const broken = withOrders({ replicaIdentity: 'd', invalidIndexes: ['orders_cdc_identity'] });
    expect(sqlOf(broken, index)).toEqual([
      'DROP INDEX CONCURRENTLY "ventia"."orders_cdc_identity"',
      expect.stringContaining('CREATE UNIQUE INDEX CONCURRENTLY'),
      expect.stringContaining('USING INDEX'),
    ]);
    const made = {
      name: 'orders_cdc_identity',
      columns: ['tenant_id', 'id'],
      valid: true,
      primary: false,
      identity: false,
    };
    expect(sqlOf(withOrders({ replicaIdentity: 'd', uniqueIndexes: [made] }), index)).toEqual([
      expect.stringContaining('USING INDEX'),
    ]);
  });

  it('lists the columns of the contract that there are, when asked to', () => {
    const [create] = sqlOf(untouched, contract).filter((sql) => sql.startsWith('CREATE PUBLICATION'));
    expect(create).toContain(
      '"ventia"."tenants" ("id", "name"), "ventia"."orders" ("id", "tenant_id", "customer_email")',
    );
  });

  it('completes a publication that somebody else began', () => {
    const begun: PublicationFacts = {
      ...publication,
      allOperations: false,
      tables: [{ schema: 'ventia', table: 'tenants', columns: ['id'], rowFilter: '(id > 1)' }],
    };
    expect(sqlOf({ ...catalog, publication: begun }, full)).toEqual([
      'ALTER PUBLICATION ventia_cdc DROP TABLE "ventia"."tenants"; ALTER PUBLICATION ventia_cdc ADD TABLE "ventia"."tenants"',
      `ALTER PUBLICATION ventia_cdc SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true, publish_generated_columns = stored)`,
      'ALTER PUBLICATION ventia_cdc ADD TABLE "ventia"."orders"',
    ]);
  });

  it('sends generated columns where the server can', () => {
    const server = { ...catalog.server, version: 170_000 };
    const older = sqlOf({ ...untouched, server }, full).join();
    expect(older).toContain('publish_via_partition_root = true)');
    expect(sqlOf({ ...catalog, publication: { ...publication, generatedColumns: false } }, full)).toEqual([
      expect.stringContaining('publish_generated_columns = stored'),
    ]);
    expect(sqlOf({ ...catalog, server, publication: { ...publication, generatedColumns: null } }, full)).toEqual([]);
  });

  it('grants the capturing role what it lacks, and no more', () => {
    const role = { name: 'cap"ture', exists: true, replication: false };
    const facts: SourceCatalog = {
      ...catalog,
      role,
      server: { ...catalog.server, userIsSuperuser: true },
      tables: [{ ...tenants, schemaUsable: false, readableColumns: ['id'] }, orders],
    };
    expect(sqlOf(facts, full)).toEqual([
      'GRANT USAGE ON SCHEMA "ventia" TO "cap""ture"',
      'GRANT SELECT ("id", "name") ON "ventia"."tenants" TO "cap""ture"',
      'ALTER ROLE "cap""ture" REPLICATION',
    ]);
    expect(problemsOf({ ...facts, server: catalog.server }, full)).toEqual(['replication_right_missing']);
    expect(problemsOf({ ...facts, role: { ...role, exists: false } }, full)).toEqual(['source_refused']);
  });

  it('gives the partitions the identity of their table', () => {
    const partition = (table: string, replicaIdentity: string) => ({ schema: 'ventia', table, replicaIdentity });
    const partitioned = withOrders({
      partitioned: true,
      partitions: [partition('orders_1', 'f'), partition('orders_2', 'd')],
    });
    expect(sqlOf(partitioned, full)).toEqual([
      'ALTER TABLE "ventia"."orders" REPLICA IDENTITY FULL',
      'ALTER TABLE "ventia"."orders_2" REPLICA IDENTITY FULL',
    ]);
  });

  it('keeps an identity that suffices, unless another is asked for', () => {
    const identity = { name: 'own', columns: ['id', 'tenant_id'], valid: true, primary: false, identity: true };
    const indexed = withOrders({ replicaIdentity: 'i', uniqueIndexes: [...orders.uniqueIndexes, identity] });
    expect(sqlOf(indexed, full)).toEqual([]);
    expect(sqlOf(indexed, index)).toEqual([]);
    expect(sqlOf(indexed, { ...full, identity: 'full' })).toEqual([expect.stringContaining('IDENTITY FULL')]);
    expect(
      sqlOf({ ...catalog, tables: [{ ...tenants, replicaIdentity: 'f' }, orders] }, { ...full, identity: 'full' }),
    ).toEqual([]);
    expect(sqlOf({ ...catalog, tables: [{ ...tenants, replicaIdentity: 'n' }, orders] }, full)).toEqual([
      'ALTER TABLE "ventia"."tenants" REPLICA IDENTITY DEFAULT',
    ]);
  });

  it('says what FULL costs', () => {
    const [step] = planSourceSetup(untouched, expected, full).steps;
    expect(step!.price).toContain('about 100 bytes');
    expect(describeWalPrice({ rowBytes: 250, changes: 500, seconds: 100 })).toContain(
      '5.0 such changes/s, the average so far, that is 108 MB a day',
    );
    expect(describeWalPrice({ rowBytes: null, changes: 0, seconds: 0 })).toContain('ANALYZE');
  });
});

describe('problems', () => {
  it('are what set-up cannot mend', () => {
    const facts: SourceCatalog = {
      ...untouched,
      server: { ...catalog.server, walLevel: 'replica' },
      tables: [null, { ...orders, columns: orders.columns.filter(({ name }) => name !== 'customer_email') }],
    };
    expect(problemsOf(facts, full)).toEqual(['wal_level', 'table_missing', 'contract_column_missing']);
    expect(problemsOf(withOrders({ uniqueIndexes: [] }), full)).toEqual(['source_key']);
    expect(problemsOf(withOrders({ publishable: false }), full)).toEqual(['table_missing']);
  });

  it('are a slot that is lost, of others, or missing although changes were captured', () => {
    expect(problemsOf({ ...catalog, slot: { ...catalog.slot!, walStatus: 'lost' } }, full)).toEqual(['slot_lost']);
    expect(problemsOf({ ...catalog, slot: { ...catalog.slot!, plugin: 'wal2json' } }, full)).toEqual(['slot_foreign']);
    expect(problemsOf({ ...catalog, slot: null }, full, { ...expected, captured: true })).toEqual(['slot_missing']);
  });

  it('are a column list with FULL, with the exact fix', () => {
    const { problems } = planSourceSetup(untouched, expected, { identity: 'full', columns: 'contract' });
    expect(problems).toMatchObject([
      {
        kind: 'replica_identity',
        fix: 'ventia-cdc setup --identity index, or set publication.columns=all in the connector file.',
      },
    ]);
    const tenantsFull = {
      ...catalog,
      tables: [
        { ...tenants, replicaIdentity: 'f' as const },
        { ...orders, replicaIdentity: 'd' as const },
      ],
    };
    expect(planSourceSetup(tenantsFull, expected, contract).problems).toMatchObject([
      {
        kind: 'replica_identity',
        fix: expect.stringContaining('ALTER TABLE "ventia"."tenants" REPLICA IDENTITY DEFAULT;'),
      },
    ]);
  });

  it('are other publications that the identity would break', () => {
    const other = { name: 'other', columns: ['id', 'tenant_id'] };
    const listed = withOrders({ replicaIdentity: 'd', foreignPublications: [other] });
    expect(problemsOf(listed, full)).toEqual(['replica_identity']);
    expect(problemsOf(listed, index)).toEqual([]);
    expect(problemsOf(withOrders({ foreignPublications: [{ name: 'other', columns: null }] }), index)).toEqual([
      'replica_identity',
    ]);
  });

  it('are a virtual column with FULL', () => {
    const virtual = orders.columns.map((column) => ({ ...column, virtual: column.name === 'notes' }));
    const { problems } = planSourceSetup(withOrders({ replicaIdentity: 'd', columns: virtual }), expected, full);
    expect(problems).toMatchObject([{ kind: 'replica_identity', fix: 'ventia-cdc setup --identity index' }]);
    expect(problemsOf(withOrders({ replicaIdentity: 'd', columns: virtual }), index)).toEqual([]);
  });

  it('are an index identity over columns that may be null, or of a partitioned table', () => {
    const nullable = orders.columns.map((column) => ({ ...column, notNull: column.name !== 'tenant_id' }));
    expect(problemsOf(withOrders({ replicaIdentity: 'd', columns: nullable }), index)).toEqual(['replica_identity']);
    expect(problemsOf(withOrders({ replicaIdentity: 'd', partitioned: true }), index)).toEqual(['replica_identity']);
  });
});

describe('names', () => {
  it('of the index keep within 63 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 63 }), (table) => {
        const name = identityIndexName(table);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
        expect(name.endsWith('_cdc_identity')).toBe(true);
      }),
    );
  });

  it('of publication and slot need no quoting', () => {
    expect(() => planSourceSetup(catalog, { ...expected, publication: 'a b' }, full)).toThrow();
    expect(() => planSourceSetup(catalog, { ...expected, slot: 'A' }, full)).toThrow();
  });
});

/** What the steps do, on the facts: enough of PostgreSQL to see whether UPDATE and DELETE are allowed in between. */
function applySql(state: State, sql: string): State {
  const alter = /REPLICA IDENTITY (FULL|DEFAULT|USING INDEX "(.+)")$/.exec(sql);
  if (alter) {
    const replicaIdentity = alter[1] === 'FULL' ? 'f' : alter[1] === 'DEFAULT' ? 'd' : 'i';
    const uniqueIndexes = state.facts.uniqueIndexes.map((i) => ({ ...i, identity: i.name === alter[2] }));
    return { ...state, facts: { ...state.facts, replicaIdentity, uniqueIndexes } };
  }
  const create = /^CREATE UNIQUE INDEX CONCURRENTLY "(.+)" ON .* \((.+)\)$/.exec(sql);
  if (create) {
    const made = { name: create[1]!, columns: names(create[2]!), valid: true, primary: false, identity: false };
    const others = state.facts.uniqueIndexes.filter(({ name }) => name !== made.name);
    return { ...state, facts: { ...state.facts, uniqueIndexes: [...others, made], invalidIndexes: [] } };
  }
  const add = /ADD TABLE "ventia"."orders"(?: \((.+)\))?$/.exec(sql);
  if (add) return { ...state, list: add[1] ? names(add[1]) : null };
  if (sql.startsWith('DROP INDEX')) return { ...state, facts: { ...state.facts, invalidIndexes: [] } };
  throw new Error(`not understood: ${sql}`);
}

interface State {
  readonly facts: TableFacts;
  readonly list: readonly string[] | null;
}

const names = (list: string) => list.split(', ').map((name) => name.slice(1, -1));
/** PostgreSQL's rule for a published table. */
const writable = ({ facts, list }: State) => {
  const identity = identityColumns(facts);
  return identity.length > 0 && (list === null || identity.every((name) => list.includes(name)));
};

const columns = fc.subarray(['id', 'tenant_id', 'notes'], { minLength: 1 });
const state: fc.Arbitrary<State> = fc.record({
  facts: fc
    .record({
      replicaIdentity: fc.constantFrom('d', 'n', 'f', 'i'),
      own: fc.option(columns),
      ours: fc.constantFrom('none', 'valid', 'invalid'),
    })
    .map(({ replicaIdentity, own, ours }): TableFacts => {
      const indexes = [...orders.uniqueIndexes];
      if (own)
        indexes.push({ name: 'own', columns: own, valid: true, primary: false, identity: replicaIdentity === 'i' });
      if (ours === 'valid')
        indexes.push({
          name: 'orders_cdc_identity',
          columns: ['id', 'tenant_id'],
          valid: true,
          primary: false,
          identity: false,
        });
      return {
        ...orders,
        replicaIdentity: replicaIdentity as 'd',
        uniqueIndexes: indexes,
        invalidIndexes: ours === 'invalid' ? ['orders_cdc_identity'] : [],
      };
    }),
  list: fc.option(columns),
});
const options: fc.Arbitrary<SourceOptions> = fc.record({
  identity: fc.constantFrom('auto', 'full', 'index'),
  columns: fc.constantFrom('all', 'contract'),
});

it('whatever the table was like, UPDATE and DELETE are allowed between any two steps, and a second plan is empty', () => {
  fc.assert(
    fc.property(state, options, (start, wanted) => {
      fc.pre(writable(start));
      const plan = ({ facts, list }: State) =>
        planTable(
          facts,
          ordersWanted,
          {
            name: 'ventia_cdc',
            facts: { ...publication, tables: [{ schema: 'ventia', table: 'orders', columns: list, rowFilter: null }] },
          },
          wanted,
        );
      const { steps, problems } = plan(start);
      if (problems.length > 0) return;
      let now = start;
      for (const sql of steps.flatMap((step) => step.sql)) {
        now = applySql(now, sql);
        expect(writable(now)).toBe(true);
      }
      expect(plan(now)).toEqual({ steps: [], problems: [] });
    }),
    { numRuns: 2_000 },
  );
});
