import { CdcError } from '../core/errors';
import { quoteLiteral, validateReplicationName } from './identifiers';
import { planTable, publicationEntry, wantedList } from './plan-table';
import { GIVEN_CHECKS, missingGrants, replicationRightMissing } from './preflight';
import { LIST_PRICE, type Plan, type SetupStep, type SourceOptions, step } from './setup-step';
import { judgeSlot } from './slot';
import type { ExpectedSource, ServerFacts, SourceCatalog } from './source-catalog';

/**
 * What is to be done to the source, from what its catalog shows. Pure. After the steps are done, a new plan is empty.
 *
 * Identities come before the publication, because a published table without one refuses UPDATE and DELETE; the publication
 * before the slot, because the stream reads it as it was at the slot's position.
 */
export function planSourceSetup(catalog: SourceCatalog, expected: ExpectedSource, options: SourceOptions): Plan {
  validateReplicationName(expected.publication, 'publication');
  validateReplicationName(expected.slot, 'slot');
  const publication = { name: expected.publication, facts: catalog.publication };
  const parts: readonly Plan[] = [
    { steps: [], problems: GIVEN_CHECKS.flatMap(({ judge }) => judge(catalog, expected)) },
    ...expected.tables.flatMap((wanted, i) => {
      const facts = catalog.tables[i];
      return facts ? [planTable(facts, wanted, publication, options)] : [];
    }),
    planPublication(catalog, expected, options),
    planRole(catalog, expected),
    planSlot(catalog, expected),
  ];
  return { steps: parts.flatMap(({ steps }) => steps), problems: parts.flatMap(({ problems }) => problems) };
}

/** Without its generated columns, a table with replica identity FULL refuses UPDATE and DELETE from PostgreSQL 18 on. */
function publicationOptions({ version }: ServerFacts): string {
  const options = `publish = 'insert, update, delete, truncate', publish_via_partition_root = true`;
  return version >= 180_000 ? `${options}, publish_generated_columns = stored` : options;
}

function planPublication(
  { server, publication, tables }: SourceCatalog,
  expected: ExpectedSource,
  options: SourceOptions,
): Plan {
  const { publication: name } = expected;
  if (publication?.allTables && options.columns === 'contract') {
    const fix = 'Set publication.columns=all or another publication.name in the connector file.';
    return {
      steps: [],
      problems: [
        new CdcError('publication_incomplete', `publication ${name} is FOR ALL TABLES and can list no columns`, {
          fix,
        }),
      ],
    };
  }
  const needsRoot = publication !== null && !publication.viaRoot && tables.some((facts) => facts?.partitioned);
  const missing = expected.tables.flatMap((wanted, i) => {
    const facts = tables[i];
    const held = publication?.tables.some(({ schema, table }) => schema === wanted.schema && table === wanted.table);
    // Until then the publication shows a partitioned table as its partitions.
    if (!facts || held || (needsRoot && facts.partitioned)) return [];
    return [publicationEntry(facts, wantedList(facts, wanted, options))];
  });
  const price = options.columns === 'contract' ? LIST_PRICE : null;
  const steps: SetupStep[] = [];
  if (!publication && missing.length === 0) return { steps: [], problems: [] };
  if (!publication) {
    const sql = `CREATE PUBLICATION ${name} FOR TABLE ${missing.join(', ')} WITH (${publicationOptions(server)})`;
    return {
      steps: [step(`publication ${name}`, 'it names the tables whose changes are sent', [sql], price)],
      problems: [],
    };
  }
  if (!publication.allOperations || needsRoot || publication.generatedColumns === false) {
    const sql = `ALTER PUBLICATION ${name} SET (${publicationOptions(server)})`;
    steps.push(
      step(`publication ${name}: options`, 'all operations and all columns are to be sent, partitions as their table', [
        sql,
      ]),
    );
  }
  if (missing.length > 0) {
    const sql = `ALTER PUBLICATION ${name} ADD TABLE ${missing.join(', ')}`;
    steps.push(step(`publication ${name}: missing tables`, 'their changes would not be sent', [sql], price));
  }
  return { steps, problems: [] };
}

function planRole(catalog: SourceCatalog, expected: ExpectedSource): Plan {
  const { role, server } = catalog;
  if (!role.exists) {
    return { steps: [], problems: [new CdcError('source_refused', `role ${role.name} does not exist on the source`)] };
  }
  const grants = missingGrants(catalog, expected).map(withoutSemicolon);
  const steps =
    grants.length === 0
      ? []
      : [
          step(
            `role ${role.name} may read the columns of the contract`,
            'it reads what was there before the slot',
            grants,
          ),
        ];
  if (role.replication) return { steps, problems: [] };
  const missing = replicationRightMissing(role.name);
  if (!server.userIsSuperuser) return { steps, problems: [missing] };
  return {
    steps: [...steps, step(`role ${role.name} may replicate`, 'it reads the slot', [withoutSemicolon(missing.fix)])],
    problems: [],
  };
}

const withoutSemicolon = (sql: string) => sql.replace(/;$/, '');

function planSlot({ slot, server }: SourceCatalog, { slot: name, captured, confirmedAtMost }: ExpectedSource): Plan {
  const trouble = judgeSlot(slot, { name, database: server.database, captured, confirmedAtMost });
  if (!trouble) return { steps: [], problems: [] };
  if (trouble.kind !== 'slot_not_created') return { steps: [], problems: [trouble] };
  const failover = server.version >= 170_000 ? ', failover => true' : '';
  const created: SetupStep = {
    title: `replication slot ${name}`,
    why: 'from here on the server keeps what was not captured yet',
    price: 'while capture is stopped, WAL stays on the server, up to max_slot_wal_keep_size',
    sql: [`SELECT pg_create_logical_replication_slot(${quoteLiteral(name)}, 'pgoutput'${failover})`],
    kind: 'slot',
  };
  return { steps: [created], problems: [] };
}
