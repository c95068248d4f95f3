import { CdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { Sql } from '../core/ports/sql';
import { type ObservedSlot, observeSlot } from './slot';

/** What the pipeline needs of one table. */
export interface SourceTable {
  readonly schema: string;
  readonly table: string;
  /** Of the contract. A column that is not required may be absent from the table. */
  readonly columns: readonly { readonly name: string; readonly required: boolean }[];
  readonly keyColumn: string;
  /** May be the key itself. A delete must tell both. */
  readonly tenantColumn: string;
}

export interface ExpectedSource {
  readonly tables: readonly SourceTable[];
  readonly publication: string;
  readonly slot: string;
  /** Changes were captured through the slot before: one that is missing then is a loss. */
  readonly captured: boolean;
  /** What was ever confirmed to the server, at most; null = not known. */
  readonly confirmedAtMost: Lsn | null;
  /** Role that captures; null = the one that asks. */
  readonly role: string | null;
}

/** The source as its catalog shows it: plain values, on which preflight and set-up decide. */
export interface SourceCatalog {
  readonly server: ServerFacts;
  readonly role: RoleFacts;
  /** In the order asked for; null where no such table exists. */
  readonly tables: readonly (TableFacts | null)[];
  readonly publication: PublicationFacts | null;
  readonly slot: ObservedSlot | null;
}

export interface ServerFacts {
  /** 150004 is 15.4. */
  readonly version: number;
  readonly walLevel: string;
  readonly standby: boolean;
  readonly database: string;
  /** Whoever asks. */
  readonly user: string;
  readonly userIsSuperuser: boolean;
}

export interface RoleFacts {
  readonly name: string;
  readonly exists: boolean;
  readonly replication: boolean;
}

export interface TableFacts {
  readonly schema: string;
  readonly table: string;
  /** Ordinary or partitioned, and written to the WAL. */
  readonly publishable: boolean;
  readonly partitioned: boolean;
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  readonly columns: readonly ColumnFacts[];
  /** Unique, without predicate, expression or deferral. Columns in no order. */
  readonly uniqueIndexes: readonly IndexFacts[];
  /** Indexes of all kinds that a broken CREATE INDEX CONCURRENTLY left, by name. */
  readonly invalidIndexes: readonly string[];
  readonly partitions: readonly { readonly schema: string; readonly table: string; readonly replicaIdentity: string }[];
  /** Publications other than ours that hold the table, with their column list where they have one. */
  readonly foreignPublications: readonly { readonly name: string; readonly columns: readonly string[] | null }[];
  /** What the role may do. */
  readonly schemaUsable: boolean;
  readonly readableColumns: readonly string[];
  readonly activity: Activity;
}

export interface ColumnFacts {
  readonly name: string;
  readonly notNull: boolean;
  /** False for generated columns that no publication sends: virtual ones, and all of them before PostgreSQL 18. */
  readonly sendable: boolean;
  /** Generated when read. A replica identity must not hold it, or UPDATE and DELETE are refused. */
  readonly virtual: boolean;
}

export interface IndexFacts {
  readonly name: string;
  readonly columns: readonly string[];
  readonly valid: boolean;
  readonly primary: boolean;
  readonly identity: boolean;
}

/** Statistics for the price of a replica identity. */
export interface Activity {
  /** Average width of a row in bytes; null when the table was never analyzed. */
  readonly rowBytes: number | null;
  /** Updates and deletes counted, and over how many seconds. */
  readonly changes: number;
  readonly seconds: number;
}

export interface PublicationFacts {
  readonly allOperations: boolean;
  readonly viaRoot: boolean;
  readonly allTables: boolean;
  /** Whether stored generated columns are sent; null before PostgreSQL 18, which cannot. */
  readonly generatedColumns: boolean | null;
  readonly tables: readonly {
    readonly schema: string;
    readonly table: string;
    /** Null = all. */
    readonly columns: readonly string[] | null;
    readonly rowFilter: string | null;
  }[];
}

/**
 * Reads all that preflight and set-up need, in a few statements. Only `server` is asked of a server that is too old for the rest or a
 * stand-by: throws source_version or source_standby.
 */
export async function readSourceCatalog(sql: Sql, expected: ExpectedSource): Promise<SourceCatalog> {
  const [server] = await sql.query<ServerFacts>(SERVER);
  const trouble = judgeServer(server!);
  if (trouble) throw trouble;
  const schemas = expected.tables.map(({ schema }) => schema);
  const tables = expected.tables.map(({ table }) => table);
  const [role] = await sql.query<RoleFacts>(ROLE, [expected.role]);
  const [publication] = await sql.query<PublicationFacts>(PUBLICATION, [expected.publication]);
  const found = await sql.query<TableFacts>(TABLES, [
    schemas,
    tables,
    expected.publication,
    role!.exists ? role!.name : null,
  ]);
  return {
    server: server!,
    role: role!,
    tables: expected.tables.map(
      ({ schema, table }) => found.find((facts) => facts.schema === schema && facts.table === table) ?? null,
    ),
    publication: publication ?? null,
    slot: await observeSlot(sql, expected.slot),
  };
}

/** What makes all further questions moot. */
export function judgeServer({ version, standby }: ServerFacts): CdcError | null {
  if (version < 150_000)
    return new CdcError('source_version', `the source is PostgreSQL ${Math.trunc(version / 10_000)}`);
  return standby ? new CdcError('source_standby', 'the source is in recovery: it is a stand-by') : null;
}

const SERVER = `
  SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS "walLevel",
    pg_is_in_recovery() AS standby, current_database()::text AS database, current_user::text AS user,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS "userIsSuperuser"`;

/** Some hosts grant the right through a role of their own instead of the attribute. */
const ROLE = `
  SELECT name, r.oid IS NOT NULL AS exists,
    coalesce(r.rolreplication OR r.rolsuper OR EXISTS (
      SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(r.oid, g.oid, 'MEMBER')), false) AS replication
  FROM (SELECT coalesce($1, current_user::text) AS name) wanted
  LEFT JOIN pg_roles r ON r.rolname = name`;

const PUBLICATION = `
  SELECT p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS "allOperations",
    p.pubviaroot AS "viaRoot", p.puballtables AS "allTables",
    to_jsonb(p) ->> 'pubgencols' = 's' AS "generatedColumns",
    coalesce((
      SELECT json_agg(json_build_object('schema', t.schemaname, 'table', t.tablename, 'rowFilter', t.rowfilter, 'columns', (
        SELECT json_agg(a.attname)
        FROM pg_publication_rel r
        JOIN pg_class c ON c.oid = r.prrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (r.prattrs)
        WHERE r.prpubid = p.oid AND n.nspname = t.schemaname AND c.relname = t.tablename)))
      FROM pg_publication_tables t WHERE t.pubname = p.pubname), '[]') AS tables
  FROM pg_publication p WHERE p.pubname = $1`;

const TABLES = `
  SELECT n.nspname::text AS schema, c.relname::text AS table,
    c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AS publishable,
    c.relkind = 'p' AS partitioned,
    c.relreplident::text AS "replicaIdentity",
    (SELECT json_agg(json_build_object('name', a.attname, 'notNull', a.attnotnull, 'virtual', a.attgenerated = 'v',
       'sendable', a.attgenerated = '' OR a.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000) ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    coalesce((
      SELECT json_agg(json_build_object('name', x.relname, 'valid', i.indisvalid, 'primary', i.indisprimary,
        'identity', i.indisreplident, 'columns', (
          SELECT json_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))))
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL), '[]') AS "uniqueIndexes",
    coalesce((
      SELECT json_agg(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      WHERE i.indrelid = c.oid AND NOT i.indisvalid), '[]') AS "invalidIndexes",
    coalesce((
      SELECT json_agg(json_build_object('schema', s.nspname, 'table', l.relname, 'replicaIdentity', l.relreplident))
      FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid JOIN pg_namespace s ON s.oid = l.relnamespace
      WHERE l.oid <> c.oid), '[]') AS partitions,
    coalesce((
      SELECT json_agg(json_build_object('name', p.pubname, 'columns', (
        SELECT json_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs))))
      FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
      WHERE r.prrelid = c.oid AND p.pubname <> $3), '[]') AS "foreignPublications",
    coalesce(has_schema_privilege($4::name, n.oid, 'USAGE'), false) AS "schemaUsable",
    coalesce((
      SELECT json_agg(a.attname) FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege($4::name, c.oid, a.attnum, 'SELECT')), '[]')
      AS "readableColumns",
    json_build_object(
      'rowBytes', (SELECT sum(s.avg_width * (1 - s.null_frac)) FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname),
      'changes', (SELECT coalesce(sum(s.n_tup_upd + s.n_tup_del), 0) FROM pg_stat_all_tables s
                  WHERE s.relid = c.oid OR s.relid IN (SELECT relid FROM pg_partition_tree(c.oid))),
      'seconds', (SELECT extract(epoch FROM now() - coalesce(d.stats_reset, pg_postmaster_start_time()))
                  FROM pg_stat_database d WHERE d.datname = current_database())) AS activity
  FROM unnest($1::text[], $2::text[]) wanted(schema, name)
  JOIN pg_namespace n ON n.nspname = wanted.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name`;
