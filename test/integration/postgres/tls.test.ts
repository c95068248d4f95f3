import { chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { choosePorts } from '../../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../../src/dev/stack/postgres';
import { openDatabase } from '../../../src/postgres/database';
import { Authority, type Certificate } from '../../support/certificates';
import { eventually } from '../../support/wait';

jest.setTimeout(60_000);

/** A server that speaks TLS only, with the certificate that is copied to it. */
let dir: string;
let authority: Authority;
let others: Authority;
let postgres: Postgres;

const pathOf = (file: string) => join(dir, 'data', file);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'postgres-tls-'));
  authority = new Authority();
  others = new Authority();
  const { port } = await choosePorts({ port: 0 });
  // Made first without TLS: the certificate lies among its data.
  const first = await startPostgres({ dir, port, settings: { fsync: 'off' } });
  await first.stop();
  give(authority.issue('server'));
  const settings = { fsync: 'off', ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key' };
  postgres = await startPostgres({ dir, port, settings });
  writeFileSync(pathOf('pg_hba.conf'), 'hostssl all all all scram-sha-256\n');
  await ask(unverified(), 'SELECT pg_reload_conf()');
});
afterAll(async () => {
  await postgres?.stop();
  rmSync(dir, { recursive: true, force: true });
  authority.drop();
  others.drop();
});

function give(certificate: Certificate): void {
  const owner = statSync(join(dir, 'data'));
  for (const [from, to] of [
    [certificate.certFile, 'server.crt'],
    [certificate.keyFile, 'server.key'],
  ] as const) {
    copyFileSync(from, pathOf(to));
    chownSync(pathOf(to), owner.uid, owner.gid);
  }
}

/** The server shows it from a moment later on. */
async function present(certificate: Certificate): Promise<void> {
  give(certificate);
  await ask(unverified(), 'SELECT pg_reload_conf()');
}

const unverified = () => `${postgres.url}?sslmode=require`;
const verified = () => `${postgres.url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(authority.certFile)}`;

async function ask(url: string, sql: string) {
  const database = openDatabase(url, 'source', { applicationName: 'test', max: 1 });
  try {
    return await database.query(sql);
  } finally {
    await database.close();
  }
}

const TLS = 'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

it('a server whose certificate an authority of our own has signed is trusted, for its name', async () => {
  expect(await ask(verified(), TLS)).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
});

it('without TLS a server that wants it refuses, and says so', async () => {
  await expect(ask(`${postgres.url}?sslmode=disable`, TLS)).rejects.toMatchObject({ kind: 'source_refused' });
});

it.each<[string, () => Certificate, RegExp]>([
  ['signed by an authority that we do not know', () => others.issue('server'), /UNABLE_TO_VERIFY|SELF_SIGNED/],
  ['for another host', () => authority.issue('other', { names: 'DNS:db.example' }), /ALTNAME/],
  ['that has ended', () => authority.issue('server', { days: -1 }), /CERT_HAS_EXPIRED/],
])('a certificate %s is refused, with the reason and no secret', async (_what, certificate, reason) => {
  try {
    await present(certificate());
    const failure = await eventually(() =>
      ask(verified(), TLS).then(
        () => null,
        (error) => error,
      ),
    );
    expect(failure).toMatchObject({ kind: 'source_refused', message: expect.stringMatching(reason) });
    expect(failure.fix).toContain('sslrootcert');
    expect(`${failure.message} ${failure.fix}`).not.toContain('postgres:postgres');
  } finally {
    await present(authority.issue('server'));
    await eventually(() => ask(verified(), TLS));
  }
});

it('somebody in the middle who has a right certificate is refused: the password is bound to the channel', async () => {
  const middle = await listenBetween(authority.issue('in the middle'));
  const { port } = middle.address() as { port: number };
  try {
    const url = verified().replace(`:${postgres.port}/`, `:${port}/`);
    await expect(ask(url, TLS)).rejects.toMatchObject({ kind: 'source_refused' });
  } finally {
    middle.close();
  }
});

/** Answers as a server does, decrypts, and passes everything on to the real one. */
function listenBetween(own: Certificate): Promise<Server> {
  const fail = (socket: Socket) => socket.on('error', () => socket.destroy());
  const server = createServer((client) => {
    fail(client);
    client.once('data', (request) => {
      const real = fail(connect(postgres.port, '127.0.0.1'));
      real.write(request);
      real.once('data', (answer) => {
        client.write(answer);
        const inner = new TLSSocket(client, { isServer: true, key: own.key, cert: own.cert });
        const outer = connectTls({ socket: real, ca: readFileSync(authority.certFile), host: '127.0.0.1' });
        fail(inner).pipe(fail(outer)).pipe(inner);
      });
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
