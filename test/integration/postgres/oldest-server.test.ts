import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../../src/core/ports/sql';
import { applyDemoSchema, DEMO_SCHEMAS } from '../../../src/dev/demo-schema';
import { choosePorts } from '../../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../../src/dev/stack/postgres';
import { openDatabase } from '../../../src/postgres/database';
import { inspectSource, preflight } from '../../../src/postgres/preflight';
import { observeSlot } from '../../../src/postgres/slot';
import { openSourceQueries } from '../../../src/postgres/source-queries';
import { openSourceSetup } from '../../../src/postgres/source-setup';
import { describeWithTool, OLDEST_POSTGRES } from '../../support/tools';
import { expectedOf } from './ventia-source';

describeWithTool(OLDEST_POSTGRES, 'on PostgreSQL 15, the oldest that is supported,', (binaries) => {
  const dir = mkdtempSync(join(tmpdir(), 'oldest-'));
  let server: Postgres;
  let db: Database;

  beforeAll(async () => {
    const { port } = await choosePorts({ port: 0 });
    server = await startPostgres({ dir, port, binaries, settings: { max_connections: 30 } });
    db = openDatabase(server.url, 'source', { applicationName: 'oldest-test' });
    const run = (text: string) => db.execute(text);
    await applyDemoSchema('seed', run, run);
  }, 30_000);

  afterAll(async () => {
    await db.close();
    await server.stop();
    rmSync(dir, { recursive: true });
  });

  it.each(['index', 'full'] as const)(
    'set-up with identity %s, preflight, inspection and chunks work',
    async (identity) => {
      const expected = expectedOf({ schemas: DEMO_SCHEMAS.seed });
      const setup = openSourceSetup(server.url, server.url);
      const options = { identity, columns: 'all' } as const;
      await setup.apply(await setup.plan(expected, options), expected, {
        onStep() {},
        onSql() {},
        onWaiting() {},
        onDone() {},
      });
      expect(await setup.plan(expected, options)).toEqual({ steps: [], problems: [] });
      await setup.close();
      expect(await preflight(db, expected)).toEqual([]);
      expect(await inspectSource(db, expected)).toMatchObject({ timeline: 1 });
      expect(await observeSlot(db, expected.slot)).toMatchObject({ failover: false, invalidationReason: null });

      await db.execute(`INSERT INTO ventia.tenants (name, slug) VALUES ('${identity}', '${identity}')`);
      const queries = openSourceQueries(server.url, { applicationName: 'oldest-test' });
      const relation = await queries.describe('ventia', 'tenants');
      const columns = relation!.columns.map(({ name }) => name);
      const request = {
        schema: 'ventia',
        table: 'tenants',
        columns,
        keyColumn: 'id',
        after: null,
        limit: 10,
        where: null,
      };
      const result = await queries.readChunk(
        request,
        () => true,
        () => {},
      );
      expect(result!.rows).toBeGreaterThan(0);
      await queries.close();
    },
  );
});
