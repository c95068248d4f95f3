import { CdcError } from '../core/errors';
import { quoteIdentifier, quoteQualified } from './identifiers';
import { existingColumns } from './preflight';
import {
  carriesIdentity,
  covers,
  describeWalPrice,
  IDENTITY_NAMES,
  identityColumns,
  neededIdentity,
  primaryKey,
} from './replica-identity';
import { LIST_PRICE, type Plan, type SetupStep, type SourceOptions, step } from './setup-step';
import type { PublicationFacts, SourceTable, TableFacts } from './source-catalog';

type Letter = TableFacts['replicaIdentity'];
type List = readonly string[] | null;

/** Replica identity of one table, and how it stands in a publication that holds it already. */
export function planTable(
  facts: TableFacts,
  wanted: SourceTable,
  publication: { readonly name: string; readonly facts: PublicationFacts | null },
  options: SourceOptions,
): Plan {
  const target = targetIdentity(facts, wanted, options);
  const list = wantedList(facts, wanted, options);
  const after = columnsOf(target, facts, wanted);
  const published = publication.facts?.tables.find((t) => t.schema === facts.schema && t.table === facts.table);
  const relist = (columns: List) => relistStep(facts, publication.name, columns);
  const identity = planIdentity(facts, wanted, target);
  const problems = [
    ...identityProblems(facts, wanted, target, after),
    ...listProblems(facts, wanted, target, list, after),
  ];

  if (!published || (sameSet(published.columns, list) && published.rowFilter === null))
    return { steps: identity, problems };
  // At every moment the list must cover the identity, or the application's UPDATE and DELETE are refused.
  const steps = allowed(list, identityColumns(facts))
    ? [relist(list), ...identity]
    : allowed(published.columns, after)
      ? [...identity, relist(list)]
      : [relist(null), ...identity, relist(list)];
  return { steps, problems };
}

/** `"schema"."table"`, with the column list where one is wanted. */
export function publicationEntry(facts: TableFacts, columns: List): string {
  const name = quoteQualified(facts.schema, facts.table);
  return columns ? `${name} (${columns.map(quoteIdentifier).join(', ')})` : name;
}

export function wantedList(facts: TableFacts, wanted: SourceTable, { columns }: SourceOptions): List {
  return columns === 'contract' ? existingColumns(facts, wanted) : null;
}

/** Keeps what suffices unless another was asked for; the primary key is the cheapest where it tells enough. */
function targetIdentity(facts: TableFacts, wanted: SourceTable, { identity }: SourceOptions): Letter {
  const enough = carriesIdentity(facts, wanted);
  if (covers(primaryKey(facts), neededIdentity(wanted))) return enough ? facts.replicaIdentity : 'd';
  if (identity === 'index') return 'i';
  return enough && identity === 'auto' ? facts.replicaIdentity : 'f';
}

/** What the identity will hold. */
function columnsOf(target: Letter, facts: TableFacts, wanted: SourceTable): readonly string[] {
  if (target === facts.replicaIdentity && carriesIdentity(facts, wanted)) return identityColumns(facts);
  if (target === 'i') return neededIdentity(wanted);
  return identityColumns({ ...facts, replicaIdentity: target });
}

function planIdentity(facts: TableFacts, wanted: SourceTable, target: Letter): SetupStep[] {
  if (facts.replicaIdentity === target && carriesIdentity(facts, wanted)) return [];
  const columns = neededIdentity(wanted);
  const title = `replica identity of ${nameOf(facts)}: ${IDENTITY_NAMES[target]}`;
  const why = `deletes must tell ${columns.join(' and ')}; now it is ${IDENTITY_NAMES[facts.replicaIdentity]}`;
  if (target === 'i') {
    const index = identityIndexName(facts.table);
    const there = facts.uniqueIndexes.some((i) => i.name === index && i.valid && sameSet(i.columns, columns));
    const use = step(title, why, [alterIdentity(facts, `USING INDEX ${quoteIdentifier(index)}`)], INDEX_PRICE);
    return there ? [use] : [createIndex(facts, index, columns), use];
  }
  const lagging = facts.partitions.filter(
    ({ replicaIdentity }) => replicaIdentity !== target && replicaIdentity !== 'f',
  );
  const sql = [facts, ...lagging].map((relation) => alterIdentity(relation, IDENTITY_NAMES[target]));
  return [step(title, why, sql, target === 'f' ? describeWalPrice(facts.activity) : null)];
}

function alterIdentity({ schema, table }: { schema: string; table: string }, identity: string): string {
  return `ALTER TABLE ${quoteQualified(schema, table)} REPLICA IDENTITY ${identity}`;
}

function createIndex(facts: TableFacts, index: string, columns: readonly string[]): SetupStep {
  const drop = `DROP INDEX CONCURRENTLY ${quoteQualified(facts.schema, index)}`;
  const on = `${quoteQualified(facts.schema, facts.table)} (${columns.map(quoteIdentifier).join(', ')})`;
  const create = `CREATE UNIQUE INDEX CONCURRENTLY ${quoteIdentifier(index)} ON ${on}`;
  return {
    title: `unique index on ${columns.join(', ')} of ${nameOf(facts)}`,
    why: 'the replica identity needs it; it is made beside running writes',
    price: null,
    // An attempt that was cut short leaves its index behind, invalid.
    sql: facts.invalidIndexes.includes(index) ? [drop, create] : [create],
    kind: 'concurrently',
  };
}

/** The table's name stays readable in it, and the whole within 63 bytes. */
export function identityIndexName(table: string): string {
  const suffix = '_cdc_identity';
  let head = table;
  while (Buffer.byteLength(head + suffix) > 63) head = [...head].slice(0, -1).join('');
  return head + suffix;
}

function relistStep(facts: TableFacts, publication: string, list: List): SetupStep {
  const alter = `ALTER PUBLICATION ${publication}`;
  const sql = `${alter} DROP TABLE ${publicationEntry(facts, null)}; ${alter} ADD TABLE ${publicationEntry(facts, list)}`;
  return list
    ? step(
        `publish the columns of the contract of ${nameOf(facts)}`,
        'publication.columns=contract: the others are not to leave the server',
        [sql],
        LIST_PRICE,
      )
    : step(
        `publish all columns and rows of ${nameOf(facts)}`,
        'a row filter hides changes, and a column list makes PostgreSQL refuse migrations of the application',
        [sql],
      );
}

/** What is not possible, or would make statements of the application fail because of other publications. */
function identityProblems(
  facts: TableFacts,
  wanted: SourceTable,
  target: Letter,
  after: readonly string[],
): CdcError[] {
  const name = nameOf(facts);
  const problems: CdcError[] = [];
  if (target === 'i' && facts.replicaIdentity !== 'i') {
    const nullable = neededIdentity(wanted).filter((column) =>
      facts.columns.some((c) => c.name === column && !c.notNull),
    );
    if (nullable.length > 0)
      problems.push(
        problem(`${nullable.join(', ')} of ${name} may be null: no index on it can be the replica identity`),
      );
    if (facts.partitioned) problems.push(problem(`${name} is partitioned: no index can be its replica identity`));
  }
  if (target === facts.replicaIdentity) return problems;
  const virtual = facts.columns.filter((column) => column.virtual).map((column) => column.name);
  if (target === 'f' && virtual.length > 0) {
    const what = `${virtual.join(', ')} of ${name} is generated when read: with replica identity FULL, PostgreSQL would refuse UPDATE and DELETE`;
    problems.push(problem(what, 'ventia-cdc setup --identity index'));
  }
  for (const { name: other, columns } of facts.foreignPublications) {
    if (!allowed(columns, after)) {
      const what = `publication ${other} lists columns of ${name}: with replica identity ${IDENTITY_NAMES[target]}, PostgreSQL would refuse UPDATE and DELETE`;
      problems.push(problem(what, `ventia-cdc setup --identity index, or take the column list out of ${other}.`));
    } else if (!covers(after, identityColumns(facts))) {
      problems.push(problem(`publication ${other} may need the present replica identity of ${name}`));
    }
  }
  return problems;
}

function listProblems(
  facts: TableFacts,
  wanted: SourceTable,
  target: Letter,
  list: List,
  after: readonly string[],
): CdcError[] {
  if (allowed(list, after)) return [];
  const fix =
    target !== 'f'
      ? 'Add the key to the contract, or set publication.columns=all in the connector file.'
      : covers(primaryKey(facts), neededIdentity(wanted))
        ? `${alterIdentity(facts, 'DEFAULT')}; or set publication.columns=all in the connector file.`
        : 'ventia-cdc setup --identity index, or set publication.columns=all in the connector file.';
  const what = `a column list of ${nameOf(facts)} with replica identity ${IDENTITY_NAMES[target]}: PostgreSQL would refuse UPDATE and DELETE`;
  return [problem(what, fix)];
}

const INDEX_PRICE =
  'should the index ever be dropped, UPDATE and DELETE on the table fail until its replica identity is set anew';

function problem(what: string, fix = 'ventia-cdc setup --identity full'): CdcError {
  return new CdcError('replica_identity', what, { fix });
}

/** A publication's column list must hold the whole identity of a table. */
function allowed(list: List, identity: readonly string[]): boolean {
  return list === null || covers(list, identity);
}

function sameSet(a: List, b: List): boolean {
  return a === b || (a !== null && b !== null && a.length === b.length && covers(a, b));
}

const nameOf = ({ schema, table }: { schema: string; table: string }) => `${schema}.${table}`;
