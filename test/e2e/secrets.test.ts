import { readFileSync } from 'node:fs';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { readTopic } from '../support/topics';
import { SECRETS, VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

/** What the service knows and must not tell. */
const CREDENTIALS = {
  source: 'planted-source-password',
  messaging: 'planted-messaging-password',
  registry: 'planted-registry-password',
  admin: 'planted-admin-token-0123456789',
  viewer: 'planted-viewer-token-0123456789',
  privacy: 'planted-privacy-key-0123456789-abcdef',
  wrong: 'planted-wrong-password',
};
const PERSON = { name: 'Rosalinda Plantada', email: 'rosalinda.plantada@correo-oculto.pe', phone: '987 654 321' };
const PLANTED = [
  ...Object.values(CREDENTIALS),
  ...Object.values(SECRETS),
  'Rosalinda',
  'Plantada',
  'rosalinda.plantada',
  'correo-oculto',
  '987 654 321',
  '987654321',
];

/** Where something was found that must not be there. */
const found = (places: Readonly<Record<string, string>>): string[] =>
  Object.entries(places).flatMap(([place, text]) =>
    PLANTED.filter((secret) => text.includes(secret)).map((secret) => `${secret} in ${place}`),
  );

const withPassword = (url: string, password: string) => {
  const changed = new URL(url);
  changed.password = password;
  return changed.href;
};

let pipeline: TestPipeline;
let service: RunningService;
let env: Record<string, string>;

beforeAll(async () => {
  pipeline = await TestPipeline.create('seed', { roles: true });
  const { capture, sink } = pipeline.roles!;
  await pipeline.source((client) => client.query(`ALTER ROLE ${capture.name} PASSWORD '${CREDENTIALS.source}'`));
  await pipeline.messaging((client) => client.query(`ALTER ROLE ${sink.name} PASSWORD '${CREDENTIALS.messaging}'`));
  env = {
    LOG_LEVEL: 'debug',
    VENTIA_SOURCE_URL: withPassword(capture.url, CREDENTIALS.source),
    MESSAGING_URL: withPassword(sink.url, CREDENTIALS.messaging),
    SCHEMA_REGISTRY_USERNAME: 'ventia',
    SCHEMA_REGISTRY_PASSWORD: CREDENTIALS.registry,
    ADMIN_TOKEN: CREDENTIALS.admin,
    VIEWER_TOKEN: CREDENTIALS.viewer,
    PRIVACY_KEY: CREDENTIALS.privacy,
  };
  const { code, stderr } = await pipeline.cliWith(env, 'setup', '--yes');
  expect([code, stderr]).toEqual([0, '']);
  service = await pipeline.startWith(env).ready();
  await pipeline.captured();
});
afterAll(() => pipeline?.drop());

it('nothing planted is told by logs, errors, metrics, REST, commands, state or process list, whatever goes wrong', async () => {
  // Refused by Messaging: PostgreSQL's own words then hold the whole row.
  await pipeline.messaging((client) =>
    client.query(`ALTER TABLE messaging.contacts ADD CONSTRAINT nobody CHECK (name <> '${PERSON.name}') NOT VALID`),
  );
  await pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, 'ventia');
    const tenant = await rows.tenant('bodega');
    await rows.order(tenant, {
      customer_name: PERSON.name,
      customer_email: PERSON.email,
      customer_phone: PERSON.phone,
    });
    await rows.order(tenant, { customer_name: 'Ana', customer_email: 'ana@correo.pe' });
  });
  await eventually(() => service.metric('ventia_cdc_dead_letters_total', 'contacts'), { timeoutMs: 30_000 });
  await pipeline.caughtUp();

  // Links that break, and a login that is refused.
  await pipeline.messaging((client) =>
    client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY ($1)', [
      [pipeline.roles!.sink.name, pipeline.roles!.capture.name],
    ]),
  );
  const wrong = { ...env, VENTIA_SOURCE_URL: withPassword(env.VENTIA_SOURCE_URL!, CREDENTIALS.wrong) };
  const refused = pipeline.startWith(wrong, pipeline.connectors.source);
  await refused.notReady('CDC-201', 20_000);
  await service.ready();

  const url = await service.address();
  const ask = async (path: string, token: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}${path}`, { ...init, headers });
    return `${JSON.stringify([...answer.headers])} ${await answer.text()}`;
  };
  const where = `customer_email = '${PERSON.email}'`;
  const wanted = (condition: string) => ({
    method: 'POST',
    body: JSON.stringify({ table: 'ventia.orders', where: condition }),
  });
  const rest = {
    'a snapshot that is refused': await ask('/api/snapshots', CREDENTIALS.admin, wanted(`${where} AND nobody = 1`)),
    'a body that is no JSON': await ask('/api/snapshots', CREDENTIALS.admin, {
      method: 'POST',
      body: `{"${PERSON.email}`,
    }),
    'a wrong token': await ask('/api/snapshots', `${CREDENTIALS.admin}x`),
  };
  expect(await ask('/api/snapshots', CREDENTIALS.admin, wanted(where))).toContain('ventia.orders');
  const views = {
    'snapshots for the viewer': await ask('/api/snapshots', CREDENTIALS.viewer),
    'the status': await ask('/api/status', CREDENTIALS.viewer),
    metrics: await ask('/metrics', ''),
    readiness: await ask('/ready', ''),
    'readiness of the refused': JSON.stringify(await refused.readiness()),
  };
  expect(views['the status']).toMatch(/"deadLetters":[1-9]/);

  const commands: Record<string, string> = {};
  for (const args of [['status'], ['status', '--json'], ['doctor'], ['setup', '--dry-run']]) {
    const { stdout, stderr } = await pipeline.cliWith(env, ...args);
    commands[args.join(' ')] = stdout + stderr;
  }
  const { stdout, stderr } = await pipeline.cliWith(wrong, 'doctor');
  expect(stdout).toContain('CDC-201');
  commands['doctor with a wrong password'] = stdout + stderr;

  const letters = await pipeline.messaging(
    async (client) => (await client.query('SELECT * FROM cdc.dead_letter')).rows,
  );
  expect(letters.length).toBeGreaterThan(0);
  // What somebody asked for by a condition is the one record of state that may hold one.
  const state = (await readTopic(pipeline.stateTopic, pipeline.brokers)).filter(
    ({ key }) => !key?.toString().includes('/request/snapshot/'),
  );
  const processes = [service, refused].map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  await pipeline.stop();
  expect(service.log.some(({ level }) => level === 'warn')).toBe(true);
  expect(
    found({
      log: service.output,
      'log of the refused': refused.output,
      ...rest,
      ...views,
      ...commands,
      'dead letters': JSON.stringify(letters.map(({ code, sql_state, reason }) => [code, sql_state, reason])),
      state: state.map(({ value }) => value?.toString() ?? '').join('\n'),
      processes: processes.join('\n'),
    }),
  ).toEqual([]);
});
