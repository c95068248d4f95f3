import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyDemoSchema } from '../../src/dev/demo-schema';
import { choosePorts } from '../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../src/dev/stack/postgres';
import { AlteredShop } from '../support/altered-shop';
import { runner, withClient } from '../support/databases';
import { TestPipeline } from '../support/pipeline';
import { describeWithTool, OLDEST_POSTGRES, postgresMajor } from '../support/tools';
import { eventually } from '../support/wait';

jest.setTimeout(180_000);

let shop: AlteredShop;
beforeAll(async () => {
  shop = await AlteredShop.open();
});
afterAll(() => shop?.pipeline.drop());

const publication = (change: string) => `ALTER PUBLICATION ${shop.pipeline.name} ${change}`;
const NOT_PUBLISHED = 'ventia.orders: the table, or a partition of it, was not published all the time';

describe('what is written while a table is not published arrives all the same', () => {
  const gaps: [what: string, code: string, open: () => string][] = [
    ['a table out of the publication', 'CDC-206', () => publication('DROP TABLE ventia.orders')],
    ['no publication', 'CDC-205', () => `DROP PUBLICATION ${shop.pipeline.name}`],
  ];
  // What older servers do without a publication: below.
  it.each(postgresMajor() >= 18 ? gaps : gaps.slice(0, 1))(
    '%s: named within 10 s, mended by the command it names',
    async (_, code, open) => {
      await shop.sql(open());
      await shop.write();
      await shop.service.notReady(code, 10_000);
      expect((await shop.service.readiness()).fix).toBe('ventia-cdc setup');
      await shop.write();
      await shop.pipeline.setup();
      await shop.write();
      await shop.converges();
    },
  );

  it('a row filter, set and taken back while capture is down', async () => {
    await shop.down();
    await shop.write();
    await shop.sql(publication(`SET TABLE ventia.tenants, ventia.orders WHERE (customer_name LIKE 'nadie')`));
    await shop.write();
    await shop.sql(publication('SET TABLE ventia.tenants, ventia.orders'));
    await shop.write();
    await shop.up();
    await shop.converges();
    expect(shop.reasons).toContain(NOT_PUBLISHED);
  });

  it('inserts only, set and taken back between two looks, and a kill before the next', async () => {
    await shop.sql(publication(`SET (publish = 'insert')`));
    await shop.write();
    await shop.sql(publication(`SET (publish = 'insert, update, delete, truncate')`));
    await shop.service.stop('SIGKILL');
    await shop.up();
    await shop.converges();
    expect(shop.reasons).toContain(NOT_PUBLISHED);
  });

  it('a transaction that spans the gap, and commits when the table is being loaded again', async () => {
    const said = shop.reasons.length;
    await withClient(shop.pipeline.databases.sourceUrl, async (client) => {
      await client.query('BEGIN');
      await shop.writeBy(client, 8);
      await shop.sql(publication('DROP TABLE ventia.orders'));
      await client.query('DELETE FROM ventia.orders');
      await shop.sql(publication('ADD TABLE ventia.orders'));
      await eventually(() => shop.reasons.length > said, { timeoutMs: 20_000 });
      await client.query('COMMIT');
    });
    shop.forget();
    await shop.write(8);
    await shop.converges();
  });
});

it('a table dropped and made anew under its name: rows of the old one are deleted, those of the new one read', async () => {
  await shop.sql(`
    CREATE TABLE ventia.another (LIKE ventia.orders INCLUDING ALL);
    INSERT INTO ventia.another SELECT * FROM ventia.orders ORDER BY id LIMIT 5;
    ALTER TABLE ventia.orders RENAME TO gone;
    ALTER TABLE ventia.another RENAME TO orders`);
  shop.forget();
  await shop.pipeline.setup();
  await shop.write(8);
  await shop.converges();
  expect(shop.reasons).toContain('ventia.orders: the table was dropped and made anew');
});

it('a table that had another name for a while is the same: nothing is missing, nothing is loaded again', async () => {
  const away = 'ALTER TABLE ventia.orders RENAME TO ordenes';
  const back = 'ALTER TABLE ventia.ordenes RENAME TO orders';
  const order = `INSERT INTO ventia.ordenes (tenant_id, customer_name, customer_email) VALUES ('${shop.tenants[0]}', 'con', 'otro@nombre.pe')`;
  await shop.down();
  await shop.sql(`${away}; ${order}; ${back}`);
  await shop.sql(away);
  await shop.sql(order);
  await shop.sql(back);
  await shop.up();
  await shop.sql(`${away}; ${order}; ${back}`);
  await shop.write();
  await shop.converges();
  expect(shop.reasons).toEqual([]);
});

describeWithTool(
  OLDEST_POSTGRES,
  'PostgreSQL before 18 reads no WAL from the time without a publication,',
  (binaries) => {
    const dir = mkdtempSync(join(tmpdir(), 'oldest-'));
    let server: Postgres;
    let old: AlteredShop;

    beforeAll(async () => {
      const { port } = await choosePorts({ port: 0 });
      server = await startPostgres({ dir, port, binaries, settings: { max_connections: 40 } });
      await withClient(server.url, (client) => applyDemoSchema('seed', runner(client), async () => {}));
      old = await AlteredShop.over(await TestPipeline.withSource(server.url));
    });
    afterAll(async () => {
      await old?.pipeline.drop();
      await server?.stop();
      rmSync(dir, { recursive: true, force: true });
    });

    it('so that, after setup, a new slot is needed: the commands that are named mend it', async () => {
      await old.sql(`DROP PUBLICATION ${old.pipeline.name}`);
      await old.write();
      await old.obey('CDC-205', 'ventia-cdc setup');
      await old.write();
      await old.obey('CDC-205', 'ventia-cdc repair slot --replace');
      await old.write();
      await old.converges();
    });

    it('a gap and changes of a past form are mended as with newer ones', async () => {
      await old.sql(`ALTER PUBLICATION ${old.pipeline.name} DROP TABLE ventia.orders`);
      await old.write();
      await old.sql(`ALTER PUBLICATION ${old.pipeline.name} ADD TABLE ventia.orders`);
      await old.sql('ALTER TABLE ventia.orders REPLICA IDENTITY DEFAULT');
      await old.write(8);
      await old.sql('ALTER TABLE ventia.orders REPLICA IDENTITY FULL');
      await old.write();
      await old.obey('CDC-209', 'ventia-cdc repair table ventia.orders');
      await old.converges();
    });
  },
);
