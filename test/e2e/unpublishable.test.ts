import { expectClearLog } from '../support/clear-error';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { readChanges, readTopic, withKafkaAdmin } from '../support/topics';
import { eventually } from '../support/wait';

/** A record that its topic does not take, and a value that its contract type does not hold: through the whole service. */
jest.setTimeout(120_000);

const MB = 1024 * 1024;
const SECRET = 'Rosa-Quispe-';
const LARGE = `'${SECRET}' || repeat('x', 2 * ${MB})`;
/** More digits than the contract's decimal has. */
const UNENCODABLE = '99999999999999999';

let pipeline: TestPipeline;
beforeEach(async () => {
  pipeline = await TestPipeline.create('seed', {
    source: { 'errors.policy': `\${env:POLICY}` },
    env: { POLICY: 'halt' },
  });
  await inSource('ALTER TABLE ventia.orders ALTER COLUMN total_amount TYPE numeric');
  await pipeline.setup();
  await inSource(`INSERT INTO ventia.tenants (name, slug) VALUES ('Tienda', 'tienda')`);
});
afterEach(() => pipeline?.drop());

const inSource = (text: string) => pipeline.source((client) => client.query(text));
const start = (POLICY: 'halt' | 'dead-letter') => pipeline.startWith({ POLICY }, pipeline.connectors.source);
const order = (number: string, name = `'${SECRET}'`, amount = '10.5') =>
  inSource(`
    INSERT INTO ventia.orders (tenant_id, order_number, customer_name, total_amount)
    SELECT id, '${number}', ${name}, ${amount} FROM ventia.tenants`);
const takeUpTo = (bytes: number) =>
  withKafkaAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: 2,
          name: pipeline.topics.orders,
          configEntries: [
            { name: 'max.message.bytes', value: String(bytes) },
            { name: 'cleanup.policy', value: 'compact' },
          ],
        },
      ],
    }),
  );
/** Order numbers of the changes of one kind. What is written before the first load is done may come by both. */
const published = async (kind: 'c' | 'r' = 'c') =>
  (await readChanges(pipeline.topics.orders)).filter(({ op }) => op === kind).map(({ after }) => after!.order_number);
const arrived = (numbers: readonly string[]) =>
  eventually(
    async () => {
      expect(await published()).toEqual(numbers);
      return true;
    },
    { timeoutMs: 15_000 },
  );
const deadLettered = (service: RunningService) =>
  service.metric('ventia_cdc_changes_total', 'outcome="deadLettered"', 'table="ventia.orders"');
const stubs = async () =>
  (await readTopic(pipeline.deadLetterTopic)).map(
    ({ value }) => JSON.parse(value!.toString()) as Record<string, unknown>,
  );

it.each([
  ['a record larger than its topic takes', 'CDC-306', () => order('2', LARGE)],
  ['a value that its contract type does not hold', 'CDC-406', () => order('2', `'${SECRET}'`, UNENCODABLE)],
])(
  '%s halts: alive, not ready with the fix, and by dead-letter it goes on, each change once, one stub',
  async (_, code, poison) => {
    const halted = await start('halt').ready();
    await order('1');
    await pipeline.captured();
    await poison();
    await order('3');
    await halted.notReady(code, 5_000);
    expect((await halted.readiness()).fix).toContain('errors.policy');
    expectClearLog(halted, code);
    expect(await published()).toEqual(['1']);
    await pipeline.stop();

    for (let life = 0; life < 2; life++) {
      const service = await start('dead-letter').ready();
      if (life === 0) await eventually(async () => (await deadLettered(service)) === 1);
      await order(`${4 + life}`);
      await pipeline.captured();
      if (life === 0) await service.stop('SIGKILL');
    }
    expect(await published()).toEqual(['1', '3', '4', '5']);
    const [stub, ...more] = await stubs();
    expect(more).toEqual([]);
    expect(stub).toMatchObject({
      table: 'ventia.orders',
      op: 'c',
      code,
      id: expect.any(String),
      position: expect.any(String),
    });
    expect(JSON.stringify(stub)).not.toContain(SECRET);
    expect(pipeline.output).not.toContain(SECRET);
  },
);

it('the limit raised as the fix says lets it through, lowered while capture runs it halts again: nothing lost, nothing twice', async () => {
  const service = await start('halt').ready();
  await pipeline.captured();
  await order('1', LARGE);
  await order('2');
  await service.notReady('CDC-306', 5_000);
  const bytes = Number(/to (\d+) or more/.exec((await service.readiness()).fix!)![1]);
  await takeUpTo(bytes);
  await service.ready(15_000);
  await arrived(['1', '2']);

  await takeUpTo(bytes - 1);
  await order('3', LARGE);
  await order('4');
  await service.notReady('CDC-306', 10_000);
  await takeUpTo(bytes);
  await service.ready(15_000);
  await arrived(['1', '2', '3', '4']);
});

it('in a first load the others of the chunk go on', async () => {
  await order('1');
  await order('2', LARGE);
  await order('3', `'${SECRET}'`, UNENCODABLE);
  await order('4');
  const service = await start('dead-letter').ready();
  await pipeline.captured();
  expect((await published('r')).sort()).toEqual(['1', '4']);
  const loaded = (await stubs()).filter(({ op }) => op === 'r').map(({ code }) => code);
  expect(loaded.sort()).toEqual(['CDC-306', 'CDC-406']);
  expect(await deadLettered(service)).toBe((await stubs()).length);
});
