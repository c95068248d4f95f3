import { CdcError } from '../core/errors';
import type { SourceInspection } from '../core/ports/source';
import type { Sql } from '../core/ports/sql';
import { quoteIdentifier, quoteQualified } from './identifiers';
import { inspectTables } from './inspect-tables';
import { carriesIdentity, IDENTITY_NAMES, identityColumns, neededIdentity } from './replica-identity';
import { judgeSlot, readIdentity, readStandbys } from './slot';
import {
  type ExpectedSource,
  readSourceCatalog,
  type SourceCatalog,
  type SourceTable,
  type TableFacts,
} from './source-catalog';

/** One question to the source; every finding says what is wrong and how to mend it. */
export interface SourceCheck {
  readonly title: string;
  readonly judge: (catalog: SourceCatalog, expected: ExpectedSource) => readonly CdcError[];
}

/** Those that set-up cannot answer: somebody else has to. */
export const GIVEN_CHECKS: readonly SourceCheck[] = [
  {
    title: 'the server writes logical WAL',
    judge: ({ server }) =>
      server.walLevel === 'logical' ? [] : [new CdcError('wal_level', `wal_level is ${server.walLevel}, not logical`)],
  },
  {
    title: 'the tables exist',
    judge: (catalog, expected) =>
      expected.tables.flatMap(({ schema, table }, i) => {
        const facts = catalog.tables[i];
        if (!facts)
          return [
            new CdcError(
              'table_missing',
              `table ${schema}.${table} does not exist in database ${catalog.server.database}`,
            ),
          ];
        if (facts.publishable) return [];
        return [
          new CdcError(
            'table_missing',
            `${schema}.${table} is no table that can be published (a view, unlogged, temporary, foreign)`,
          ),
        ];
      }),
  },
  {
    title: 'the tables have the columns of the contract',
    judge: eachTable((facts, wanted) => {
      const there = facts.columns.filter(({ sendable }) => sendable).map(({ name }) => name);
      const missing = wanted.columns.filter(({ name, required }) => required && !there.includes(name));
      if (missing.length === 0) return [];
      return [
        new CdcError(
          'contract_column_missing',
          `${nameOf(wanted)} lacks ${missing.map(({ name }) => name).join(', ')}`,
        ),
      ];
    }),
  },
  {
    title: 'the keys are unique',
    judge: eachTable((facts, wanted) => {
      const unique = facts.uniqueIndexes.some(
        ({ columns, valid }) => valid && columns.length === 1 && columns[0] === wanted.keyColumn,
      );
      if (unique || facts.partitioned || !facts.columns.some(({ name }) => name === wanted.keyColumn)) return [];
      const key = `(${quoteIdentifier(wanted.keyColumn)})`;
      return [
        new CdcError('source_key', `nothing makes ${wanted.keyColumn} of ${nameOf(wanted)} unique`, {
          fix: `CREATE UNIQUE INDEX CONCURRENTLY ON ${quoted(wanted)} ${key};`,
        }),
      ];
    }),
  },
];

/** All that capture needs. */
export const SOURCE_CHECKS: readonly SourceCheck[] = [
  ...GIVEN_CHECKS,
  {
    title: 'the role may replicate',
    judge: ({ role }) => (role.replication ? [] : [replicationRightMissing(role.name)]),
  },
  {
    title: 'the role may read the columns of the contract',
    judge: (catalog, expected) => {
      const grants = missingGrants(catalog, expected);
      if (grants.length === 0) return [];
      return [
        new CdcError('source_permission', `role ${catalog.role.name} may not read all columns of the contract`, {
          fix: grants.join(' '),
        }),
      ];
    },
  },
  {
    title: 'the publication holds the tables',
    judge: ({ publication, tables, server }, expected) => {
      const { publication: name } = expected;
      if (!publication)
        return [
          new CdcError('publication_missing', `publication ${name} does not exist in database ${server.database}`),
        ];
      const incomplete = (what: string) => new CdcError('publication_incomplete', `publication ${name} ${what}`);
      return [
        ...(publication.allOperations ? [] : [incomplete('leaves out some of insert, update, delete, truncate')]),
        ...expected.tables.flatMap((wanted, i) => {
          const facts = tables[i];
          if (!facts) return [];
          const entry = publication.tables.find(
            ({ schema, table }) => schema === wanted.schema && table === wanted.table,
          );
          if (!entry) return [incomplete(`does not hold ${nameOf(wanted)}`)];
          if (entry.rowFilter !== null) return [incomplete(`has a row filter on ${nameOf(wanted)}`)];
          const unlisted = existingColumns(facts, wanted).filter(
            (column) => !(entry.columns?.includes(column) ?? true),
          );
          return unlisted.length === 0 ? [] : [incomplete(`does not list ${unlisted.join(', ')} of ${nameOf(wanted)}`)];
        }),
      ];
    },
  },
  {
    title: 'deletes tell key and tenant',
    judge: eachTable((facts, wanted) => {
      if (carriesIdentity(facts, wanted)) return [];
      const carried = identityColumns(facts);
      const missing = neededIdentity(wanted).filter((column) => !carried.includes(column));
      const lacks =
        missing.length > 0 ? `deletes do not tell ${missing.join(', ')}` : 'partitions of it have another one';
      return [
        new CdcError(
          'replica_identity',
          `replica identity of ${nameOf(wanted)} is ${IDENTITY_NAMES[facts.replicaIdentity]}: ${lacks}`,
        ),
      ];
    }),
  },
  {
    title: 'the slot is there and whole',
    judge: ({ slot, server }, { slot: name, captured, confirmedAtMost }) => {
      const trouble = judgeSlot(slot, { name, database: server.database, captured, confirmedAtMost });
      return trouble ? [trouble] : [];
    },
  },
];

/** Every finding, in the order of {@link SOURCE_CHECKS}; empty when capture can start. */
export function judgeSource(catalog: SourceCatalog, expected: ExpectedSource): CdcError[] {
  return SOURCE_CHECKS.flatMap(({ judge }) => judge(catalog, expected));
}

/** The same for a live source: one that cannot be asked (unreachable, login refused, too old, stand-by) is the only finding. */
export async function preflight(sql: Sql, expected: ExpectedSource): Promise<CdcError[]> {
  try {
    return judgeSource(await readSourceCatalog(sql, expected), expected);
  } catch (error) {
    if (error instanceof CdcError) return [error];
    throw error;
  }
}

/** What capture must know before it streams; throws the first finding. Cheap enough for every few seconds. */
export async function inspectSource(sql: Sql, expected: ExpectedSource): Promise<SourceInspection> {
  const catalog = await readSourceCatalog(sql, expected);
  const [first] = judgeSource(catalog, expected);
  if (first) throw first;
  const slot = catalog.slot!;
  return {
    ...(await inspectTables(sql, expected)),
    ...(await readIdentity(sql)),
    confirmedLsn: slot.confirmedLsn!,
    slot,
    standbys: await readStandbys(sql),
  };
}

export function replicationRightMissing(role: string): CdcError {
  return new CdcError('replication_right_missing', `role ${role} has no right to replicate`, {
    fix: `ALTER ROLE ${quoteIdentifier(role)} REPLICATION;`,
  });
}

/** What the capturing role lacks to read chunks: no more than the contract's columns. */
export function missingGrants({ role, tables }: SourceCatalog, expected: ExpectedSource): string[] {
  const grants = expected.tables.flatMap((wanted, i) => {
    const facts = tables[i];
    if (!facts) return [];
    const to = `TO ${quoteIdentifier(role.name)};`;
    const unreadable = existingColumns(facts, wanted).filter((column) => !facts.readableColumns.includes(column));
    const columns = existingColumns(facts, wanted).map(quoteIdentifier).join(', ');
    return [
      ...(facts.schemaUsable ? [] : [`GRANT USAGE ON SCHEMA ${quoteIdentifier(wanted.schema)} ${to}`]),
      ...(unreadable.length === 0 ? [] : [`GRANT SELECT (${columns}) ON ${quoted(wanted)} ${to}`]),
    ];
  });
  return [...new Set(grants)];
}

/** Columns of the contract that the table has, and that PostgreSQL would send. */
export function existingColumns(facts: TableFacts, wanted: SourceTable): string[] {
  const there = facts.columns.filter(({ sendable }) => sendable).map(({ name }) => name);
  return wanted.columns.map(({ name }) => name).filter((name) => there.includes(name));
}

const nameOf = ({ schema, table }: SourceTable) => `${schema}.${table}`;
const quoted = ({ schema, table }: SourceTable) => quoteQualified(schema, table);

function eachTable(judge: (facts: TableFacts, wanted: SourceTable) => readonly CdcError[]): SourceCheck['judge'] {
  return (catalog, expected) =>
    expected.tables.flatMap((wanted, i) => {
      const facts = catalog.tables[i];
      return facts ? judge(facts, wanted) : [];
    });
}
