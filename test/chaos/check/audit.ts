import type { Client } from 'pg';
import type { AuditedChange, AuditedTable, TextRow, Truth } from './truth';

const TABLES = ['tenants', 'orders'] as const;
const PAGE = 20_000;

/** A trigger on each table that records every change, in the transaction that makes it. */
export async function installAudit(client: Client): Promise<void> {
  await client.query('CREATE SCHEMA audit; CREATE SEQUENCE audit.n');
  for (const table of TABLES) await client.query(auditOf(table));
}

const auditOf = (table: string) => `
  CREATE TABLE audit.${table} (
    n bigint PRIMARY KEY DEFAULT nextval('audit.n'),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    op text NOT NULL,
    statement timestamptz NOT NULL DEFAULT statement_timestamp(),
    old ventia.${table},
    new ventia.${table}
  );
  CREATE FUNCTION audit.record_${table}() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO audit.${table} (op, old, new) VALUES (left(TG_OP, 1), OLD, NEW);
    RETURN NULL;
  END $$;
  CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON ventia.${table}
    FOR EACH ROW EXECUTE FUNCTION audit.record_${table}();
  CREATE TRIGGER audit_truncate AFTER TRUNCATE ON ventia.${table} EXECUTE FUNCTION audit.record_${table}();`;

/** To be called while nobody writes: changes up to here are the state that the first load finds. */
export async function auditedSoFar(client: Client): Promise<number> {
  const { rows } = await client.query('SELECT last_value::int AS n FROM audit.n');
  return rows[0].n;
}

/**
 * Reads what was recorded. `columns` are those of the contract, by table. Throws when the audit does not add up to the
 * tables as they are: then it is no truth.
 */
export async function readTruth(
  client: Client,
  columns: Readonly<Record<string, readonly string[]>>,
  since: number,
): Promise<Truth> {
  const tables: AuditedTable[] = [];
  const changes: (readonly AuditedChange[])[] = [];
  for (const name of TABLES) {
    const select = await rowReader(client, name, columns[name]!);
    const recorded: AuditedChange[] = [];
    for (let from = 0; ; from = recorded.at(-1)!.n) {
      const page = await readPage(client, name, select, from);
      if (page.length === 0) break;
      recorded.push(...page);
    }
    const first = play(
      new Map(),
      recorded.filter(({ n }) => n <= since),
    );
    const after = recorded.filter(({ n }) => n > since);
    const last = await readTable(client, name, select);
    const found = differences(play(new Map(first), after), last);
    if (found.length > 0) throw new Error(`the audit of ${name} does not add up to the table: ${found.slice(0, 3)}`);
    const { rows } = await client.query('SELECT relreplident AS kind FROM pg_class WHERE oid = $1::regclass', [
      `ventia.${name}`,
    ]);
    const tenantColumn = name === 'tenants' ? 'id' : 'tenant_id';
    tables.push({ name, tenantColumn, replicaIdentity: rows[0].kind, first, last });
    changes.push(after);
  }
  return { tables, changes: changes.flat().sort((a, b) => a.n - b.n) };
}

interface RowReader {
  readonly columns: readonly string[];
  /** An SQL expression: a JSON array of the columns' texts of the row that `of` names. */
  of(row: string): string;
}

/** A column of the contract that the table does not have reads as null. */
async function rowReader(client: Client, table: string, columns: readonly string[]): Promise<RowReader> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT column_name AS name, data_type AS type FROM information_schema.columns
     WHERE table_schema = 'ventia' AND table_name = $1`,
    [table],
  );
  const types = new Map(rows.map(({ name, type }) => [name, type]));
  const text = (row: string, column: string) => {
    const type = types.get(column);
    if (type === undefined) return 'NULL';
    const value = `(${row}).${column}`;
    return type.startsWith('timestamp') ? `(extract(epoch FROM ${value}) * 1000000)::bigint::text` : `${value}::text`;
  };
  return { columns, of: (row) => `json_build_array(${columns.map((column) => text(row, column))})` };
}

async function readPage(client: Client, table: string, select: RowReader, from: number): Promise<AuditedChange[]> {
  const { rows } = await client.query(
    `SELECT n::int, (xid::xid)::text AS xid, op, statement::text,
            (extract(epoch FROM pg_xact_commit_timestamp(xid::xid)) * 1000000)::bigint::text AS committed,
            CASE WHEN op IN ('U', 'D') THEN ${select.of('old')} END AS old,
            CASE WHEN op IN ('I', 'U') THEN ${select.of('new')} END AS new
     FROM audit.${table} WHERE n > $1 ORDER BY n LIMIT ${PAGE}`,
    [from],
  );
  return rows.map((row) => ({
    table,
    n: row.n,
    xid: Number(row.xid),
    op: row.op,
    statement: row.statement,
    commitTime: BigInt(row.committed),
    old: row.old && rowOf(select.columns, row.old),
    new: row.new && rowOf(select.columns, row.new),
  }));
}

async function readTable(client: Client, table: string, select: RowReader): Promise<Map<string, TextRow>> {
  const { rows } = await client.query(`SELECT id::text, ${select.of('t')} AS row FROM ventia.${table} t`);
  return new Map(rows.map(({ id, row }) => [id, rowOf(select.columns, row)]));
}

const rowOf = (columns: readonly string[], values: readonly (string | null)[]): TextRow =>
  Object.fromEntries(columns.map((column, i) => [column, values[i]!]));

/** The rows after the changes. */
function play(rows: Map<string, TextRow>, changes: readonly AuditedChange[]): Map<string, TextRow> {
  for (const change of changes) {
    if (change.op === 'T') rows.clear();
    if (change.old) rows.delete(change.old.id!);
    if (change.new) rows.set(change.new.id!, change.new);
  }
  return rows;
}

/** Keys of rows that are not the same in both. */
export function differences(a: ReadonlyMap<string, TextRow>, b: ReadonlyMap<string, TextRow>): string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].filter((key) => !sameRow(a.get(key), b.get(key)));
}

function sameRow(a: TextRow | undefined, b: TextRow | undefined): boolean {
  return a !== undefined && b !== undefined && Object.keys(a).every((column) => a[column] === b[column]);
}
