import type { TestPipeline } from './pipeline';
import type { TopicChange } from './topics';

const COLUMNS = ['id', 'tenant_id', 'name', 'customer_name', 'customer_email'];

/** What is left of each place after compaction, and by position: the rows of the table. No position is there twice. */
export async function expectTopicIsTable(
  pipeline: TestPipeline,
  table: 'tenants' | 'orders',
  columns: readonly string[] = COLUMNS,
): Promise<void> {
  const project = (row: Readonly<Record<string, unknown>>) => columns.map((column) => String(row[column])).join(' | ');
  const changes = await pipeline.changes(table);
  const inTable = await pipeline.source(async (client) => {
    const { rows } = await client.query(
      `SELECT to_jsonb(t) AS row FROM ${pipeline.databases.schemas.ventia}.${table} t`,
    );
    return rows.map(({ row }) => project(row)).sort();
  });
  expect(inTable.length).toBeGreaterThan(0);
  const latest = (by: (change: TopicChange) => string) => rowsLeft(changes, by).map(project).sort();
  expect(latest(({ partition, key }) => `${partition}/${key}`)).toEqual(inTable);
  changes.sort((a, b) => (a.position < b.position ? -1 : Number(a.position > b.position)));
  expect(latest(({ key }) => key)).toEqual(inTable);
  const places = changes.map(({ partition, position, op }) => `${partition} ${position} ${op === 'tombstone'}`);
  expect(places).toEqual([...new Set(places)]);
}

/** The rows after the last change of each place; a truncate empties its partition. */
function rowsLeft(changes: readonly TopicChange[], by: (change: TopicChange) => string) {
  const rows = new Map<string, TopicChange>();
  for (const change of changes) {
    if (change.op === 't') {
      for (const [place, { partition }] of rows) if (partition === change.partition) rows.delete(place);
    } else if (change.after) rows.set(by(change), change);
    else rows.delete(by(change));
  }
  return [...rows.values()].map(({ after }) => after!);
}
