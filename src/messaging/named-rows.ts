import type { Sql } from '../core/ports/sql';
import type { RealIds } from './ids';
import { RaceLost } from './race';
import { type Column, copy, names } from './rows';

/** Rows of Messaging to be inserted, to which others refer by a name until then. */
export interface NamedRows<R> {
  /** The table, quoted and qualified. */
  readonly into: string;
  /** What makes an id, as the table's own default does. */
  readonly newId: string;
  readonly columns: readonly Column<R>[];
}

/**
 * Gives the rows their ids and inserts them. Ids are made first, so that nothing need be read back. Throws RaceLost when
 * something of the application's took rows away, which would be missed by what refers to them.
 */
export async function insertNamed<R extends { readonly id: string }>(
  sql: Sql,
  { into, newId, columns }: NamedRows<R>,
  rows: readonly R[],
  ids: RealIds,
): Promise<void> {
  if (rows.length === 0) return;
  const statement = `SELECT (${newId})::text AS id FROM generate_series(1, $1)`;
  const made = await sql.query<{ id: string }>(statement, [rows.length], `new ids ${into}`);
  rows.forEach((row, i) => {
    ids.set(row.id, made[i]!.id);
  });
  if ((await copy(sql, `${into} (${names(columns)})`, columns, rows, ids)) < rows.length) throw new RaceLost();
}
