import type { TestPipeline } from './pipeline';
import type { TopicChange } from './topics';

export type Table = 'tenants' | 'orders';

/** What came by the stream, without the topic's own offsets. A load may read a row again; a change comes once. */
export async function streamed(pipeline: TestPipeline, table: Table): Promise<Omit<TopicChange, 'offset'>[]> {
  const changes = await pipeline.changes(table);
  return changes
    .filter(({ op, snapshot }) => op !== 'r' && snapshot === null)
    .map(({ partition, key, op, position, snapshot, before, after, timestampMs }) => ({
      partition,
      key,
      op,
      position,
      snapshot,
      before,
      after,
      timestampMs,
    }));
}

/** Every change is in its partition once and in order, and they are those of a pipeline that nothing happened to (Invariants 4 to 6). */
export async function expectOnceAndInOrder(pipeline: TestPipeline, undisturbed: TestPipeline, table: Table) {
  const changes = await streamed(pipeline, table);
  const places = changes.map(({ partition, position, op }) => `${partition} ${position} ${op === 'tombstone' ? 1 : 0}`);
  expect(places).toEqual([...new Set(places)].sort());
  expect(changes).toEqual(await streamed(undisturbed, table));
}

/** The newest record of each key, by position, is the row of the source, and there are no others. */
export async function expectNewestIsTable(pipeline: TestPipeline, table: Table): Promise<void> {
  const latest = new Map<string, TopicChange>();
  for (const change of (await pipeline.changes(table)).sort(byPosition)) latest.set(change.key, change);
  const inTopic = [...latest.values()].flatMap(({ after }) => (after ? [project(table, after)] : []));
  expect(inTopic.sort()).toEqual(await rowsOf(pipeline, table));
}

/** What compaction will leave of each partition: the rows of the source, each in one place. */
export async function expectCompactedIsTable(pipeline: TestPipeline, table: Table): Promise<void> {
  const latest = new Map<string, TopicChange>();
  for (const change of await pipeline.changes(table)) latest.set(`${change.partition} ${change.key}`, change);
  const inTopic = [...latest.values()].flatMap(({ after }) => (after ? [project(table, after)] : []));
  expect(inTopic.sort()).toEqual(await rowsOf(pipeline, table));
}

async function rowsOf(pipeline: TestPipeline, table: Table): Promise<string[]> {
  const { ventia } = pipeline.databases.schemas;
  const rows = await pipeline.source(
    async (client) => (await client.query(`SELECT to_jsonb(t) AS row FROM ${ventia}.${table} t`)).rows,
  );
  return rows.map(({ row }) => project(table, row)).sort();
}

const byPosition = (a: TopicChange, b: TopicChange) => (a.position < b.position ? -1 : Number(a.position > b.position));

/** A row as text: the columns that read alike in Avro and in JSON. */
export function project(table: Table, row: Readonly<Record<string, unknown>>): string {
  const columns = table === 'tenants' ? ['id', 'name', 'slug', 'timezone', 'is_active'] : ORDER_COLUMNS;
  return columns.map((column) => String(row[column])).join(' | ');
}

const ORDER_COLUMNS = ['id', 'tenant_id', 'customer_name', 'customer_email', 'customer_phone', 'customer_id', 'status'];
