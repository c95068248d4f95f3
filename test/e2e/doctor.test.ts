import type { Finding, PlaceResult } from '../../src/ops/doctor';
import { TestPipeline } from '../support/pipeline';
import { stack } from '../support/stack';
import { withKafkaAdmin } from '../support/topics';

jest.setTimeout(120_000);

let pipeline: TestPipeline;
beforeAll(async () => {
  pipeline = await TestPipeline.create('seed', { roles: true });
});
afterAll(() => pipeline?.drop());

async function examined(...env: Parameters<TestPipeline['cliWith']>[0][]) {
  const { code, stdout, stderr } = await pipeline.cliWith(env[0] ?? {}, 'doctor', '--json');
  expect(stderr).toBe('');
  const places = JSON.parse(stdout) as PlaceResult[];
  const findings = places.flatMap(({ checks }) => checks.flatMap(({ findings }) => findings));
  return { code, places, findings, problems: findings.filter(({ severity }) => severity === 'problem') };
}

const codes = (findings: readonly Finding[]) => [...new Set(findings.map(({ code }) => code))].sort();

it('before set-up: what is missing, everywhere, and the command that makes it', async () => {
  const { code, problems } = await examined();
  expect(code).toBe(3);
  expect(codes(problems)).toEqual(['CDC-205', 'CDC-209', 'CDC-220', 'CDC-308', 'CDC-409', 'CDC-503']);
  for (const { what, why, fix } of problems) {
    expect([what, why].every((text) => text.length > 5)).toBe(true);
    expect(fix).toBe('ventia-cdc setup');
  }
});

it('after set-up, while it runs: no problem, with the rights of the two roles and no others', async () => {
  await pipeline.setup();
  await (await pipeline.start().ready()).ready();
  await pipeline.caughtUp();
  const { code, places, problems } = await examined();
  expect(problems).toEqual([]);
  expect(code).toBe(0);
  expect(places.map(({ place, asked }) => [place, asked])).toEqual([
    ['Source database', true],
    ['Kafka', true],
    ['Schema registry', true],
    ['Messaging database', true],
    ['Processes', true],
  ]);
});

describe('each that is broken is found, and its fix mends it', () => {
  const source = (sql: string) => pipeline.source(async (client) => void (await client.query(sql)));
  const messaging = (sql: string) => pipeline.messaging(async (client) => void (await client.query(sql)));
  const setUp = async () => void (await pipeline.setup());
  const bySql = (run: (sql: string) => Promise<void>) => (finding: Finding) =>
    run(finding.fix.replace(/; then .*$/, ';'));
  const registry = (path: string, level: string) =>
    fetch(`${stack().registryUrl}${path}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ compatibility: level }),
    });

  test.each<[string, () => unknown, RegExp, (finding: Finding) => Promise<void>]>([
    [
      'a table that left the publication',
      () => source(`ALTER PUBLICATION ${pipeline.name} DROP TABLE ventia.tenants`),
      /does not hold ventia.tenants/,
      setUp,
    ],
    [
      'deletes without their tenant',
      () => source('ALTER TABLE ventia.orders REPLICA IDENTITY DEFAULT'),
      /replica identity of ventia.orders/,
      setUp,
    ],
    [
      'a right that capture lacks',
      () =>
        source(
          `REVOKE SELECT ON ventia.orders FROM ${pipeline.roles!.capture.name}; REVOKE SELECT (status) ON ventia.orders FROM ${pipeline.roles!.capture.name}`,
        ),
      /may not read/,
      (finding) => source(finding.fix),
    ],
    [
      'a topic with another retention',
      () =>
        withKafkaAdmin((admin) =>
          admin.alterConfigs({
            validateOnly: false,
            resources: [
              { type: 2, name: pipeline.topics.orders, configEntries: [{ name: 'cleanup.policy', value: 'delete' }] },
            ],
          }),
        ),
      /orders: .*cleanup.policy: delete -> compact/,
      setUp,
    ],
    [
      'a subject that takes anything',
      () => registry(`/config/${pipeline.topics.orders}-value`, 'NONE'),
      /compatibility NONE -> FULL_TRANSITIVE/,
      setUp,
    ],
    [
      'a missing index on lower(email)',
      () =>
        messaging(`DO $$ DECLARE i regclass; BEGIN
        FOR i IN SELECT indexrelid FROM pg_index WHERE indrelid = 'messaging.contacts'::regclass AND pg_get_indexdef(indexrelid) LIKE '%lower(%' LOOP
          EXECUTE format('DROP INDEX %s', i); END LOOP; END $$`),
      /no index on lower\(email\)/,
      bySql(messaging),
    ],
    [
      'a right that the sinks lack',
      () => messaging(`REVOKE UPDATE ON messaging.contacts FROM ${pipeline.roles!.sink.name}`),
      /lacks a right/,
      bySql(messaging),
    ],
    [
      "a trigger that makes sequences with the sink's rights",
      () =>
        messaging(`CREATE FUNCTION messaging.conv_seq() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
          EXECUTE 'create sequence conv_dpid_seq_' || replace(NEW.id::text, '-', '_'); RETURN NULL; END $f$;
          CREATE TRIGGER seq AFTER INSERT ON messaging.accounts FOR EACH ROW EXECUTE FUNCTION messaging.conv_seq()`),
      /creates a sequence/,
      () => messaging('DROP FUNCTION messaging.conv_seq CASCADE'),
    ],
    [
      'a column that nobody fills',
      () =>
        messaging(
          'ALTER TABLE messaging.contacts ADD COLUMN must int; ALTER TABLE messaging.contacts ALTER COLUMN must SET NOT NULL',
        ),
      /contacts.must is NOT NULL without a default/,
      () => messaging('ALTER TABLE messaging.contacts DROP COLUMN must'),
    ],
  ])('%s', async (_, breakIt, what, mend) => {
    await breakIt();
    const { code, problems } = await examined();
    expect(problems.map((finding) => finding.what)).toEqual([expect.stringMatching(what)]);
    expect(code).toBe(3);
    await mend(problems[0]!);
    expect((await examined()).problems).toEqual([]);
  });
});

it('a place whose address is not known here is not asked; one that does not answer is a finding, the others are asked', async () => {
  const away = await examined({ VENTIA_SOURCE_URL: '', VENTIA_ADMIN_URL: '', KAFKA_BROKERS: '127.0.0.1:1' });
  expect(away.places[0]).toMatchObject({ place: 'Source database', asked: false });
  expect(codes(away.problems)).toEqual(['CDC-300']);
  expect(away.places.find(({ place }) => place === 'Messaging database')?.checks.length).toBeGreaterThan(5);
  const text = await pipeline.cli('doctor');
  expect(text.stdout).toContain('ok       the slot is there and whole');
});
