import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog, Table } from './catalog';

const NEEDED: Readonly<Record<Table, readonly string[]>> = {
  accounts: ['SELECT', 'INSERT', 'UPDATE'],
  labels: ['SELECT', 'INSERT', 'UPDATE'],
  contacts: ['SELECT', 'INSERT', 'UPDATE'],
  contact_inboxes: ['SELECT'],
};

/** What the role that asks lacks to do a sink's work on Messaging's own tables, as statements for their owner. */
export async function missingRights(sql: Sql, { tables }: MessagingCatalog): Promise<string[]> {
  const wanted = Object.entries(NEEDED).flatMap(([table, rights]) =>
    rights.map((right) => [tables[table as Table], right] as const),
  );
  const rows = await sql.query<{ grant: string }>(
    `SELECT format('GRANT %s ON %s TO %I;', string_agg(w.privilege, ', '), w.name, current_user) AS grant
     FROM unnest($1::text[], $2::text[]) AS w (name, privilege)
     WHERE NOT has_table_privilege(w.name, w.privilege) GROUP BY w.name
     UNION ALL
     SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s.name, current_user)
     FROM unnest($3::text[]) AS w (name), pg_get_serial_sequence(w.name, 'id') AS s (name)
     WHERE s.name IS NOT NULL AND NOT has_sequence_privilege(s.name, 'USAGE')`,
    [wanted.map(([name]) => name), wanted.map(([, right]) => right), [tables.accounts, tables.labels, tables.contacts]],
  );
  return rows.map(({ grant }) => grant);
}
