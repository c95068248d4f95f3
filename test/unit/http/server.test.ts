import { createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { CdcError } from '../../../src/core/errors';
import { notReady, READY, type Readiness } from '../../../src/core/readiness';
import { createApp, type HttpOptions, listen } from '../../../src/http/server';

const ADMIN = 'admin-token-0123456789';
const VIEWER = 'viewer-token-0123456789';

const apps: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function app(options: Partial<HttpOptions> = {}): FastifyInstance {
  const made = createApp({
    readiness: () => READY,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
    snapshots: null,
    status: () => Promise.reject(new CdcError('kafka_unreachable', 'away')),
    adminToken: null,
    viewerToken: null,
    ...options,
  });
  // Something that is not public, as REST will be.
  made.get('/connectors', async () => ['ventia-source']);
  made.post('/connectors', async () => ({ created: true }));
  made.get('/broken', async () => {
    throw new Error('password=planted');
  });
  apps.push(made);
  return made;
}

test('/health answers while the process lives', async () => {
  const response = await app({ readiness: () => notReady(new CdcError('internal', 'x')) }).inject('/health');
  expect([response.statusCode, response.json()]).toEqual([200, { status: 'up' }]);
});

test('/ready follows the readiness, with code, reason and fix', async () => {
  let readiness: Readiness = notReady(new CdcError('slot_lost', 'wal_status of ventia_cdc is lost'));
  const made = app({ readiness: () => readiness });
  const halted = await made.inject('/ready');
  expect([halted.statusCode, halted.json()]).toEqual([
    503,
    { ready: false, code: 'CDC-212', reason: 'wal_status of ventia_cdc is lost', fix: 'ventia-cdc repair slot' },
  ]);
  readiness = READY;
  const ready = await made.inject('/ready');
  expect([ready.statusCode, ready.json()]).toEqual([200, { ready: true }]);
});

test('/metrics is what the registry renders', async () => {
  const response = await app().inject('/metrics');
  expect(response.headers['content-type']).toContain('text/plain; version=0.0.4');
  expect(response.body).toBe('up 1\n');
});

test('every answer has the security headers', async () => {
  for (const url of ['/health', '/nowhere', '/broken']) {
    expect((await app().inject(url)).headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
  }
});

test('errors have one form and say nothing of the inside', async () => {
  const made = app();
  expect((await made.inject('/nowhere')).json()).toEqual({ error_code: 404, message: 'There is no GET /nowhere' });
  expect((await made.inject('/broken')).json()).toEqual({ error_code: 500, message: 'An unexpected error' });
  const tooLarge = await made.inject({ method: 'POST', url: '/connectors', payload: { x: 'x'.repeat(65 * 1024) } });
  expect(tooLarge.statusCode).toBe(413);
  const noJson = await made.inject({
    method: 'POST',
    url: '/connectors',
    headers: { 'content-type': 'application/json' },
    payload: '{',
  });
  expect(noJson.statusCode).toBe(400);
});

describe('without a token', () => {
  const status = async (url: string, remoteAddress: string, host: string) =>
    (await app().inject({ url, remoteAddress, headers: { host } })).statusCode;

  test.each([
    ['127.0.0.1', 'localhost:8083', 200],
    ['::1', '[::1]:8083', 200],
    ['::ffff:127.0.0.1', '127.0.0.1', 200],
    ['127.0.0.1', 'evil.example', 403],
    ['127.0.0.1', 'localhost.evil.example', 403],
    ['10.0.0.7', 'localhost:8083', 403],
  ])('from %s under the name "%s": %i', async (address, host, expected) => {
    expect(await status('/connectors', address, host)).toBe(expected);
  });

  test.each([
    ['none of a browser', {}, 200],
    ['a page of ours', { origin: 'http://localhost:8083', 'sec-fetch-site': 'same-origin' }, 200],
    ['typed by a person', { 'sec-fetch-site': 'none' }, 200],
    ['a form of another site', { origin: 'https://evil.example' }, 403],
    ['a form of another port', { origin: 'http://localhost:3000' }, 403],
    ['a frame without origin', { origin: 'null' }, 403],
    ['an image or a link of another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a page of a sister site', { 'sec-fetch-site': 'same-site' }, 403],
  ])('a request by %s', async (_, headers, expected) => {
    const request = { remoteAddress: '127.0.0.1', headers: { host: 'localhost:8083', ...headers } };
    const post = await app().inject({ method: 'POST', url: '/connectors', ...request });
    const get = await app().inject({ url: '/connectors', ...request });
    expect([post.statusCode, get.statusCode]).toEqual([expected, expected]);
  });

  test('monitors are served from everywhere', async () => {
    for (const url of ['/health', '/ready', '/metrics', '/metrics?x=1']) {
      expect(await status(url, '10.0.0.7', 'cdc:8083')).toBe(200);
    }
  });
});

describe('with tokens', () => {
  const status = async (method: 'GET' | 'POST', token: string | null, options: Partial<HttpOptions> = {}) => {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    const made = app({ adminToken: ADMIN, viewerToken: VIEWER, ...options });
    return (await made.inject({ method, url: '/connectors', headers, remoteAddress: '10.0.0.7' })).statusCode;
  };

  test('the administrator reads and changes', async () => {
    expect([await status('GET', ADMIN), await status('POST', ADMIN)]).toEqual([200, 200]);
  });
  test('the viewer reads', async () => {
    expect([await status('GET', VIEWER), await status('POST', VIEWER)]).toEqual([200, 403]);
  });
  test('a viewer token alone leaves loopback its rights', async () => {
    expect([
      await status('GET', VIEWER, { adminToken: null }),
      await status('GET', null, { adminToken: null }),
    ]).toEqual([200, 401]);
    const local = app({ viewerToken: VIEWER });
    const response = await local.inject({ method: 'POST', url: '/connectors', headers: { host: 'localhost' } });
    expect(response.statusCode).toBe(200);
  });
  test('nobody else does anything, from loopback neither', async () => {
    expect([await status('GET', null), await status('GET', `${ADMIN}x`), await status('POST', '')]).toEqual([
      401, 401, 401,
    ]);
    expect(await status('GET', 'null', { viewerToken: null })).toBe(401);
    const local = await app({ adminToken: ADMIN }).inject({ url: '/connectors', headers: { host: 'localhost' } });
    expect(local.statusCode).toBe(401);
    expect(local.headers['www-authenticate']).toBe('Bearer');
  });
});

describe('listening', () => {
  test('port 0 takes a free one and says which', async () => {
    const url = await listen(app(), '127.0.0.1', 0);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'up' });
  });

  test('a port in use is port_taken', async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
    });
    try {
      await expect(listen(app(), '127.0.0.1', port)).rejects.toMatchObject({
        kind: 'port_taken',
        message: `port ${port} on 127.0.0.1 is in use by another process`,
      });
    } finally {
      other.close();
    }
  });

  test('an address of another machine is settings_invalid', async () => {
    await expect(listen(app(), '192.0.2.1', 0)).rejects.toMatchObject({
      kind: 'settings_invalid',
      message: 'HTTP_HOST 192.0.2.1 is no address of this machine',
    });
  });
});
