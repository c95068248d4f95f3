import type { TestPipeline } from './pipeline';
import { readChanges, type TopicChange } from './topics';

/** What is left of each place after compaction, and by position: the rows of the table. No position is there twice. */
export async function expectTopicIsTable(pipeline: TestPipeline, table: 'tenants' | 'orders'): Promise<void> {
  const changes = await readChanges(pipeline.topics[table]);
  const inTable = await pipeline.source(async (client) => {
    const { rows } = await client.query(
      `SELECT to_jsonb(t) AS row FROM ${pipeline.databases.schemas.ventia}.${table} t`,
    );
    return rows.map(({ row }) => project(row)).sort();
  });
  expect(inTable.length).toBeGreaterThan(0);
  const latest = (by: (change: TopicChange) => string) =>
    [...new Map(changes.map((change) => [by(change), change])).values()].flatMap(({ after }) =>
      after ? [project(after)] : [],
    );
  expect(latest(({ partition, key }) => `${partition}/${key}`).sort()).toEqual(inTable);
  changes.sort((a, b) => (a.position < b.position ? -1 : Number(a.position > b.position)));
  expect(latest(({ key }) => key).sort()).toEqual(inTable);
  const places = changes.map(({ partition, position, op }) => `${partition} ${position} ${op === 'tombstone'}`);
  expect(places).toEqual([...new Set(places)]);
}

function project(row: Readonly<Record<string, unknown>>): string {
  return ['id', 'tenant_id', 'name', 'customer_name', 'customer_email']
    .map((column) => String(row[column]))
    .join(' | ');
}
