import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as exported from 'pg-logical-replication';
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication';
import { version } from 'pg-logical-replication/package.json';
import { formatLsn, type Lsn, parseLsn } from '../../../src/core/lsn';
import {
  beginFrame,
  insertFrame,
  logicalMessageFrame,
  relationFrame,
  streamAbortFrame,
} from '../../support/pgoutput-frames';
import { createSource, type Source } from '../../support/replication';
import { eventually } from '../../support/wait';

/**
 * What the package does by itself, each defect that src/postgres/stream.ts works around. When one of these fails after an
 * upgrade the package has changed: look whether the way around it is still right, or still needed. That our stream is not
 * bitten is tested in replication-stream.test.ts, stream-liveness.test.ts and the decoder's tests, under the same numbers.
 */

jest.setTimeout(30_000);

const PROJECT = join(__dirname, '../../..');
const NONE = 'CREATE TABLE t (id bigint PRIMARY KEY, v text)';

type Config = ConstructorParameters<typeof LogicalReplicationService>[1];

let source: Source;
const opened: LogicalReplicationService[] = [];
beforeEach(async () => {
  source = await createSource('package', NONE);
});
afterEach(async () => {
  for (const service of opened.splice(0)) await service.destroy();
  await source.drop();
});

interface Event {
  readonly tag: string;
  readonly lsn: Lsn;
  readonly commitEndLsn?: string;
}

/** The package as its README shows it, with the events seen. */
function open(config: Config): { service: LogicalReplicationService; events: Event[]; errors: Error[] } {
  const service = new LogicalReplicationService({ connectionString: source.url }, config);
  opened.push(service);
  const events: Event[] = [];
  const errors: Error[] = [];
  service.on('data', (lsn, message) => {
    events.push({ ...message, lsn: parseLsn(lsn) });
  });
  service.on('heartbeat', (lsn) => {
    events.push({ tag: 'heartbeat', lsn: parseLsn(lsn) });
  });
  service.on('error', (error) => errors.push(error));
  return { service, events, errors };
}

function subscribe(service: LogicalReplicationService, from?: string): Promise<unknown> {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [source.publication], messages: true });
  const streaming = new Promise((resolve) => service.on('start', () => resolve(undefined)));
  const subscription = from ? service.subscribe(plugin, source.slot, from) : service.subscribe(plugin, source.slot);
  subscription.catch(() => {});
  return streaming;
}

const MANUAL: Config = { acknowledge: { auto: false, timeoutSeconds: 0 } };
const copyData = (tag: string, headerBytes: number, frame: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([Buffer.from(tag), Buffer.alloc(headerBytes), frame]);
const rows = (events: readonly Event[]) => events.filter(({ tag }) => tag === 'insert').length;
const released = () => eventually(async () => (await source.reader()) === null);

test('the version these are about', () => {
  expect(version).toBe('2.5.0');
});

test('1: acknowledge(lsn) confirms lsn + 1', async () => {
  const { service, events } = open(MANUAL);
  await subscribe(service, '0/0');
  await source.sql('INSERT INTO t VALUES (1)');
  const commit = await eventually(() => events.find(({ tag }) => tag === 'commit'));
  const end = parseLsn(commit.commitEndLsn!);
  await service.acknowledge(commit.commitEndLsn!);
  await eventually(async () => (await source.confirmedFlush()) === end + 1n);
});

test('1: the byte after 0/FFFFFFFF carries over, so that one less is always exact', async () => {
  const sent: Buffer[] = [];
  const service = new LogicalReplicationService({}, MANUAL);
  Object.assign(service, { _stop: false, _connection: { sendCopyFromChunk: (bytes: Buffer) => sent.push(bytes) } });
  const ends = [1n, 0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0001n, 0xab_ffff_ffffn, 0xffff_ffff_ffff_ffffn];
  for (const end of ends) await service.acknowledge(formatLsn(end - 1n), true);
  for (const [i, end] of ends.entries()) {
    const status = sent[i]!;
    expect([1, 9, 17].map((at) => status.readBigUInt64BE(at))).toEqual([end, end, end]);
    expect([status[0], status.length, status[33]]).toEqual([0x72, 34, 1]);
  }
});

test('1: its statuses carry a clock that is a week ahead (seen in pg_stat_replication only)', async () => {
  const { service } = open(MANUAL);
  await subscribe(service, '0/0');
  await service.acknowledge(formatLsn((await source.confirmedFlush()) - 1n));
  const days = await eventually(async () => {
    const [row] = await source.sql(
      `SELECT extract(epoch FROM reply_time - now()) / 86400 AS days FROM pg_stat_replication WHERE pid = $1`,
      [await source.reader()],
    );
    return row?.days as string;
  });
  expect(Number(days)).toBeCloseTo(7, 1);
});

test('2: with auto: false its timer still confirms what was merely received', async () => {
  const { service, events } = open({ acknowledge: { auto: false, timeoutSeconds: 1 } });
  const before = await source.confirmedFlush();
  await subscribe(service, '0/0');
  await source.sql('INSERT INTO t SELECT generate_series(1, 10)');
  await eventually(() => rows(events) === 10);
  await eventually(async () => (await source.confirmedFlush()) > before);
});

test('3: subscribing again on the same instance begins after what was received, though nothing was confirmed', async () => {
  const { service, events } = open(MANUAL);
  await subscribe(service);
  await source.sql('INSERT INTO t SELECT generate_series(1, 3)');
  await eventually(() => events.some(({ tag }) => tag === 'commit'));
  await service.stop();
  await released();
  events.length = 0;
  await subscribe(service);
  await source.sql('INSERT INTO t VALUES (4)');
  await eventually(() => events.some(({ tag }) => tag === 'commit'));
  expect(rows(events)).toBe(1);
});

test('4: with its timer off nobody answers the server, which hangs up', async () => {
  await source.sql(`ALTER DATABASE ${source.client.database} SET wal_sender_timeout = '500ms'`);
  const { service, errors } = open(MANUAL);
  await subscribe(service, '0/0');
  await eventually(() => errors.length > 0);
  expect(errors[0]!.message).toMatch(/terminated/);
});

test('5: with flow control a handler that fails is passed over, and what follows confirms it', async () => {
  const { service, events, errors } = open({
    acknowledge: { auto: true, timeoutSeconds: 0 },
    flowControl: { enabled: true },
  });
  service.on('data', async (_, message) => {
    if (message.tag === 'insert') throw new Error('not stored');
  });
  await subscribe(service, '0/0');
  await source.sql('INSERT INTO t VALUES (1)');
  await source.sql(`SELECT pg_logical_emit_message(true, 'p', 'later')`);
  const commits = await eventually(() => {
    const found = events.filter(({ tag }) => tag === 'commit');
    return found.length === 2 && found;
  });
  expect(errors.map(({ message }) => message)).toEqual(['not stored']);
  await eventually(async () => (await source.confirmedFlush()) > parseLsn(commits[0]!.commitEndLsn!));
});

test('5: with flow control keepalives overtake the data they came after', async () => {
  const { service, events } = open({
    acknowledge: { auto: false, timeoutSeconds: 0 },
    flowControl: { enabled: true },
  });
  const connection = new EventEmitter();
  Object.assign(service, { _stop: false, client: async () => [{}, connection] });
  const frames = [
    copyData('w', 24, beginFrame(1n, 0n, 1)),
    copyData('w', 24, logicalMessageFrame(true, 1n, 'p', Buffer.alloc(0))),
    copyData('k', 17),
  ];
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [] });
  plugin.start = async () => {
    for (const chunk of frames) connection.emit('copyData', { chunk });
  };
  await service.subscribe(plugin, 'any');
  await eventually(() => events.length === frames.length);
  expect(events.map(({ tag }) => tag)).toEqual(['begin', 'heartbeat', 'message']);
});

test('6: an exception in a listener kills the process', async () => {
  await source.sql('INSERT INTO t VALUES (1)');
  const script = `
    const { LogicalReplicationService, PgoutputPlugin } = require('pg-logical-replication');
    const service = new LogicalReplicationService({ connectionString: ${JSON.stringify(source.url)} });
    service.on('error', () => {});
    service.on('data', () => { throw new Error('from a listener'); });
    service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: ['captured'] }), '${source.slot}').catch(() => {});`;
  const died = promisify(execFile)(process.execPath, ['-e', script], { cwd: PROJECT, timeout: 20_000 });
  await expect(died).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('from a listener') });
});

describe('its parser', () => {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: ['p'] });
  const parse = (frame: Buffer) => plugin.parse(frame) as unknown as Record<string, unknown>;
  const column = (name: string, typeOid: number) => ({ name, typeOid, typeModifier: -1, identity: false });

  test('7: throws on a stream abort, which PostgreSQL 18 can send unasked', () => {
    expect(() => parse(streamAbortFrame(1, 2))).toThrow('unknown pgoutput message');
  });

  test('8: reads ids as signed', () => {
    expect(parse(beginFrame(1n, 0n, 0xffff_ffff)).xid).toBe(-1);
    expect(parse(relationFrame(0xffff_fffe, 's', 't', 'd', [])).relationOid).toBe(-2);
  });

  test('9: times lose their microseconds, and json its digits', () => {
    parse(relationFrame(9, 's', 't', 'd', [column('at', 1114), column('doc', 114)]));
    const row = parse(insertFrame(9, [{ text: '2026-11-24 12:00:00.123457' }, { text: '{"id":9007199254740993}' }]))
      .new as {
      at: Date;
      doc: { id: number };
    };
    expect(row.at).toBeInstanceOf(Date);
    expect(row.at.getMilliseconds()).toBe(123);
    expect(String(row.doc.id)).not.toBe('9007199254740993');
  });

  test('10: keeps views of a buffer that is overwritten later', () => {
    const frame = logicalMessageFrame(true, 1n, 'p', Buffer.from('content'));
    const { content } = parse(frame) as { content: Uint8Array };
    frame.fill(0);
    expect(Buffer.from(content).toString()).not.toBe('content');
  });
});

test('11: it does not connect again', async () => {
  const { service, errors } = open(MANUAL);
  await subscribe(service, '0/0');
  await source.sql('SELECT pg_terminate_backend($1)', [await source.reader()]);
  await eventually(() => errors.length > 0);
  await source.sql('SELECT pg_sleep(1)');
  expect(await source.reader()).toBeNull();
});

test('12: the class to derive a plugin from is not exported', () => {
  expect(Object.keys(exported)).not.toContain('AbstractPlugin');
});
