import type { PoolClient, QueryResult } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { CdcError } from '../core/errors';
import type { Database, Sql } from '../core/ports/sql';
import type { Side } from './errors';
import { type SessionOptions, Sessions } from './sessions';

/**
 * A database over a pool of connections; `side` decides the codes of its errors. Does not connect yet. Throws settings_invalid
 * for an unusable URL.
 *
 * A text without values may hold several commands, separated by semicolons; what it returns is the last one's.
 */
export function openDatabase(url: string, side: Side, options: SessionOptions): Database {
  return databaseOver(new Sessions(url, side, options), side);
}

/** The same over sessions that somebody else uses too. */
export function databaseOver(sessions: Sessions, side: Side): Database {
  return {
    ...sql(sessions, (work) => sessions.use(work)),
    transaction: (work, settings) => sessions.use((client) => transaction(sessions, side, client, work, settings)),
    close: () => sessions.close(),
  };
}

type Statement = readonly [text: string, values?: readonly unknown[], name?: string];

function sql(sessions: Sessions, lend: <T>(work: (client: PoolClient) => Promise<T>) => Promise<T>): Sql {
  const execute = (...statement: Statement) => lend((client) => run(sessions, client, ...statement));
  return {
    query: async <R>(...statement: Statement) => (await execute(...statement)).rows as R[],
    execute: async (...statement) => (await execute(...statement)).rowCount ?? 0,
    copy: (into, rows) => lend((client) => sessions.run(client, () => copy(client, into, rows))),
  };
}

function copy(client: PoolClient, into: string, rows: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = client.query(copyFrom(`COPY ${into} FROM STDIN`));
    stream.on('finish', () => resolve(stream.rowCount)).on('error', reject);
    stream.end(rows);
  });
}

async function run(sessions: Sessions, client: PoolClient, ...[text, values, name]: Statement): Promise<QueryResult> {
  const config = { text, ...(values && { values: [...values] }), ...(name && { name }) };
  const result: QueryResult | QueryResult[] = await sessions.run(client, () => client.query(config));
  return Array.isArray(result) ? result.at(-1)! : result;
}

async function transaction<T>(
  sessions: Sessions,
  side: Side,
  client: PoolClient,
  work: (tx: Sql) => Promise<T>,
  settings = '',
): Promise<T> {
  await run(sessions, client, `BEGIN; ${settings}`);
  let result: T;
  try {
    result = await work(sql(sessions, (use) => use(client)));
  } catch (error) {
    // A connection that cannot even roll back is broken; the pool sees that by itself, and the first error is the one that counts.
    await run(sessions, client, 'ROLLBACK').catch(() => {});
    throw error;
  }
  const { command } = await run(sessions, client, 'COMMIT');
  if (command === 'ROLLBACK') {
    throw new CdcError(`${side}_query`, 'the transaction was rolled back: a statement in it had failed unnoticed');
  }
  return result;
}
