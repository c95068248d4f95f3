import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { CdcError } from '../../../src/core/errors';
import { parseLsn } from '../../../src/core/lsn';
import { choosePorts } from '../../../src/dev/stack/ports';
import { startPostgres } from '../../../src/dev/stack/postgres';
import { createSource, openStream, Recorder, type Source, startRecording } from '../../support/replication';
import { createDatabase, uniqueName } from '../../support/stack';
import { itSince } from '../../support/tools';
import { eventually } from '../../support/wait';

jest.setTimeout(30_000);

const SCHEMA = 'CREATE TABLE t (id bigint PRIMARY KEY, v text)';

let source: Source;
beforeEach(async () => {
  source = await createSource('stream', SCHEMA);
});
afterEach(() => source.drop());

describe('positions', () => {
  test('a transaction that begins to commit exactly where the confirmed one ended is not lost (trap 1)', async () => {
    const { first, second, end } = await adjacentCommits(source);
    const { stream, recorder } = await startRecording(source);
    await eventually(() => recorder.inserted.includes(second));
    stream.confirm(end);
    await stream.stop();
    expect(await source.confirmedFlush()).toBe(end);

    const restarted = await startRecording(source);
    await eventually(() => restarted.recorder.inserted.includes(second));
    expect(restarted.recorder.inserted).not.toContain(first);
    await restarted.stream.stop();
  });

  test('what is received but not confirmed stays, however long it takes, and comes again (traps 2 and 3)', async () => {
    await source.sql(`ALTER DATABASE ${source.client.database} SET wal_sender_timeout = '1s'`);
    const before = await source.confirmedFlush();
    await source.sql(`INSERT INTO t SELECT i FROM generate_series(1, 3) i`);
    const { stream, recorder } = await startRecording(source);
    await eventually(() => recorder.inserted.length === 3);
    const answered = recorder.keepalives.length;
    await eventually(() => recorder.keepalives.length >= answered + 4);
    expect(await source.confirmedFlush()).toBe(before);
    await stream.stop();
    expect(await source.confirmedFlush()).toBe(before);

    const restarted = await startRecording(source);
    await eventually(() => restarted.recorder.inserted.length === 3);
    await restarted.stream.stop();
  });

  test('what the server first hears of us is what was confirmed, not what was received (trap 2)', async () => {
    const before = await source.confirmedFlush();
    const { recorder } = await startRecording(source);
    await source.sql(`INSERT INTO t VALUES (1)`);
    await eventually(() => recorder.commitEnds.length === 1);
    // The package's timer, if it ran, would be the first to speak: a second after the start.
    const heard = await eventually(async () => {
      const [row] = await source.sql('SELECT flush_lsn::text AS lsn FROM pg_stat_replication WHERE pid = $1', [
        await source.reader(),
      ]);
      return row?.lsn as string | null | undefined;
    });
    expect(parseLsn(heard!)).toBe(before);
    expect(await source.confirmedFlush()).toBe(before);
  });

  test('confirmed at once, exactly, and never back', async () => {
    await source.sql(`INSERT INTO t VALUES (1)`);
    await source.sql(`INSERT INTO t VALUES (2)`);
    const { stream, recorder } = await startRecording(source);
    const [first, second] = await eventually(() => recorder.commitEnds.length === 2 && recorder.commitEnds);
    stream.confirm(first!);
    await eventually(async () => (await source.confirmedFlush()) === first);
    stream.confirm(second!);
    stream.confirm(first!);
    await stream.stop();
    expect(await source.confirmedFlush()).toBe(second);
  });

  test('a caller who knows an older position does not take the slot back', async () => {
    await source.sql(`INSERT INTO t VALUES (1)`);
    const earlier = await source.confirmedFlush();
    await source.sql(`SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())`, [source.slot]);
    const advanced = await source.confirmedFlush();
    expect(advanced).toBeGreaterThan(earlier);
    const { stream } = await startRecording(source, { confirmed: earlier });
    stream.confirm(earlier + 8n);
    await stream.stop();
    expect(await source.confirmedFlush()).toBe(advanced);
  });

  test('the last position is with the server when stop resolves, and the slot is free (also while paused)', async () => {
    for (const paused of [false, true]) {
      await source.sql(`INSERT INTO t VALUES ($1)`, [paused ? 1 : 2]);
      const { stream, recorder } = await startRecording(source);
      const [end] = await eventually(() => recorder.commitEnds.length > 0 && recorder.commitEnds);
      if (paused) stream.pause();
      stream.confirm(end!);
      const begun = Date.now();
      await stream.stop();
      await stream.stop();
      expect(Date.now() - begun).toBeLessThan(800);
      expect(await source.confirmedFlush()).toBe(end);
      expect(await source.reader()).toBeNull();
      expect(recorder.ends).toEqual([]);
    }
  });

  test('a position told too early, before the stream has begun, is not forgotten', async () => {
    await source.sql(`INSERT INTO t VALUES (1)`);
    const [row] = await source.sql(`SELECT pg_current_wal_lsn()::text AS lsn`);
    const end = parseLsn(row!.lsn as string);
    const stream = openStream(source);
    stream.confirm(end);
    await stream.start(new Recorder());
    await stream.stop();
    expect(await source.confirmedFlush()).toBe(end);
  });

  test('an idle publication is told how far the WAL of others has come', async () => {
    const { stream, recorder } = await startRecording(source);
    await source.sql(`SELECT pg_logical_emit_message(false, 'other', 'x')`);
    const [{ lsn }] = (await source.sql(`SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS lsn`)) as [
      { lsn: string },
    ];
    await source.sql('SELECT txid_current()');
    await eventually(() => recorder.keepalives.some((walEnd) => walEnd >= BigInt(lsn)), { timeoutMs: 15_000 });
    await stream.stop();
  });
});

describe('order and content', () => {
  test('transactions come in the order of their commits, keepalives between them', async () => {
    await source.sql(`ALTER DATABASE ${source.client.database} SET wal_sender_timeout = '1s'`);
    const { stream, recorder } = await startRecording(source);
    for (let i = 0; i < 5; i++) {
      const seen = recorder.keepalives.length;
      await source.sql(`INSERT INTO t VALUES (${i})`);
      await eventually(() => recorder.keepalives.length > seen);
    }
    await eventually(() => recorder.commitEnds.length === 5);
    await stream.stop();
    let inTransaction = false;
    let lastEnd = 0n;
    let ends = 0;
    let keepalives = 0;
    for (const what of recorder.order) {
      if (what === 'begin') inTransaction = true;
      if (what === 'commit') {
        inTransaction = false;
        lastEnd = recorder.commitEnds[ends++]!;
      }
      if (what !== 'keepalive') continue;
      const walEnd = recorder.keepalives[keepalives++]!;
      expect(inTransaction).toBe(false);
      expect(walEnd).toBeGreaterThanOrEqual(lastEnd);
    }
  });

  test('logical messages, transactional and not, and where they stand (F06)', async () => {
    const { stream, recorder } = await startRecording(source);
    await source.sql(`SELECT pg_logical_emit_message(false, 'ventia_cdc', 'between')`);
    await source.sql(`
      BEGIN;
      INSERT INTO t VALUES (1);
      SELECT pg_logical_emit_message(true, 'ventia_cdc', 'inside'), pg_logical_emit_message(false, 'ventia_cdc', 'at once');
      COMMIT`);
    await eventually(() => recorder.commitEnds.length === 1);
    await stream.stop();
    const seen = recorder.received.map(({ message }) =>
      message.type === 'message'
        ? `${message.content} (${message.transactional ? 'transactional' : 'not'})`
        : message.type,
    );
    expect(seen).toEqual([
      'between (not)',
      'at once (not)',
      'begin',
      'relation',
      'insert',
      'inside (transactional)',
      'commit',
    ]);

    const { stream: again, recorder: replayed } = await startRecording(source);
    await eventually(() => replayed.commitEnds.length === 1);
    expect(replayed.of('message').map(({ content }) => String(content))).toEqual(['between', 'at once', 'inside']);
    again.confirm(replayed.commitEnds[0]!);
    await again.stop();
    const { stream: third, recorder: rest } = await startRecording(source);
    await source.sql(`INSERT INTO t VALUES (2)`);
    await eventually(() => rest.commitEnds.length === 1);
    expect(rest.of('message')).toEqual([]);
    await third.stop();
  });

  test('rows of one statement and COMMIT, BEGIN and INSERT with equal LSNs are all there after a restart (B6, F05)', async () => {
    await source.sql(`INSERT INTO t SELECT i FROM generate_series(1, 500) i`);
    await source.sql(`INSERT INTO t VALUES (501)`);
    const { stream, recorder } = await startRecording(source);
    await eventually(() => recorder.commitEnds.length === 2);
    stream.confirm(recorder.commitEnds[0]!);
    await stream.stop();
    expect(recorder.inserted).toHaveLength(501);
    const restarted = await startRecording(source);
    await eventually(() => restarted.recorder.commitEnds.length === 1);
    expect(restarted.recorder.inserted).toEqual(['501']);
    await restarted.stream.stop();
  });

  test('stopped in the middle of a transaction: all of it comes again (F01)', async () => {
    await source.sql(`INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 50000) i`);
    const stream = openStream(source);
    const recorder = new Recorder();
    let rows = 0;
    await stream.start({
      onMessage: () => {
        if (++rows === 100) stream.pause();
      },
      onKeepalive() {},
      onEnd: (error) => recorder.onEnd(error),
    });
    await eventually(() => rows >= 100);
    await stream.stop();
    expect(rows).toBeLessThan(50_000);
    const restarted = await startRecording(source);
    await eventually(() => restarted.recorder.commitEnds.length === 1, { timeoutMs: 20_000 });
    expect(restarted.recorder.inserted).toHaveLength(50_000);
    await restarted.stream.stop();
  });

  test('nothing is handed over after pause but what had been read, and all of it after resume', async () => {
    const { stream, recorder } = await startRecording(source);
    stream.pause();
    await source.sql(`INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i`);
    await source.sql(`SELECT pg_sleep(0.3)`);
    expect(recorder.received).toEqual([]);
    stream.resume();
    await eventually(() => recorder.commitEnds.length === 1);
    expect(recorder.inserted).toHaveLength(20_000);
    await stream.stop();
  });

  test('paused before it begins', async () => {
    await source.sql(`INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i`);
    const stream = openStream(source);
    const recorder = new Recorder();
    stream.pause();
    await stream.start(recorder);
    await source.sql(`SELECT pg_sleep(0.3)`);
    expect(recorder.inserted.length).toBeLessThan(10_000);
    stream.resume();
    await eventually(() => recorder.inserted.length === 20_000);
    await stream.stop();
  });
});

describe('how it ends', () => {
  test('a handler that throws ends the stream with its error; nothing more is handed over or confirmed (traps 5 and 6)', async () => {
    const before = await source.confirmedFlush();
    await source.sql(`INSERT INTO t SELECT i FROM generate_series(1, 10) i`);
    const ends: CdcError[] = [];
    let calls = 0;
    const stream = openStream(source);
    await stream.start({
      onMessage() {
        if (++calls === 3) throw new CdcError('unencodable', 'no room in the type');
      },
      onKeepalive() {},
      onEnd: (error) => ends.push(error),
    });
    await eventually(() => ends.length > 0);
    expect(ends).toMatchObject([{ kind: 'unencodable' }]);
    await eventually(async () => (await source.reader()) === null);
    expect(calls).toBe(3);
    stream.confirm(before + 1_000_000n);
    await stream.stop();
    expect(await source.confirmedFlush()).toBe(before);
    expect(ends).toHaveLength(1);
  });

  test('what a foreign bug throws is internal and keeps its cause', async () => {
    await source.sql(`INSERT INTO t VALUES (1)`);
    const ends: CdcError[] = [];
    const stream = openStream(source);
    await stream.start({
      onMessage() {
        throw new TypeError('undefined is not a function');
      },
      onKeepalive() {},
      onEnd: (error) => ends.push(error),
    });
    await eventually(() => ends.length > 0);
    expect(ends[0]).toMatchObject({ kind: 'internal', cause: expect.any(TypeError) });
    await stream.stop();
  });

  test('pg_terminate_backend: stream_broken, once (F16), and a new stream goes on (trap 11)', async () => {
    const { stream, recorder } = await startRecording(source);
    await source.sql('SELECT pg_terminate_backend($1)', [await source.reader()]);
    await eventually(() => recorder.ends.length > 0);
    expect(recorder.ends).toMatchObject([{ kind: 'stream_broken', sqlState: '57P01' }]);
    await stream.stop();
    await source.sql(`INSERT INTO t VALUES (7)`);
    await eventually(async () => (await source.reader()) === null);
    const restarted = await startRecording(source);
    await eventually(() => restarted.recorder.inserted.length === 1);
    await restarted.stream.stop();
    expect(recorder.ends).toHaveLength(1);
  });

  test('a stream is started once', async () => {
    const { stream } = await startRecording(source);
    await expect(stream.start(new Recorder())).rejects.toThrow('once');
    await stream.stop();
    await expect(stream.start(new Recorder())).rejects.toThrow('once');
  });

  test('stopped before and while it begins', async () => {
    const never = openStream(source);
    await never.stop();
    const stream = openStream(source);
    const starting = stream.start(new Recorder());
    const refusal = expect(starting).rejects.toMatchObject({ kind: 'stream_broken' });
    await stream.stop();
    await refusal;
    expect(await source.reader()).toBeNull();
  });
});

describe('why it does not begin', () => {
  const refusal = async (options: Parameters<typeof openStream>[1]) => {
    const stream = openStream(source, options);
    const error = await stream.start(new Recorder()).then(
      () => null,
      (thrown: CdcError) => thrown,
    );
    await stream.stop();
    return error;
  };
  const withLogin = (user: string, password: string) => {
    const url = new URL(source.url);
    url.username = user;
    url.password = password;
    return url.href;
  };

  test('nobody listens', async () => {
    const url = new URL(source.url);
    url.port = '1';
    expect(await refusal({ url: url.href })).toMatchObject({ kind: 'source_unreachable' });
  });

  test('wrong password (F19)', async () => {
    const role = uniqueName('role');
    await source.sql(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'right'`);
    const error = await refusal({ url: withLogin(role, 'wrong-secret') });
    expect(error).toMatchObject({ kind: 'source_refused', sqlState: '28P01' });
    expect(error!.message).not.toContain('wrong-secret');
    await source.sql(`DROP ROLE ${role}`);
  });

  test('a role without REPLICATION', async () => {
    const role = uniqueName('role');
    await source.sql(`CREATE ROLE ${role} LOGIN PASSWORD 'right'`);
    expect(await refusal({ url: withLogin(role, 'right') })).toMatchObject({ kind: 'replication_right_missing' });
    await source.sql(`DROP ROLE ${role}`);
  });

  test('a role with REPLICATION and nothing else is enough', async () => {
    const role = uniqueName('role');
    await source.sql(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'right'`);
    await source.sql('INSERT INTO t VALUES (1)');
    const { stream, recorder } = await startRecording(source, { url: withLogin(role, 'right') });
    await eventually(() => recorder.inserted.length === 1);
    await stream.stop();
    await source.sql(`DROP ROLE ${role}`);
  });

  test('no such slot', async () => {
    expect(await refusal({ slot: 'never_made' })).toMatchObject({ kind: 'slot_missing' });
  });

  test('no such database', async () => {
    const url = new URL(source.url);
    url.pathname = '/never_made';
    expect(await refusal({ url: url.href })).toMatchObject({ kind: 'source_refused' });
  });

  test('the slot has a reader (F17); it is taken over when that one ends', async () => {
    const first = await startRecording(source);
    const error = await refusal({});
    expect(error).toMatchObject({ kind: 'slot_active', sqlState: '55006' });
    expect(error!.message).toContain(`active for PID ${await source.reader()}`);
    await first.stream.stop();
    const second = await startRecording(source);
    await second.stream.stop();
  });

  test('the slot is of another database', async () => {
    const other = await createDatabase('stream_other');
    expect(await refusal({ url: other.url })).toMatchObject({ retry: 'manual', sqlState: '55000' });
    await other.drop();
  });

  test.each(['Upper', 'has space', `quo"te`, "quo'te", '', 'x'.repeat(64)])('the name %j is refused unsent', (name) => {
    expect(() => openStream(source, { slot: name })).toThrow(CdcError);
    expect(() => openStream(source, { publications: ['captured', name] })).toThrow(CdcError);
  });

  test('an address that is none is refused without showing it', () => {
    const url = 'mysql://root:secret@localhost/x';
    expect(() => openStream(source, { url })).toThrow(/^(?!.*secret)/);
  });
});

describe('a publication that was not there when a change was made', () => {
  itSince(18)(
    'its changes are passed by without a word: only the catalog can tell (older ones refuse the stream)',
    async () => {
      await source.sql('DROP PUBLICATION captured');
      await source.sql('INSERT INTO t VALUES (1)');
      await source.sql('CREATE PUBLICATION captured FOR ALL TABLES');
      await source.sql('INSERT INTO t VALUES (2)');
      const { stream, recorder } = await startRecording(source);
      await eventually(() => recorder.inserted.length > 0);
      expect(recorder.inserted).toEqual(['2']);
      expect(recorder.ends).toEqual([]);
      await stream.stop();
    },
  );
});

describe('a slot whose WAL was removed (F10)', () => {
  test('ends a running stream, and a new one does not begin', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'ventia-cdc-lost-'));
    const { port } = await choosePorts({ port: 0 });
    const server = await startPostgres({ dir, port, settings: { max_slot_wal_keep_size: '1MB' } });
    const client = new Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    try {
      await client.query(`${SCHEMA}; CREATE PUBLICATION captured FOR TABLE t`);
      await client.query(`SELECT pg_create_logical_replication_slot('s', 'pgoutput')`);
      const own = { ...source, url: server.url, slot: 's' };
      const { stream, recorder } = await startRecording(own);
      await eventually(async () => {
        await client.query(`SELECT pg_logical_emit_message(false, 'p', 'x'), pg_switch_wal()`);
        await client.query('CHECKPOINT');
        return recorder.ends.length > 0;
      });
      expect(recorder.ends).toMatchObject([{ kind: 'stream_broken' }]);
      await stream.stop();
      await expect(startRecording(own)).rejects.toMatchObject({ kind: 'slot_lost', retry: 'manual' });
    } finally {
      await client.end();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
});

/** Two interleaved transactions of which the second's commit record begins where the first's ends. */
async function adjacentCommits(from: Source): Promise<{ first: string; second: string; end: bigint }> {
  const other = new Client({ connectionString: from.url });
  await other.connect();
  const { stream, recorder } = await startRecording(from);
  try {
    for (let attempt = 0; attempt < 200; attempt++) {
      const [first, second] = [String(2 * attempt), String(2 * attempt + 1)];
      await from.client.query(`BEGIN; SET LOCAL synchronous_commit = off; INSERT INTO t VALUES (${first})`);
      await other.query(`BEGIN; SET LOCAL synchronous_commit = off; INSERT INTO t VALUES (${second})`);
      await Promise.all([from.client.query('COMMIT'), other.query('COMMIT')]);
      const commits = await eventually(() => {
        const found = recorder.of('commit');
        return found.length === 2 * attempt + 2 && found.slice(-2);
      });
      if (commits[0]!.endLsn !== commits[1]!.commitLsn) continue;
      const [one, two] = recorder.inserted.slice(-2);
      return { first: one!, second: two!, end: commits[0]!.endLsn as bigint };
    }
    throw new Error('no adjacent commit records in 200 attempts: the server is too busy for this test');
  } finally {
    await stream.stop();
    await other.end();
  }
}
