import type { Sql } from '../core/ports/sql';
import { quoteIdentifier } from '../postgres/identifiers';

/**
 * What the sinks' role lacks in the ledger. The owner and a superuser lack nothing. `incomplete`: tables are still to be made.
 */
export async function planLedgerGrants(sql: Sql, role: string, incomplete: boolean): Promise<string[]> {
  const [me] = await sql.query<{ user: string }>('SELECT current_user::text AS user');
  if (me!.user === role) return [];
  const [found] = await sql.query<{ complete: boolean }>(
    `SELECT r.rolsuper OR NOT $2 AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND (
       SELECT bool_and(has_table_privilege(r.oid, c.oid, 'SELECT') AND has_table_privilege(r.oid, c.oid, 'INSERT') AND
                       has_table_privilege(r.oid, c.oid, 'UPDATE') AND has_table_privilege(r.oid, c.oid, 'DELETE'))
       FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'v')) AS complete
     FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = 'cdc' WHERE r.rolname = $1`,
    [role, incomplete],
  );
  if (found?.complete) return [];
  const to = `TO ${quoteIdentifier(role)}`;
  return [`GRANT USAGE ON SCHEMA cdc ${to}`, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA cdc ${to}`];
}
