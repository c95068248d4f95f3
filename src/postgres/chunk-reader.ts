import type { Readable } from 'node:stream';
import type { PoolClient, QueryResult } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { CdcError } from '../core/errors';
import type { ChunkRequest, ChunkResult, MvccSnapshot } from '../core/ports/source';
import type { Tuple } from '../core/tuple';
import { asCondition } from './condition';
import { CopyRows } from './copy-rows';
import { quoteIdentifier, quoteLiteral, quoteQualified } from './identifiers';
import type { Sessions } from './sessions';

/** Each try but the first follows upon a statement that rewrote the table in that very moment. */
const MAX_TRIES = 10;

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
    for (let tries = MAX_TRIES; tries > 0; tries--) {
      try {
        const begun = await begin(sessions, client, request);
        if (!begun) continue;
        return accept(begun.snapshot) ? await read(sessions, client, request, begun.table, onRow) : null;
      } finally {
        // The transaction only read. Where even this fails, the connection is gone and with it the transaction.
        await sessions.run(client, () => client.query('ROLLBACK')).catch(() => {});
      }
    }
    throw new CdcError(
      'source_query',
      `${request.schema}.${request.table} is rewritten all the time; no chunk could be read`,
    );
  });
}

/** The table's state in the snapshot, or null when the table was rewritten after the snapshot was taken. */
async function begin(
  sessions: Sessions,
  client: PoolClient,
  { schema, table, keyColumn }: ChunkRequest,
): Promise<{ snapshot: MvccSnapshot; table: ChunkTable } | null> {
  const name = quoteQualified(schema, table);
  const oid = `${quoteLiteral(name)}::regclass`;
  // A TRUNCATE or a rewriting ALTER TABLE that commits after the snapshot leaves a table that looks empty in it, and the load would
  // end early. LOCK TABLE before the snapshot would need a right on the whole table, so the snapshot comes first, then a
  // SELECT that holds the table as it is (ACCESS SHARE), then the comparison of the file in the snapshot with the file now.
  const text = `
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SELECT pg_current_snapshot()::text AS snapshot;
    SELECT ${quoteIdentifier(keyColumn)} FROM ${name} LIMIT 0;
    SELECT relkind = 'p' AS partitioned, EXISTS (
      SELECT FROM pg_class
      WHERE (oid = ${oid} OR oid IN (SELECT relid FROM pg_partition_tree(${oid})))
        AND relfilenode <> pg_relation_filenode(oid)) AS rewritten
    FROM pg_class WHERE oid = ${oid};
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type,
           CASE WHEN atttypid NOT IN ('text'::regtype, 'varchar'::regtype)
             THEN quote_ident(nspname) || '.' || quote_ident(proname) END AS output
    FROM pg_attribute
    JOIN pg_type ON pg_type.oid = atttypid
    JOIN pg_proc ON pg_proc.oid = typoutput
    JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE attrelid = ${oid} AND attnum > 0 AND NOT attisdropped`;
  const results = (await sessions.run(client, () => client.query(text))) as unknown as QueryResult[];
  const [{ snapshot }, , { partitioned, rewritten }] = results.slice(1).map((result) => result.rows[0] ?? {});
  if (rewritten) return null;
  const columns: (ChunkColumn & { name: string })[] = results[4]!.rows;
  return {
    snapshot: parseSnapshot(snapshot),
    table: { partitioned, columns: new Map(columns.map((column) => [column.name, column])) },
  };
}

/** `xmin:xmax:xip,xip,…`, the text form of pg_snapshot. */
export function parseSnapshot(text: string): MvccSnapshot {
  const [xmin, xmax, running] = text.split(':');
  if (xmin === undefined || xmax === undefined || running === undefined)
    throw new RangeError(`not a snapshot: "${text}"`);
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: running === '' ? [] : running.split(',').map(BigInt) };
}

/** The key comes once more as last column, beyond those that were asked for. `upTo`: the last key that counts. */
export function chunkStatement(request: ChunkRequest, table: ChunkTable, upTo: string | null = null): string {
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
    upTo === null ? null : `${key} <= ${quoteLiteral(upTo)}::${keyType}`,
    request.keys ? `${key} IN (${request.keys.map((text) => `${quoteLiteral(text)}::${keyType}`).join(', ')})` : null,
    request.where === null ? null : asCondition(request.where),
  ].filter((condition) => condition !== null);
  const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
  const select = `SELECT ${values.join(', ')} FROM ${tableAs(request, table)}${where} ORDER BY ${key} LIMIT ${Math.trunc(request.limit)}`;
  return `COPY (${select}) TO STDOUT (FORMAT binary)`;
}

/** The last of the next `limit` keys, and how many there are. */
function spanStatement(request: ChunkRequest, table: ChunkTable): string {
  const key = `t.${quoteIdentifier(request.keyColumn)}`;
  const { type, output } = column(request, table, request.keyColumn);
  const after = request.after === null ? '' : ` WHERE ${key} > ${quoteLiteral(request.after)}::${type}`;
  const keys = `SELECT ${key} AS key FROM ${tableAs(request, table)}${after} ORDER BY ${key} LIMIT ${Math.trunc(request.limit)}`;
  const text = output === null ? 'key' : `${output}(key)::text`;
  return `SELECT ${text} AS last, count(*) OVER () AS count FROM (${keys}) AS keys ORDER BY keys.key DESC LIMIT 1`;
}

/** Tables that inherit in the old way are published by themselves. */
function tableAs({ schema, table }: ChunkRequest, { partitioned }: ChunkTable): string {
  return `${partitioned ? '' : 'ONLY '}${quoteQualified(schema, table)} AS t`;
}

function column({ schema, table: name }: ChunkRequest, table: ChunkTable, columnName: string): ChunkColumn {
  const found = table.columns.get(columnName);
  if (found) return found;
  throw new CdcError('contract_column_missing', `column ${columnName} of ${schema}.${name} does not exist`);
}

/**
 * Under a condition the chunk is a span of keys and not a number of rows: a search for rows that are rare would else hold its
 * snapshot for as long as it takes to read the whole table.
 */
async function read(
  sessions: Sessions,
  client: PoolClient,
  request: ChunkRequest,
  table: ChunkTable,
  onRow: (row: Tuple) => void,
): Promise<ChunkResult> {
  if (request.where === null || request.keys) return copy(sessions, client, request, table, null, onRow);
  const { rows } = await sessions.run(client, () => client.query(spanStatement(request, table)));
  const [span] = rows as { last: string; count: string }[];
  if (!span) return { rows: 0, bytes: 0, scanned: 0, lastKey: null, exhausted: true };
  const found = await copy(sessions, client, request, table, span.last, onRow);
  if (!found.exhausted && found.rows < request.limit) return found; // its bytes ended it
  const scanned = Number(span.count);
  return { ...found, scanned, lastKey: span.last, exhausted: scanned < request.limit };
}

async function copy(
  sessions: Sessions,
  client: PoolClient,
  request: ChunkRequest,
  table: ChunkTable,
  upTo: string | null,
  onRow: (row: Tuple) => void,
): Promise<ChunkResult> {
  const { maxBytes = Number.POSITIVE_INFINITY, limit } = request;
  const keyIndex = request.columns.length;
  const found = { rows: 0, bytes: 0, lastKey: null as string | null };
  let full = false;
  let last: Tuple | null = null;
  const parser = new CopyRows((row) => {
    if (full) return;
    found.rows++;
    found.bytes += row.ends[keyIndex]! - row.starts[0]!;
    last = row;
    row.count = keyIndex;
    onRow(row);
    full = found.bytes >= maxBytes && found.rows < limit;
    if (full) found.lastKey = valueText(row, keyIndex);
  });
  const stream = client.query(copyTo(chunkStatement(request, table, upTo)));
  await sessions.run(client, () => drain(stream, parser, () => full));
  if (full) {
    // The server would go on sending what nobody wants. Ending a client in the middle of a statement destroys its socket.
    void client.end().catch(() => {});
  } else {
    found.lastKey = last && valueText(last, keyIndex);
  }
  return { ...found, scanned: found.rows, exhausted: !full && found.rows < limit };
}

/** Reads until `enough`, else to the end even when a row was not wanted, so that the connection can go on. */
function drain(stream: Readable, parser: CopyRows, enough: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    let failed = false;
    stream.on('data', (chunk: Buffer) => {
      if (failed || enough()) return;
      try {
        parser.push(chunk);
        if (enough()) resolve();
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
