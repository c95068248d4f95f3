import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ConnectorConfig } from '../../../src/config/connector';
import { loadConnectors, parseConnector, selectConnectors } from '../../../src/config/connector-files';
import { connectorJsonSchema } from '../../../src/config/connector-json-schema';
import type { Problem } from '../../../src/config/problems';
import { CdcError } from '../../../src/core/errors';
import { temporaryFolder } from '../../support/temporary-folder';

const SOURCE = 'ventia.PostgresSource';

const placeholder = (inside: string) => `\${${inside}}`;

function folder(files: Record<string, unknown>): string {
  const directory = temporaryFolder('connectors');
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

function parse(connectorClass: string, config: object, env: Record<string, string> = {}) {
  const problems: Problem[] = [];
  const json = { name: 'x', config: { 'connector.class': connectorClass, ...config } };
  const connector = parseConnector(json, 'x.json', env, problems);
  return { connector, problems: problems.map((p) => `${p.where} | ${p.found} | ${p.expected}`) };
}

const accepted = (connectorClass: string, config: object, env?: Record<string, string>): ConnectorConfig => {
  const { connector, problems } = parse(connectorClass, config, env);
  expect(problems).toEqual([]);
  return connector!;
};

const refused = (connectorClass: string, config: object): string[] => {
  const { connector, problems } = parse(connectorClass, config);
  expect(connector).toBeNull();
  return problems;
};

describe('what a class without keys means', () => {
  test('source', () => {
    expect(accepted(SOURCE, {})).toEqual({
      name: 'x',
      kind: 'source',
      tables: [
        { schema: 'ventia', table: 'tenants', topic: 'ventia.tenants' },
        { schema: 'ventia', table: 'orders', topic: 'ventia.orders' },
      ],
      slotName: 'ventia_cdc',
      publicationName: 'ventia_cdc',
      publicationColumns: 'none',
      schemaProfile: 'auto',
      snapshotMode: 'initial',
      snapshotChunkRows: 50_000,
      errorsPolicy: 'halt',
      deadLetterTopic: '_ventia_cdc_dlq',
      confirmTrailMs: null,
      maxBatchBytes: 4_194_304,
      progressTimeoutMs: 15_000,
      partitions: 6,
      replicationFactor: null,
      stateTopic: '_ventia_cdc_state',
    });
  });

  test('accounts sink', () => {
    expect(accepted('ventia.AccountsSink', {})).toEqual({
      name: 'x',
      kind: 'accounts',
      topics: ['ventia.tenants'],
      consumerGroup: 'ventia-cdc-accounts',
      messagingSchema: 'messaging',
      batchMaxRecords: 1_000,
      progressTimeoutMs: 15_000,
      stateTopic: '_ventia_cdc_state',
      inactiveSuspends: true,
      includePlatformTenants: true,
    });
  });

  test('contacts sink', () => {
    expect(accepted('ventia.ContactsSink', {})).toEqual({
      name: 'x',
      kind: 'contacts',
      topics: ['ventia.orders'],
      consumerGroup: 'ventia-cdc-contacts',
      messagingSchema: 'messaging',
      batchMaxRecords: 1_000,
      progressTimeoutMs: 15_000,
      stateTopic: '_ventia_cdc_state',
      uncountedStatuses: ['Cancelado'],
      totalOrdersMode: 'count',
      identityPrecedence: 'phone',
      landlines: false,
      emailBlocklist: [],
      customerIdBlocklist: [],
    });
  });
});

test('values may be text, as in Kafka Connect, or JSON', () => {
  const asText = accepted(SOURCE, {
    'table.include.list': 'public.tenants, public.orders',
    topics: 'orders:shop.orders, tenants:shop.tenants',
    partitions: '12',
    'confirm.trail.ms': '0',
    'replication.factor': 'auto',
  });
  const asJson = accepted(SOURCE, {
    'table.include.list': ['public.tenants', 'public.orders'],
    topics: { orders: 'shop.orders', tenants: 'shop.tenants' },
    partitions: 12,
    'confirm.trail.ms': 0,
  });
  expect(asText).toEqual(asJson);
  expect(asText).toMatchObject({
    tables: [
      { schema: 'public', table: 'tenants', topic: 'shop.tenants' },
      { schema: 'public', table: 'orders', topic: 'shop.orders' },
    ],
    partitions: 12,
    confirmTrailMs: 0,
    replicationFactor: null,
  });
  expect(accepted('ventia.AccountsSink', { 'inactive.suspends': 'false' })).toMatchObject({ inactiveSuspends: false });
});

test('a table without an entry in topics goes to <topic.prefix>.<table>', () => {
  const { tables } = accepted(SOURCE, { 'topic.prefix': 'shop', topics: { orders: 'o' } }) as {
    tables: unknown;
  } & ConnectorConfig;
  expect(tables).toEqual([
    { schema: 'ventia', table: 'tenants', topic: 'shop.tenants' },
    { schema: 'ventia', table: 'orders', topic: 'o' },
  ]);
});

test('placeholders are expanded', () => {
  const file = join(folder({ slot: 'from_file\n' }), 'slot');
  expect(
    accepted(
      SOURCE,
      {
        'slot.name': placeholder(`file:${file}`),
        'publication.name': placeholder('env:PUB'),
        partitions: placeholder('env:N'),
        topics: { orders: `${placeholder('env:PREFIX')}.orders` },
      },
      { PUB: 'from_env', N: '3', PREFIX: 'eu' },
    ),
  ).toMatchObject({
    slotName: 'from_file',
    publicationName: 'from_env',
    partitions: 3,
    tables: [{}, { topic: 'eu.orders' }],
  });
});

test('a placeholder that leads nowhere is a problem, and what came through one is not printed', () => {
  const { problems } = parse(
    SOURCE,
    {
      'slot.name': placeholder('env:GONE'),
      'publication.name': placeholder('file:/nowhere'),
      'topic.prefix': placeholder('vault:x'),
      partitions: placeholder('env:N'),
    },
    { N: 'planted secret' },
  );
  expect(problems).toEqual([
    `x.json: slot.name | found ${placeholder('env:GONE')}, which is not set | something to put in`,
    `x.json: publication.name | found ${placeholder('file:/nowhere')}, which does not exist | something to put in`,
    `x.json: topic.prefix | found ${placeholder('vault:x')}, which names neither env nor file | something to put in`,
    `x.json: partitions | found "${placeholder('env:N')}" | an integer from 1 to 1024`,
  ]);
});

test('all problems of a file come at once, unknown keys with the nearest known one', () => {
  expect(
    refused(SOURCE, {
      'table.include.list': 'ventia.orders, Robert"); DROP',
      'slot.name': 'Ventia-CDC',
      'publication.columns': 'all',
      'snapshot.chunk.rows': 5,
      'confirm.trail.ms': 'soon',
      partitions: '0',
      'slot.nmae': 'x',
      'wholly.different.thing': 1,
    }),
  ).toEqual([
    'x.json: table.include.list | found "ventia.orders, Robert\\"); DROP" | schema.table, both of lower-case letters, digits and _; several separated by commas',
    'x.json: slot.name | found "Ventia-CDC" | a slot name of at most 63 lower-case letters, digits and _',
    'x.json: publication.columns | found "all" | one of none, contract',
    'x.json: snapshot.chunk.rows | found 5 | an integer from 100 to 1000000',
    'x.json: confirm.trail.ms | found "soon" | auto, or an integer from 0 to 3600000',
    'x.json: partitions | found "0" | an integer from 1 to 1024',
    'x.json: slot.nmae | unknown key | perhaps slot.name',
    expect.stringMatching(/^x.json: wholly.different.thing \| unknown key \| one of connector.class, topic.prefix,/),
  ]);
});

test.each([
  [{ topics: { invoices: 'ventia.invoices' } }, 'topics', 'only tables of table.include.list'],
  [{ topics: { orders: 'a', tenants: 'a' } }, 'topics', 'a topic of its own for each'],
  [{ topics: 'orders' }, 'topics', 'a topic name'],
  [{ 'table.include.list': '' }, 'table.include.list', 'at least one table'],
  [{ 'table.include.list': 'a.orders,b.orders' }, 'table.include.list', 'tables of different names'],
  [{ 'table.include.list': 'a.orders,a.orders' }, 'table.include.list', 'no value twice'],
  [{ 'topic.prefix': '..' }, 'topic.prefix', 'a topic name'],
  [{ partitions: null }, 'partitions', 'an integer from 1 to 1024'],
  [{ partitions: 1.5 }, 'partitions', 'an integer from 1 to 1024'],
])('refused: %j', (config, key, expected) => {
  const [problem] = refused(SOURCE, config);
  expect(problem).toContain(`x.json: ${key} | found`);
  expect(problem).toContain(expected);
});

test('no hostile name gets through as an identifier', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      for (const key of ['slot.name', 'publication.name']) {
        const { connector } = parse(SOURCE, { [key]: name });
        if (connector) expect(name).toMatch(/^[a-z0-9_]{1,63}$/);
      }
      const { connector } = parse(SOURCE, { 'table.include.list': [name] });
      if (connector) expect(name.trim()).toMatch(/^[a-z0-9_]{1,63}\.[a-z0-9_]{1,63}$/);
    }),
  );
});

test.each([
  ['a file that is no object', 5, 'the file'],
  ['no name', { config: { 'connector.class': SOURCE } }, 'name'],
  ['no config', { name: 'x' }, 'config'],
  ['no class', { name: 'x', config: {} }, 'connector.class'],
  ['an unknown class', { name: 'x', config: { 'connector.class': 'io.debezium.X' } }, 'connector.class'],
  ['a key in the wrong place', { name: 'x', config: { 'connector.class': SOURCE }, tasks: 1 }, 'tasks'],
])('%s is refused', (_what, json, key) => {
  const problems: Problem[] = [];
  expect(parseConnector(json, 'x.json', {}, problems)).toBeNull();
  expect(problems.map((p) => p.where)).toEqual([`x.json: ${key}`]);
});

describe('a folder', () => {
  const sink = (name: string) => ({ name, config: { 'connector.class': 'ventia.AccountsSink' } });

  test('is read in order of names; schemas and other files are left alone', () => {
    const directory = folder({ '1.json': sink('b'), '2.json': sink('a'), 'x.schema.json': '{', 'notes.md': '#' });
    expect(loadConnectors(directory, {}).map((c) => c.name)).toEqual(['a', 'b']);
  });

  test('reports the problems of all its files at once', () => {
    const directory = folder({ '1.json': sink('a'), '2.json': sink('a'), '3.json': '{"name":', '4.json': {} });
    let message = '';
    try {
      loadConnectors(directory, {});
    } catch (error) {
      expect(error).toMatchObject({ kind: 'connector_invalid' });
      message = (error as CdcError).message;
    }
    expect(message).toContain(`4 problems in ${directory}:`);
    expect(message).toMatch(/2\.json: name +found "a"; expected a name used once/);
    expect(message).toMatch(/3\.json +found no JSON \(.*\); expected a JSON object/);
    expect(message).toMatch(/4\.json: name +not there/);
    expect(message).toMatch(/4\.json: config +not there/);
  });

  test.each([
    ['absent', '/nowhere'],
    ['empty', folder({})],
  ])('%s is said', (_what, directory) => {
    expect(() => loadConnectors(directory, {})).toThrow(CdcError);
    expect(() => loadConnectors(directory, {})).toThrow(directory);
  });

  test('connectors are chosen by name, an unknown one is a usage error with a suggestion', () => {
    const all = loadConnectors('connectors', {});
    expect(selectConnectors(all, []).map((c) => c.name)).toEqual(['accounts-sink', 'contacts-sink', 'ventia-source']);
    expect(selectConnectors(all, ['ventia-source']).map((c) => c.kind)).toEqual(['source']);
    expect(() => selectConnectors(all, ['ventia-sorce'])).toThrow(/did you mean "ventia-source"\?/);
  });
});

test('the files that come with the service say what the defaults say', () => {
  const shipped = loadConnectors('connectors', {});
  const classes = { source: SOURCE, accounts: 'ventia.AccountsSink', contacts: 'ventia.ContactsSink' };
  for (const connector of shipped) {
    expect(connector).toEqual({ ...accepted(classes[connector.kind], {}), name: connector.name });
  }
});

test('connector.schema.json is the schema the service checks with (npm run docs writes it)', () => {
  expect(JSON.parse(readFileSync('connectors/connector.schema.json', 'utf8'))).toEqual(connectorJsonSchema());
});
