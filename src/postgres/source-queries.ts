import type { SourceQueries } from '../core/ports/source';
import { readChunk } from './chunk-reader';
import { checkCondition } from './condition';
import type { ConnectionOptions } from './connection';
import { databaseOver } from './database';
import { describeTable } from './inspect-tables';
import { Sessions } from './sessions';

const SESSION = {
  // A policy that would hide rows from us makes the statement fail instead: a load with holes is worse than none.
  row_security: 'off',
  // A watermark must not wait for a stand-by that does not answer: it is read from the WAL.
  synchronous_commit: 'local',
};

/** Queries beside the stream. Does not connect yet. Throws settings_invalid for an unusable URL. */
export function openSourceQueries(url: string, options: ConnectionOptions): SourceQueries {
  const sessions = new Sessions(url, 'source', { ...options, session: { ...options.session, ...SESSION }, max: 3 });
  const db = databaseOver(sessions, 'source');
  return {
    describe: (schema, table) => describeTable(db, schema, table),
    emitMessage: async (prefix, content) => {
      await db.query('SELECT pg_logical_emit_message(true, $1, $2)', [prefix, content], 'emit_message');
    },
    checkCondition: (schema, table, where) => checkCondition(sessions, schema, table, where),
    readChunk: (request, accept, onRow) => readChunk(sessions, request, accept, onRow),
    estimateRows: async (schema, table) => {
      const [found] = await db.query<{ rows: number }>(ESTIMATE, [schema, table]);
      return found?.rows ?? 0;
    },
    close: () => db.close(),
  };
}

/** -1 = never counted. A partitioned table's own count comes from ANALYZE only, so its partitions' are added up. */
const ESTIMATE = `
  SELECT sum(greatest(p.reltuples, 0))::float8 AS rows
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_partition_tree(c.oid) tree ON tree.isleaf
  JOIN pg_class p ON p.oid = coalesce(tree.relid, c.oid)
  WHERE n.nspname = $1 AND c.relname = $2`;
