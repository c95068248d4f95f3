import { TestPipeline } from '../support/pipeline';
import { readChanges } from '../support/topics';
import { eventually } from '../support/wait';

describe('the form of values in the stream', () => {
  let pipeline: TestPipeline;

  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed');
    await pipeline.setup();
  });
  afterAll(() => pipeline.drop());

  it('is binary, and text where the WAL holds a type that is understood as text only', async () => {
    const insert = (name: string) =>
      `INSERT INTO ventia.orders (tenant_id, customer_name, currency) SELECT id, '${name}', 'PEN' FROM ventia.tenants`;
    const command = () =>
      pipeline.source((client) =>
        client.query(
          `SELECT query FROM pg_stat_activity JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = $1`,
          [pipeline.name],
        ),
      );
    await pipeline.source((client) =>
      client.query(`INSERT INTO ventia.tenants (name, slug) VALUES ('Tienda', 'tienda'); ${insert('before')}`),
    );
    const first = await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    expect((await command()).rows[0].query).toContain(`binary 'true'`);
    await first.stop();

    await pipeline.source((client) =>
      client.query(`
        CREATE TYPE ventia.currency AS ENUM ('PEN', 'COP');
        ALTER TABLE ventia.orders ALTER currency DROP DEFAULT, ALTER currency TYPE ventia.currency USING currency::text::ventia.currency;
        ${insert('while')};
        ALTER TABLE ventia.orders ALTER currency TYPE varchar(3);
        ${insert('after')}`),
    );
    const second = await pipeline.start(pipeline.connectors.source).ready();
    await pipeline.captured();
    expect(second.log.some(({ code }) => code === 'CDC-224')).toBe(true);
    expect((await command()).rows[0].query).not.toContain('binary');
    const orders = (await readChanges(pipeline.topics.orders)).filter(({ op }) => op === 'c');
    expect(orders.map(({ after }) => [after?.customer_name, after?.currency])).toEqual([
      ['before', 'PEN'],
      ['while', 'PEN'],
      ['after', 'PEN'],
    ]);
    // Once the WAL is past it, the next connection is a binary one again.
    await pipeline.source((client) =>
      client.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
        pipeline.name,
      ]),
    );
    await eventually(async () => (await command()).rows[0]?.query.includes(`binary 'true'`) ?? false);
  });
});
