import { createServer, type RequestListener, request, type Server } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Contract } from '../../../src/avro/contract';
import { readContracts } from '../../../src/avro/contract-files';
import { ChangeDecoder } from '../../../src/avro/decoder';
import { schemasOf } from '../../../src/avro/envelope';
import { createRegistry } from '../../../src/avro/registry';
import { COMPATIBILITY, ensureSubjects, lookupSubjects, planSubjects } from '../../../src/avro/subjects';
import type { CdcError } from '../../../src/core/errors';
import { Authority, type Certificate } from '../../support/certificates';
import { stack, uniqueName } from '../../support/stack';

const registry = () => createRegistry({ url: stack().registryUrl });
const kindOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: CdcError) => error.kind,
  );

/** The published contract under topics of their own. */
async function contracts(profile: 'seed' | 'repo' = 'seed'): Promise<Contract[]> {
  const prefix = uniqueName('avro');
  const table = (name: string) => ({ schema: 'ventia', table: name, topic: `${prefix}.${name}` });
  return readContracts(join(__dirname, '../../../schemas/avro', profile), [table('tenants'), table('orders')]);
}
const changed = (contract: Contract, change: (fields: Contract['fields']) => Contract['fields']): Contract => ({
  ...contract,
  fields: change(contract.fields),
});
const withField = (contract: Contract, kind: 'string' | 'long') =>
  changed(contract, (fields) => [
    ...fields,
    { name: 'nickname', type: { kind, precision: 0, scale: 0 }, doc: 'Nickname.', optional: true },
  ]);

describe.each(['seed', 'repo'] as const)('subjects, profile %s', (profile) => {
  test('before set-up nothing is there, and run is told so', async () => {
    const mine = await contracts(profile);
    expect(
      (await planSubjects(registry(), mine)).map(({ subject, id, compatibility, incompatible }) => [
        subject,
        id,
        compatibility,
        incompatible,
      ]),
    ).toEqual(
      ['tenants-key', 'tenants-value', 'orders-key', 'orders-value'].map((end) => [
        expect.stringMatching(`\\.${end}$`),
        null,
        null,
        null,
      ]),
    );
    expect(await kindOf(lookupSubjects(registry(), mine))).toBe('setup_needed');
  });

  test('set-up registers them fully compatible; again, it does nothing and the ids stay', async () => {
    const mine = await contracts(profile);
    await ensureSubjects(registry(), mine);
    const ids = await lookupSubjects(registry(), mine);
    expect([...ids.keys()]).toEqual(mine.map(({ topic }) => topic));
    for (const plan of await ensureSubjects(registry(), mine))
      expect(plan).toMatchObject({ id: expect.any(Number), compatibility: COMPATIBILITY, incompatible: null });
    expect(await lookupSubjects(registry(), mine)).toEqual(ids);
    for (const { topic } of mine) expect(await registry().schemaById(ids.get(topic)!.value)).toContain('"Envelope"');
  });
});

test('a column more or less is a new version; a changed type is refused before anything is registered', async () => {
  const [tenants, orders] = (await contracts()) as [Contract, Contract];
  await ensureSubjects(registry(), [tenants]);
  const first = await lookupSubjects(registry(), [tenants]);

  const more = withField(tenants, 'string');
  expect(await kindOf(lookupSubjects(registry(), [more]))).toBe('setup_needed');
  await ensureSubjects(registry(), [more]);
  const second = await lookupSubjects(registry(), [more]);
  expect(second.get(tenants.topic)!.value).not.toBe(first.get(tenants.topic)!.value);
  expect(second.get(tenants.topic)!.key).toBe(first.get(tenants.topic)!.key);

  const less = changed(more, (fields) => fields.filter(({ name }) => name !== 'slug'));
  await ensureSubjects(registry(), [less]);
  // Going back needs no new version.
  await ensureSubjects(registry(), [tenants]);
  expect(await lookupSubjects(registry(), [tenants])).toEqual(first);

  const other = withField(tenants, 'long');
  const [, plan] = await planSubjects(registry(), [other]);
  expect(plan!.incompatible).toContain('Incompatible artifact');
  expect(await kindOf(ensureSubjects(registry(), [other, orders]))).toBe('schema_incompatible');
  expect(await kindOf(lookupSubjects(registry(), [orders]))).toBe('setup_needed');
  expect(await kindOf(registry().register(`${tenants.topic}-value`, schemasOf(other).value))).toBe(
    'schema_incompatible',
  );
});

test('a laxer level that somebody set is put right', async () => {
  const [tenants] = (await contracts()) as [Contract];
  await ensureSubjects(registry(), [tenants]);
  await registry().setCompatibility(`${tenants.topic}-value`, 'NONE');
  expect(await kindOf(ensureSubjects(registry(), [withField(tenants, 'string')]))).toBe('no error');
  expect(await registry().compatibility(`${tenants.topic}-value`)).toBe(COMPATIBILITY);
  await registry().setCompatibility(`${tenants.topic}-value`, 'NONE');
  expect(await kindOf(ensureSubjects(registry(), [withField(tenants, 'long')]))).toBe('schema_incompatible');
});

test('an id that nobody knows', async () => {
  expect(await kindOf(registry().schemaById(2_000_000_000))).toBe('schema_unknown');
  const record = Buffer.from('0077359400', 'hex');
  expect(await kindOf(new ChangeDecoder(registry()).positionOf(record))).toBe('schema_unknown');
});

test('what is no schema is refused with the reason', async () => {
  const refused = registry().register(uniqueName('avro'), '{"type": "nonsense"}');
  await expect(refused).rejects.toMatchObject({ kind: 'registry_refused', message: expect.stringMatching(/422/) });
});

describe('through a link that fails', () => {
  /** Forwards to the real registry what `rule` lets through, by the number of the request. */
  async function link(rule: (n: number) => 'forward' | 'hang' | 'drop' | 503 | 401, tls?: Certificate) {
    const seen: { path: string; authorization: string | undefined }[] = [];
    const target = new URL(stack().registryUrl);
    const onRequest: RequestListener = (incoming, outgoing) => {
      seen.push({ path: incoming.url!, authorization: incoming.headers.authorization });
      const action = rule(seen.length);
      if (action === 'hang') return;
      if (action === 'drop') {
        incoming.socket.destroy();
        return;
      }
      if (action !== 'forward') {
        outgoing.writeHead(action, { 'content-type': 'text/html' }).end('<p>no</p>');
        return;
      }
      const { host, ...headers } = incoming.headers;
      const forward = request(
        { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(outgoing);
        },
      );
      incoming.pipe(forward);
    };
    const server = tls ? createSecureServer(tls, onRequest) : createServer(onRequest);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    links.push(server);
    return {
      url: `http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}${target.pathname}`,
      seen,
    };
  }
  const links: (Server | SecureServer)[] = [];
  afterEach(() => {
    for (const server of links.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  const schema = '{"type":"record","name":"Key","namespace":"a","fields":[{"name":"id","type":"long"}]}';

  test('silence, a cut and a sick server are tried again', async () => {
    const { url, seen } = await link((n) => (['hang', 'drop', 503] as const)[n - 1] ?? 'forward');
    const client = createRegistry({ url, timeoutMs: 200, retries: 3, backoffMs: 5 });
    expect(await client.register(uniqueName('avro'), schema)).toEqual(expect.any(Number));
    expect(seen).toHaveLength(4);
  });

  test('and then it is unreachable, without the password in the message', async () => {
    const { url } = await link(() => 503);
    const client = createRegistry({ url: url.replace('//', '//user:s3cret@'), retries: 2, backoffMs: 1 });
    const error = await client.schemaById(1).catch((e: CdcError) => e);
    expect(error).toMatchObject({
      kind: 'registry_unreachable',
      message: expect.stringMatching(/127\.0\.0\.1:\d+: it answered 503/),
    });
    expect((error as CdcError).message).not.toContain('s3cret');
    expect(await kindOf(createRegistry({ url: 'http://127.0.0.1:1', retries: 0 }).schemaById(1))).toBe(
      'registry_unreachable',
    );
  });

  test('a login that is not right is refused at once', async () => {
    const { url, seen } = await link(() => 401);
    expect(await kindOf(createRegistry({ url }).lookup('a-key', schema))).toBe('registry_refused');
    expect(seen).toHaveLength(1);
  });

  test.each<[string, (own: Authority, other: Authority) => { shown: Certificate; ca: string }, RegExp | null]>([
    ['right', (own) => ({ shown: own.issue('registry'), ca: own.cert }), null],
    ['of an unknown authority', (own, other) => ({ shown: own.issue('registry'), ca: other.cert }), /verify|signed/i],
    ['of another host', (own) => ({ shown: own.issue('r', { names: 'DNS:r.example' }), ca: own.cert }), /altname/i],
    ['that has ended', (own) => ({ shown: own.issue('registry', { days: -1 }), ca: own.cert }), /expired/i],
  ])('a certificate %s', async (_what, make, reason) => {
    const authorities = [new Authority(), new Authority()] as const;
    try {
      const { shown, ca } = make(...authorities);
      const { url, seen } = await link(() => 'forward', shown);
      const answer = createRegistry({ url, ca, username: 'cdc', password: 's3cret' }).register(
        uniqueName('avro'),
        schema,
      );
      if (reason === null) {
        expect(await answer).toEqual(expect.any(Number));
        expect(seen[0]!.authorization).toMatch(/^Basic /);
        return;
      }
      const failure = (await answer.catch((error) => error)) as CdcError;
      expect(failure).toMatchObject({ kind: 'registry_refused', message: expect.stringMatching(reason) });
      expect(failure.fix).toContain('SCHEMA_REGISTRY_SSL_CA');
      expect(failure.message).not.toContain('s3cret');
      expect(seen).toHaveLength(0);
    } finally {
      for (const authority of authorities) authority.drop();
    }
  });

  test('path and login reach it, a slash at the end or not', async () => {
    const { url, seen } = await link(() => 'forward');
    await createRegistry({ url: `${url}/`, username: 'cdc', password: 'pä:ss' }).compatibility('nobody/here');
    expect(seen).toEqual([
      {
        path: '/apis/ccompat/v7/config/nobody%2Fhere',
        authorization: `Basic ${Buffer.from('cdc:pä:ss').toString('base64')}`,
      },
    ]);
  });

  test('what several want at once is asked once, a failure is not remembered', async () => {
    const { url, seen } = await link((n) => (n === 1 ? 503 : 'forward'));
    const client = createRegistry({ url, retries: 0 });
    const id = await registry().register(uniqueName('avro'), schema);
    expect(await kindOf(client.schemaById(id))).toBe('registry_unreachable');
    const texts = await Promise.all([client.schemaById(id), client.schemaById(id), client.schemaById(id)]);
    expect(texts).toEqual([schema, schema, schema]);
    await client.schemaById(id);
    expect(seen).toHaveLength(2);
  });
});
