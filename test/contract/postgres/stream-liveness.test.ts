import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { choosePorts } from '../../../src/dev/stack/ports';
import { type Postgres, startPostgres } from '../../../src/dev/stack/postgres';
import { createSource, openStream, Recorder, type Source, startRecording } from '../../support/replication';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy';
import { itSince } from '../../support/tools';
import { eventually } from '../../support/wait';

jest.setTimeout(30_000);

const SCHEMA = 'CREATE TABLE t (id bigint PRIMARY KEY, v text)';

let source: Source;
beforeEach(async () => {
  source = await createSource('live', SCHEMA);
});
afterEach(() => source.drop());

const setTimeoutOfServer = (value: string) =>
  source.sql(`ALTER DATABASE ${source.client.database} SET wal_sender_timeout = '${value}'`);
const sleep = (seconds: number) => source.sql('SELECT pg_sleep($1)', [seconds]);

describe('statuses', () => {
  test('keep a paused connection for longer than wal_sender_timeout (B9, trap 4)', async () => {
    await setTimeoutOfServer('1s');
    const { stream, recorder } = await startRecording(source);
    stream.pause();
    const reader = await source.reader();
    await source.sql(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i`);
    await sleep(4);
    expect(recorder.ends).toEqual([]);
    expect(await source.reader()).toBe(reader);
    stream.resume();
    await eventually(() => recorder.inserted.length === 20_000);
    await stream.stop();
  });

  test('keep an idle connection, too', async () => {
    await setTimeoutOfServer('1s');
    const { stream, recorder } = await startRecording(source);
    await sleep(3.5);
    expect(recorder.ends).toEqual([]);
    expect(recorder.keepalives.length).toBeGreaterThanOrEqual(3);
    await stream.stop();
  });
});

describe('a link that breaks', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    proxy = await startTcpProxy(source.url);
  });
  afterEach(() => proxy.close());

  test('half-open: silent, and a new connection takes over from the confirmed position (F16)', async () => {
    const { stream, recorder } = await startRecording(source, { url: proxy.through(source.url), silenceMs: 2_000 });
    await source.sql('INSERT INTO t VALUES (1)');
    await eventually(() => recorder.inserted.length === 1);
    stream.confirm(recorder.commitEnds[0]!);
    await eventually(async () => (await source.confirmedFlush()) === recorder.commitEnds[0]);
    proxy.freeze();
    await source.sql('INSERT INTO t VALUES (2)');
    await eventually(() => recorder.ends.length > 0);
    expect(recorder.ends).toMatchObject([{ kind: 'stream_silent', retry: 'timed' }]);
    await stream.stop();

    proxy.pass();
    await eventually(async () => (await source.reader()) === null);
    const replacement = await startRecording(source, { url: proxy.through(source.url) });
    await eventually(() => replacement.recorder.inserted.length === 1);
    expect(replacement.recorder.inserted).toEqual(['2']);
    await replacement.stream.stop();
  });

  test('slow: what takes longer than every timeout comes over one connection', async () => {
    await setTimeoutOfServer('1s');
    const { stream, recorder } = await startRecording(source, { url: proxy.through(source.url), silenceMs: 2_000 });
    const reader = await source.reader();
    proxy.throttle(300_000);
    await source.sql(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 1500) i`);
    const began = performance.now();
    await eventually(() => recorder.commitEnds.length === 1, { timeoutMs: 25_000 });
    expect(performance.now() - began).toBeGreaterThan(3_000);
    expect(recorder.ends).toEqual([]);
    expect(await source.reader()).toBe(reader);
    proxy.throttle(Number.POSITIVE_INFINITY);
    await stream.stop();
  });

  test('by default we notice within 13 s, and the server within the 10 s we asked of it, even if it had no limit', async () => {
    await setTimeoutOfServer('0');
    const { stream, recorder } = await startRecording(source, { url: proxy.through(source.url) });
    proxy.freeze();
    const begun = Date.now();
    await eventually(async () => (await source.reader()) === null, { timeoutMs: 13_000 });
    expect(Date.now() - begun).toBeGreaterThan(5_000);
    await eventually(() => recorder.ends.length > 0, { timeoutMs: 15_000 });
    expect(Date.now() - begun).toBeLessThan(13_500);
    await stream.stop();
  });

  test('a server that is stricter than we keeps its own limit', async () => {
    await setTimeoutOfServer('1s');
    const { stream, recorder } = await startRecording(source, { url: proxy.through(source.url) });
    proxy.freeze();
    await eventually(async () => (await source.reader()) === null, { timeoutMs: 4_000 });
    expect(recorder.ends).toEqual([]);
    await stream.stop();
  });

  test('an idle server is not taken for silent, nor one that we do not read', async () => {
    const options = { url: proxy.through(source.url), silenceMs: 1_000 };
    await setTimeoutOfServer('1s');
    const { stream, recorder } = await startRecording(source, options);
    await sleep(2.5);
    stream.pause();
    await source.sql(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i`);
    await sleep(2.5);
    expect(recorder.ends).toEqual([]);
    stream.resume();
    await eventually(() => recorder.inserted.length === 20_000);
    await stream.stop();
  });

  test('reset: broken at once', async () => {
    const { stream, recorder } = await startRecording(source, { url: proxy.through(source.url) });
    proxy.cut();
    await eventually(() => recorder.ends.length > 0, { timeoutMs: 1_000 });
    expect(recorder.ends).toMatchObject([{ kind: 'stream_broken' }]);
    await stream.stop();
  });

  test('broken while paused: noticed by the statuses', async () => {
    await setTimeoutOfServer('1s');
    const { stream, recorder } = await startRecording(source, { url: proxy.through(source.url) });
    stream.pause();
    await source.sql('SELECT pg_terminate_backend($1)', [await source.reader()]);
    await eventually(() => proxy.open === 0);
    await eventually(() => recorder.ends.length > 0, { timeoutMs: 3_000 });
    expect(recorder.ends).toMatchObject([{ kind: 'stream_broken' }]);
    await stream.stop();
  });

  test('frozen while it is being stopped: the stop ends nevertheless', async () => {
    const { stream } = await startRecording(source, { url: proxy.through(source.url) });
    proxy.freeze();
    const begun = Date.now();
    await stream.stop();
    expect(Date.now() - begun).toBeLessThan(2_000);
  });

  test('frozen before it begins: unreachable', async () => {
    proxy.freeze();
    const begun = Date.now();
    await expect(startRecording(source, { url: proxy.through(source.url) })).rejects.toMatchObject({
      kind: 'source_unreachable',
    });
    expect(Date.now() - begun).toBeLessThan(11_000);
  });
});

describe('a server of our own', () => {
  let dir: string;
  let port: number;
  let server: Postgres;
  let own: Source;
  const run = async (text: string) => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(text);
    await client.end();
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ventia-cdc-shutdown-'));
    ({ port } = await choosePorts({ port: 0 }));
    server = await startPostgres({ dir, port });
    await run(`${SCHEMA}; CREATE PUBLICATION captured FOR TABLE t`);
    await run(`SELECT pg_create_logical_replication_slot('s', 'pgoutput')`);
    await run('INSERT INTO t VALUES (1)');
    own = { ...source, url: server.url, slot: 's' };
  });
  afterEach(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('that has nothing to say, as nothing is written and all is confirmed, answers and is not taken for silent', async () => {
    const stream = openStream(own, { silenceMs: 4_000 });
    const recorder = new Recorder();
    await stream.start({
      onMessage: (payload, lsn) => recorder.onMessage(payload, lsn),
      onKeepalive: (walEnd) => {
        recorder.onKeepalive(walEnd);
        stream.confirm(walEnd);
      },
      onEnd: (error) => recorder.onEnd(error),
    });
    await sleep(8);
    expect(recorder.ends).toEqual([]);
    expect(recorder.keepalives.length).toBeLessThan(20);
    await stream.stop();
  });

  // Older ones wait without asking.
  itSince(17)(
    'that shuts down stops once all is confirmed, without being asked and answered thousands of times; then the stream goes on (F15)',
    async () => {
      const { stream, recorder } = await startRecording(own);
      await eventually(() => recorder.inserted.length === 1);
      const stopping = server.stop();
      await eventually(() => recorder.keepalives.length > 1);
      expect(recorder.ends).toEqual([]);
      const confirming = setInterval(() => stream.confirm(recorder.keepalives.at(-1)!), 100);
      await stopping;
      clearInterval(confirming);
      await eventually(() => recorder.ends.length > 0);
      expect(recorder.ends).toMatchObject([{ kind: 'stream_broken', retry: 'timed' }]);
      expect(recorder.keepalives.length).toBeLessThan(100);
      await stream.stop();

      server = await startPostgres({ dir, port });
      await run('INSERT INTO t VALUES (2)');
      const restarted = await startRecording(own);
      await eventually(() => restarted.recorder.inserted.length === 1);
      expect(restarted.recorder.inserted).toEqual(['2']);
      await restarted.stream.stop();
    },
  );

  test('that shuts down is not held up by what cannot be confirmed, which comes again', async () => {
    const { stream, recorder } = await startRecording(own);
    await eventually(() => recorder.inserted.length === 1);
    const begun = Date.now();
    await server.stop();
    expect(Date.now() - begun).toBeLessThan(9_000);
    expect(recorder.ends).toMatchObject([{ kind: 'stream_broken' }]);
    await stream.stop();

    server = await startPostgres({ dir, port });
    const restarted = await startRecording(own);
    await eventually(() => restarted.recorder.inserted.length === 1);
    expect(restarted.recorder.inserted).toEqual(['1']);
    await restarted.stream.stop();
  });
});
