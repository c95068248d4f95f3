import { TestPipeline } from '../support/pipeline';
import { runCli } from '../support/service';
import { readChanges, withKafkaAdmin } from '../support/topics';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

const TENANT = '11111111-1111-1111-1111-111111111111';
const KEY = 'an-erasure-key-that-only-tests-know-0001';
/** What the person is known by, and must be nowhere afterwards. */
const PLANTED = /Berenice|berenice@correo\.pe|955444333|cliente-berenice/;

const order = (name: string, phone: string, email: string, customer: string) =>
  `INSERT INTO ventia.orders (tenant_id, customer_name, customer_phone, customer_email, customer_id, status)
   VALUES ('${TENANT}', '${name}', '${phone}', '${email}', '${customer}', 'Pagado')`;

describe('ventia-cdc erase', () => {
  let pipeline: TestPipeline;
  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed', { roles: true, env: { PRIVACY_KEY: KEY } });
    await pipeline.setup();
    await pipeline.start().ready();
    await pipeline.source(async (client) => {
      await client.query(`INSERT INTO ventia.tenants (id, name, slug) VALUES ('${TENANT}', 'Demo', 'demo')`);
      await client.query(order('Berenice Ruiz', '955444333', 'Berenice@correo.pe', 'cliente-berenice'));
      await client.query(order('Berenice R.', '955 444 333', '', 'cliente-berenice'));
      await client.query(order('Luis', '912345678', 'luis@correo.pe', 'luis'));
    });
    await pipeline.caughtUp();
  });
  afterAll(() => pipeline?.drop());

  const cli = (...args: string[]) => pipeline.cli('erase', '--tenant', TENANT, ...args);
  const everything = () =>
    pipeline.messaging(async (client) => {
      const { rows } = await client.query<{ text: string }>(
        [
          'messaging.contacts',
          'cdc.order_fact',
          'cdc.identity_alias',
          'cdc.contact_memory',
          'cdc.dead_letter',
          'cdc.erasure',
        ]
          .map((table) => `SELECT t::text AS text FROM ${table} t`)
          .join(' UNION ALL '),
      );
      return rows.map(({ text }) => text).join('\n');
    });

  it('without PRIVACY_KEY, without a person, with an unknown tenant: says so, and does nothing', async () => {
    const before = await pipeline.messagingRows();
    const failing = async (args: string[], env = {}) => {
      const { code, stderr } = await runCli(['erase', ...args], { ...pipeline.env, ...env });
      return `${code} ${stderr}`;
    };
    const person = ['--email', 'berenice@correo.pe', '--yes'];
    expect(await failing(['--tenant', TENANT, ...person], { PRIVACY_KEY: '' })).toMatch(
      /^2 .*CDC-101[\s\S]*PRIVACY_KEY/,
    );
    expect(await failing(['--tenant', TENANT, '--yes'])).toMatch(/^2 .*CDC-100.*--email, --phone/);
    expect(await failing(['--tenant', TENANT, ...person, '--phone', '955444333'])).toMatch(/^2 .*CDC-100/);
    expect(await failing(person)).toMatch(/^2 .*CDC-100.*--tenant/);
    expect(await failing(['--tenant', '99999999-9999-9999-9999-999999999999', ...person])).toMatch(/^1 .*CDC-107/);
    expect(await pipeline.messagingRows()).toEqual(before);
  });

  it('shows by default what it would do, and what the topic holds until when', async () => {
    const before = await pipeline.messagingRows();
    const { code, stdout, stderr } = await cli('--email', 'berenice@correo.pe');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /Would be erased:\n {2}contacts +1 {2}\S+ \(name, email, phone_number, custom_attributes\)\n/,
    );
    expect(stdout).toMatch(/cdc\.order_fact +2 /);
    const until = new Date(Date.now() + 16 * 86_400_000).toISOString().slice(0, 8);
    expect(stdout).toMatch(new RegExp(`earlier records are there until ${until}\\d\\d at the latest`));
    expect(stdout).toContain('--yes does it');
    expect(stdout).not.toMatch(PLANTED);
    expect(await pipeline.messagingRows()).toEqual(before);
  });

  it('erases, and writes tombstones through the fenced writer while capture runs', async () => {
    const { code, stdout, stderr } = await cli('--phone', '955-444-333', '--tombstones', '--yes', '--json');
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      erased: true,
      by: 'phone',
      orders: [{ where: 'linked' }, { where: 'linked' }],
      tombstones: 2,
    });
    expect(stdout).not.toMatch(PLANTED);
    expect(await everything()).not.toMatch(PLANTED);

    const changes = await readChanges(pipeline.topics.orders);
    const ids = report.orders.map(({ id }: { id: string }) => id);
    for (const id of ids) expect(changes.filter(({ key }) => key === id).at(-1)).toMatchObject({ op: 'tombstone' });
    const positions = changes.map(({ position }) => position);
    expect(positions).toEqual([...positions].sort());

    await pipeline.source((client) => client.query(order('Rosa', '', 'rosa@correo.pe', 'rosa')));
    await pipeline.caughtUp();
    expect(await everything()).toMatch(/rosa@correo\.pe/);
    const after = await readChanges(pipeline.topics.orders);
    expect(after.filter(({ op }) => op === 'c')).toHaveLength(4);
  });

  it('a second time finds nothing and says so', async () => {
    const { code, stdout, stderr } = await cli('--phone', '955444333', '--yes');
    expect([code, stderr, stdout]).toEqual([0, '', expect.stringMatching(/^Nothing was left to erase/)]);
  });

  it('a replay of everything, into a ledger that has lost its facts, brings nothing back', async () => {
    await pipeline.stop();
    await pipeline.messaging((client) => client.query('DELETE FROM cdc.order_fact'));
    await withKafkaAdmin(async (admin) => {
      const [groupId, topic] = [pipeline.groups.contacts, pipeline.topics.orders];
      const offsets = await admin.fetchTopicOffsets(topic);
      await admin.setOffsets({
        groupId,
        topic,
        partitions: offsets.map(({ partition, low: offset }) => ({ partition, offset })),
      });
    });
    const service = await pipeline.start().ready();
    await pipeline.caughtUp();
    const text = await everything();
    expect(text).toMatch(/luis@correo\.pe/);
    expect(text).not.toMatch(PLANTED);
    const facts = await pipeline.messaging((client) => client.query('SELECT erased FROM cdc.order_fact'));
    expect(facts.rows.filter(({ erased }) => erased)).toHaveLength(2);
    const metrics = await (await fetch(`${await service.address()}/metrics`)).text();
    expect(metrics).toContain('ventia_cdc_dead_letters_open');
    expect(metrics + pipeline.output).not.toMatch(PLANTED);
    await pipeline.stop();
  });

  it.each([[''], ['another-key-that-only-tests-know-00000002']])(
    'sinks with key %p are not ready, and say why',
    async (key) => {
      const service = pipeline.startWith({ PRIVACY_KEY: key }, pipeline.connectors.contacts);
      await service.notReady('CDC-508', 15_000);
      await service.stop();
      await eventually(() => !service.alive);
    },
  );
});
