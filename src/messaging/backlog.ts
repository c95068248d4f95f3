import type { Backlog } from '../core/ports/sink';
import type { Sql } from '../core/ports/sql';
import type { Subject } from './work';

/** Both counts are of few rows, and the second by an index of its own. */
const BACKLOG = `
  SELECT d.count AS dead_letters, d.since AS dead_since, p.count AS parked, p.since AS parked_since
  FROM (SELECT count(*)::integer, extract(epoch FROM min(failed_at))::float8 * 1000 AS since
        FROM cdc.dead_letter WHERE source_table = $1) d,
       (SELECT count(*)::integer, min(commit_us)::float8 / 1000 AS since
        FROM cdc.order_fact WHERE parked AND NOT deleted AND $1 = 'orders') p`;

/** What waits in the ledger: dead letters of the table, and for orders those without their tenant. */
export async function readBacklog(sql: Sql, subject: Subject): Promise<Backlog> {
  const [row] = await sql.query<BacklogRow>(BACKLOG, [subject]);
  const { dead_letters, dead_since, parked, parked_since } = row!;
  return { deadLetters: dead_letters, deadLettersSinceMs: dead_since, parked, parkedSinceMs: parked_since };
}

interface BacklogRow {
  readonly dead_letters: number;
  readonly dead_since: number | null;
  readonly parked: number;
  readonly parked_since: number | null;
}
