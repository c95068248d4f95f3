import { CdcError } from '../core/errors';
import { type Lsn, parseLsn } from '../core/lsn';
import type { Sql } from '../core/ports/sql';
import type { InspectedTable, TableMark } from '../core/table-mark';
import type { Relation } from '../core/tuple';
import type { ExpectedSource } from './source-catalog';

/** The table as pgoutput would describe it now, or null when there is none. */
export async function describeTable(sql: Sql, schema: string, table: string): Promise<Relation | null> {
  const [found] = await sql.query<Relation>(DESCRIBE, [schema, table]);
  return found ?? null;
}

/**
 * The tables and where the WAL ends, read after them: what has changed them lies before that. Throws table_missing when one
 * went away in this moment.
 */
export async function inspectTables(
  sql: Sql,
  { tables, publication }: ExpectedSource,
): Promise<{ tables: InspectedTable[]; tablesLsn: Lsn }> {
  const inspected: InspectedTable[] = [];
  for (const { schema, table, columns } of tables) {
    const relation = await describeTable(sql, schema, table);
    const names = columns.map(({ name }) => name);
    const [mark] = await sql.query<TableMark>(MARK, [schema, table, publication, names]);
    if (!relation || !mark) throw new CdcError('table_missing', `table ${schema}.${table} does not exist`);
    inspected.push({ relation, mark });
  }
  // Not pg_current_wal_lsn(): what was committed asynchronously is visible before it is written.
  const [wal] = await sql.query<{ end: string }>('SELECT pg_current_wal_insert_lsn() AS end');
  return { tables: inspected, tablesLsn: parseLsn(wal!.end) };
}

/**
 * Identity columns marked, without dropped columns and those generated ones that no publication sends (virtual ones, and all
 * of them before PostgreSQL 18).
 */
const DESCRIBE = `
  SELECT c.oid, n.nspname AS schema, c.relname AS table, c.relreplident AS "replicaIdentity",
    (SELECT json_agg(json_build_object(
       'name', a.attname,
       'typeOid', a.atttypid::int8,
       'typeModifier', a.atttypmod,
       'identity', c.relreplident = 'f' OR coalesce(a.attnum = ANY (i.indkey), false)) ORDER BY a.attnum)
     FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped 
       AND (a.attgenerated = '' OR a.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000)) AS columns
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisvalid
    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`;

/**
 * Membership: the publication's own row (its options, FOR ALL TABLES), those that name the table, and those that name its
 * schema; a table held by its schema leaves when it moves to another one, which only its row in pg_class shows. Of a
 * partitioned table the leaves, because attaching and detaching them, and TRUNCATE of one, bring no changes of rows.
 */
const MARK = `
  SELECT c.oid,
    concat_ws(' ',
      (SELECT format('%s.%s', p.oid, p.xmin) FROM pg_publication p WHERE p.pubname = $3),
      (SELECT string_agg(format('%s.%s', r.oid, r.xmin), ' ' ORDER BY r.oid)
       FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
       WHERE p.pubname = $3 AND r.prrelid = c.oid),
      (SELECT string_agg(format('%s.%s.%s', s.oid, s.xmin, c.xmin), ' ' ORDER BY s.oid)
       FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid
       WHERE p.pubname = $3 AND s.pnnspid = c.relnamespace),
      (SELECT string_agg(format('%s.%s.%s', t.relid, i.xmin, pg_relation_filenode(t.relid)), ' ' ORDER BY t.relid)
       FROM pg_partition_tree(c.oid) t JOIN pg_inherits i ON i.inhrelid = t.relid WHERE t.isleaf AND t.level > 0)
    ) AS membership,
    coalesce(pg_relation_filenode(c.oid)::text, '') AS file,
    coalesce((
      SELECT json_object_agg(a.attname, json_build_object('number', a.attnum, 'version', a.xmin::text) ORDER BY a.attnum)
      FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY ($4::name[])), '{}') AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`;
