import { DatabaseError, type PoolClient } from 'pg';
import { CdcError } from '../core/errors';
import { toSourceError } from './errors';
import { quoteQualified } from './identifiers';
import type { Sessions } from './sessions';

/** A condition in parentheses, on lines of its own, so that a comment at its end comments out nothing of ours. */
export function asCondition(where: string): string {
  return `(\n${where}\n)`;
}

/**
 * The condition once in parentheses and once in brackets. A text that closes what it has not opened, to become more than a
 * condition (`true) UNION SELECT …`), can do so in one of them at most; one that ends the statement can in none, because the
 * extended protocol takes a single one. Behind the text comes nothing that could end a quote or a comment which it opens.
 */
const FORMS = [
  { before: '(\n', after: '\n) LIMIT 0' },
  { before: 'true = ALL (ARRAY[\n', after: '\n]) LIMIT 0' },
];

/** See the port SourceQueries. The statement is planned and its rights are checked, no row is read. */
export async function checkCondition(sessions: Sessions, schema: string, table: string, where: string): Promise<void> {
  if (where.trim() === '') throw new CdcError('snapshot_where', 'the condition is empty');
  await sessions.use(async (client) => {
    try {
      await sessions.run(client, () => client.query('BEGIN READ ONLY'));
      for (const { before, after } of FORMS) {
        const start = `SELECT FROM ${quoteQualified(schema, table)} AS t WHERE ${before}`;
        await sessions.run(client, () => attempt(client, start, where, after));
      }
    } finally {
      await sessions.run(client, () => client.query('ROLLBACK')).catch(() => {});
    }
  });
}

async function attempt(client: PoolClient, before: string, where: string, after: string): Promise<void> {
  try {
    await client.query({ text: before + where + after, queryMode: 'extended' } as never);
  } catch (error) {
    throw refused(error, [...before].length, [...where].length);
  }
}

/** What the condition itself is to blame for. The server's text quotes it, so only names and the place are told. */
function refused(error: unknown, offset: number, length: number): CdcError {
  const trouble = toSourceError(error);
  // 08P01: it has a parameter, $1.
  if (!(error instanceof DatabaseError) || !/^(08P01|0A|21|22|42|54)/.test(error.code ?? '')) return trouble;
  const at = Number(error.position) - offset;
  const inside = at >= 1 && at <= length;
  if (trouble.kind === 'source_permission' || (trouble.kind === 'table_missing' && !inside)) return trouble;
  const place = inside ? `, at character ${at}` : at > length ? ', at its end' : '';
  return new CdcError('snapshot_where', `the condition is refused${place}: ${trouble.message}`, {
    ...(trouble.sqlState && { sqlState: trouble.sqlState }),
  });
}
