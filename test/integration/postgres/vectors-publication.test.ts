import { openDatabase } from '../../../src/postgres/database';
import type { SourceOptions } from '../../../src/postgres/setup-step';
import { openSourceSetup } from '../../../src/postgres/source-setup';
import { createDemoDatabases, type DemoDatabases } from '../../support/databases';
import { vectorsOf } from '../../support/vectors';
import { expectedOf } from './ventia-source';

describe.each(['seed', 'repo'] as const)('vectors of the publication, profile %s', (profile) => {
  const { vector } = vectorsOf('Erasure and privacy', profile);
  let databases: DemoDatabases;
  beforeAll(async () => {
    databases = await createDemoDatabases(profile);
  });
  afterAll(() => databases.drop());

  vector(
    'G06',
    "set-up refuses a column list with FULL, which the application's UPDATE would not survive",
    async () => {
      const options: SourceOptions = { identity: 'full', columns: 'contract' };
      const silent = { onStep() {}, onSql() {}, onWaiting() {}, onDone() {} };
      const owner = openDatabase(databases.sourceUrl, 'source', { applicationName: 'publication-test' });
      const setup = openSourceSetup(databases.sourceUrl, databases.sourceUrl);
      const expected = expectedOf(databases);
      const { ventia } = databases.schemas;
      try {
        const plan = await setup.plan(expected, options);
        expect(plan.problems).toMatchObject([
          { kind: 'replica_identity', fix: expect.stringContaining('--identity index') },
        ]);
        await expect(setup.apply(plan, expected, silent)).rejects.toMatchObject({ kind: 'replica_identity' });
        expect(await owner.query('SELECT FROM pg_publication')).toEqual([]);

        await owner.execute(`ALTER TABLE ${ventia}.orders REPLICA IDENTITY FULL`);
        await owner.execute(`CREATE PUBLICATION by_hand FOR TABLE ${ventia}.orders (id, tenant_id, status)`);
        await expect(owner.execute(`UPDATE ${ventia}.orders SET status = 'Pagado'`)).rejects.toThrow(
          /cannot update table/,
        );
      } finally {
        await setup.close();
        await owner.close();
      }
    },
  );
});
