import type { Readable } from 'node:stream';
import type { PoolClient, QueryResult } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { CdcError } from '../core/errors';
import type { ChunkRequest, ChunkResult, MvccSnapshot } from '../core/ports/source';
import type { Tuple } from '../core/tuple';
import { CopyRows } from './copy-rows';
import { quoteIdentifier, quoteLiteral, quoteQualified } from './identifiers';
import type { Sessions } from './sessions';

/** What the catalog must say before a chunk can be read. */
interface ChunkTable {
  readonly partitioned: boolean;
  /** By column name. */
  readonly columns: ReadonlyMap<string, ChunkColumn>;
}

interface ChunkColumn {
  /** For casting a key: `bigint`, `character varying(40)`. */
  readonly type: string;
  /** Quoted name of the type's output function; null when the value is text already. */
  readonly output: string | null;
}

/** One keyset chunk in one snapshot; see the port SourceQueries. */
export async function readChunk(
  sessions: Sessions,
  request: ChunkRequest,
  accept: (snapshot: MvccSnapshot) => boolean,
  onRow: (row: Tuple) => void,
): Promise<ChunkResult | null> {
  return sessions.use(async (client) => {
    try {
      const { snapshot, table } = await begin(sessions, client, request);
      if (!accept(snapshot)) return null;
      return await copy(sessions, client, request, table, onRow);
    } finally {
      // The transaction only read. Where even this fails, the connection is gone and with it the transaction.
      await sessions.run(client, () => client.query('ROLLBACK')).catch(() => {});
    }
  });
}

/**
 * The table is locked before the snapshot is taken: a TRUNCATE or a rewriting ALTER TABLE that committed in between would leave
 * an empty table to this snapshot, and the load would end early. ACCESS SHARE is what any SELECT takes.
 */
async function begin(
  sessions: Sessions,
  client: PoolClient,
  { schema, table }: ChunkRequest,
): Promise<{ snapshot: MvccSnapshot; table: ChunkTable }> {
  const name = quoteQualified(schema, table);
  const text = `
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    LOCK TABLE ${name} IN ACCESS SHARE MODE;
    SELECT pg_current_snapshot()::text AS snapshot, relkind = 'p' AS partitioned FROM pg_class WHERE oid = ${quoteLiteral(name)}::regclass;
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type,
           CASE WHEN atttypid NOT IN ('text'::regtype, 'varchar'::regtype)
             THEN quote_ident(nspname) || '.' || quote_ident(proname) END AS output
    FROM pg_attribute
    JOIN pg_type ON pg_type.oid = atttypid
    JOIN pg_proc ON pg_proc.oid = typoutput
    JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE attrelid = ${quoteLiteral(name)}::regclass AND attnum > 0 AND NOT attisdropped`;
  const results = (await sessions.run(client, () => client.query(text))) as unknown as QueryResult[];
  const relation = results[2]!.rows[0];
  const columns: (ChunkColumn & { name: string })[] = results[3]!.rows;
  return {
    snapshot: parseSnapshot(relation.snapshot),
    table: {
      partitioned: relation.partitioned,
      columns: new Map(columns.map((column) => [column.name, column])),
    },
  };
}

/** `xmin:xmax:xip,xip,…`, the text form of pg_snapshot. */
export function parseSnapshot(text: string): MvccSnapshot {
  const [xmin, xmax, running] = text.split(':');
  if (xmin === undefined || xmax === undefined || running === undefined)
    throw new RangeError(`not a snapshot: "${text}"`);
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: running === '' ? [] : running.split(',').map(BigInt) };
}

/** The key comes once more as last column, beyond those that were asked for. */
export function chunkStatement(request: ChunkRequest, table: ChunkTable): string {
  const key = `t.${quoteIdentifier(request.keyColumn)}`;
  const keyType = column(request, table, request.keyColumn).type;
  const values = [...request.columns, request.keyColumn].map((name) => {
    const { output } = column(request, table, name);
    const value = `t.${quoteIdentifier(name)}`;
    // A cast to text is not always what the output function writes, and that is what the stream sends (bool, char(n), inet).
    return output === null ? value : `${output}(${value})::text`;
  });
  const conditions = [
    request.after === null ? null : `${key} > ${quoteLiteral(request.after)}::${keyType}`,
    // On lines of its own, so that a comment at its end comments out nothing of ours.
    request.where === null ? null : `(\n${request.where}\n)`,
  ].filter((condition) => condition !== null);
  // Tables that inherit in the old way are published by themselves.
  const from = `${table.partitioned ? '' : 'ONLY '}${quoteQualified(request.schema, request.table)} AS t`;
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
  const select = `SELECT ${values.join(', ')} FROM ${from}${where} ORDER BY ${key} LIMIT ${Math.trunc(request.limit)}`;
  return `COPY (${select}) TO STDOUT (FORMAT binary)`;
}

function column({ schema, table: name }: ChunkRequest, table: ChunkTable, columnName: string): ChunkColumn {
  const found = table.columns.get(columnName);
  if (found) return found;
  throw new CdcError('contract_column_missing', `column ${columnName} of ${schema}.${name} does not exist`);
}

async function copy(
  sessions: Sessions,
  client: PoolClient,
  request: ChunkRequest,
  table: ChunkTable,
  onRow: (row: Tuple) => void,
): Promise<ChunkResult> {
  const keyIndex = request.columns.length;
  let rows = 0;
  let last: Tuple | null = null;
  const parser = new CopyRows((row) => {
    rows++;
    last = row;
    row.count = keyIndex;
    onRow(row);
  });
  await sessions.run(client, () => drain(client.query(copyTo(chunkStatement(request, table))), parser));
  return { rows, lastKey: last && valueText(last, keyIndex), exhausted: rows < request.limit };
}

/** Reads to the end even when a row was not wanted, so that the connection can go on. */
function drain(stream: Readable, parser: CopyRows): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    let failed = false;
    stream.on('data', (chunk: Buffer) => {
      if (failed) return;
      try {
        parser.push(chunk);
      } catch (error) {
        failed = true;
        failure = error;
      }
    });
    stream.on('end', () => (failed ? reject(failure) : resolve()));
    stream.on('error', reject);
  });
}

function valueText(row: Tuple, column: number): string {
  return row.bytes.toString('utf8', row.starts[column], row.ends[column]);
}
