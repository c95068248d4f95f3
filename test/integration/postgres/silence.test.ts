import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { CdcError } from '../../../src/core/errors';
import type { Database } from '../../../src/core/ports/sql';
import { openDatabase } from '../../../src/postgres/database';
import { stack } from '../../support/stack';
import { eventually } from '../../support/wait';

/** Stands between client and server, and can stop forwarding without closing anything: a half-open connection. */
class SilentProxy {
  private readonly sockets: Socket[] = [];
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async open(): Promise<SilentProxy> {
    const target = new URL(stack().postgresUrl);
    const server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname);
      proxy.sockets.push(near, far);
      near.pipe(far).on('error', () => near.destroy());
      far.pipe(near).on('error', () => far.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(target);
    url.port = String((server.address() as AddressInfo).port);
    const proxy = new SilentProxy(server, url.href);
    return proxy;
  }

  /** Connections there are now go silent; later ones work, unless the whole server is to look frozen. */
  freeze(all: boolean): void {
    for (const socket of this.sockets) socket.unpipe().pause();
    if (all) this.server.removeAllListeners('connection').on('connection', (socket) => this.sockets.push(socket));
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

let proxy: SilentProxy;
let db: Database;

beforeEach(async () => {
  proxy = await SilentProxy.open();
  db = openDatabase(proxy.url, 'messaging', { applicationName: 'silence-test', silenceMs: 150 });
  await db.query('SELECT 1');
});

afterEach(async () => {
  await db.close();
  proxy.close();
});

const kindOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: CdcError) => error.kind,
  );

it('a half-open connection is replaced, although the server is well', async () => {
  proxy.freeze(false);
  expect(await kindOf(db.query('SELECT 1'))).toBe('messaging_unreachable');
  expect(await db.query('SELECT 2 AS two')).toEqual([{ two: 2 }]);
});

it('a frozen server is unreachable within 15 s', async () => {
  proxy.freeze(true);
  const started = Date.now();
  expect(await kindOf(db.query('SELECT 1'))).toBe('messaging_unreachable');
  expect(Date.now() - started).toBeLessThan(15_000);
}, 20_000);

it('a statement that works for long is left to work', async () => {
  expect(await kindOf(db.query('SELECT pg_sleep(1)'))).toBe('none');
});

it('a statement that waits for a lock is left to wait', async () => {
  const lock = 'SELECT pg_advisory_xact_lock(hashtext($1))';
  let waiting: Promise<string> | undefined;
  await db.transaction(async (tx) => {
    await tx.query(lock, ['silence-test']);
    waiting = kindOf(db.query(lock, ['silence-test']));
    await eventually(
      async () => (await db.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).length > 0,
    );
    await tx.query('SELECT pg_sleep(0.6)');
  });
  expect(await waiting).toBe('none');
});

it('closing does not wait for a server that is gone', async () => {
  const started = Date.now();
  proxy.freeze(true);
  await db.close();
  expect(Date.now() - started).toBeLessThan(3_000);
});
