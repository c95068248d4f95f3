import { CdcError } from '../../../src/core/errors';
import { PgoutputDecoder } from '../../../src/postgres/pgoutput';
import captured from '../../fixtures/pgoutput/captured.json';
import {
  beginFrame,
  commitFrame,
  deleteFrame,
  insertFrame,
  logicalMessageFrame,
  originFrame,
  relationFrame,
  streamAbortFrame,
  truncateFrame,
  typeFrame,
  updateFrame,
} from '../../support/pgoutput-frames';
import { plainMessage } from '../../support/plain-message';

const decoder = new PgoutputDecoder();
const decode = (frame: Buffer) => plainMessage(decoder.decode(frame));

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

const LARGEST = 0xffff_ffff_ffff_ffffn;
/** 2026-11-24 12:00:00.123457 UTC. */
const TIME = 1_795_521_600_123_457n;

/** One of each message that carries something. */
const FRAMES: Readonly<Record<string, Buffer>> = {
  begin: beginFrame(0x1_9abc_def0n, TIME, 742),
  commit: commitFrame(0x1_9abc_def0n, 0x1_9abc_df20n, TIME),
  relation: relationFrame(16385, 'ventia', 'orders', 'f', [
    { name: 'id', typeOid: 20, typeModifier: -1, identity: true },
    { name: 'total_price', typeOid: 1700, typeModifier: 655366, identity: true },
  ]),
  insert: insertFrame(16385, [{ text: '9223372036854775807' }, null]),
  'update with key': updateFrame(16385, { kind: 'K', columns: [{ text: '1' }, null] }, [{ text: '2' }, 'unchanged']),
  'update with old row': updateFrame(16385, { kind: 'O', columns: [{ text: '1' }, { text: 'Ana' }] }, [
    { text: '1' },
    { text: '' },
  ]),
  update: updateFrame(16385, null, [{ binary: Buffer.from([0, 0, 0, 1]) }, 'unchanged']),
  'delete by key': deleteFrame(16385, 'K', [{ text: '1' }, null]),
  'delete with old row': deleteFrame(16385, 'O', [{ text: '1' }, { text: 'Ana Pérez 🌸' }]),
  truncate: truncateFrame([16385, 0xffff_fffe], 3),
  message: logicalMessageFrame(true, 0x16b_3748n, 'ventia_cdc', Buffer.from([1, 0, 255])),
};

describe('each message', () => {
  test('begin', () => {
    expect(decode(FRAMES.begin!)).toEqual({ type: 'begin', commitLsn: 0x1_9abc_def0n, commitTime: TIME, xid: 742 });
  });

  test('commit', () => {
    expect(decode(FRAMES.commit!)).toEqual({
      type: 'commit',
      commitLsn: 0x1_9abc_def0n,
      endLsn: 0x1_9abc_df20n,
      commitTime: TIME,
    });
  });

  test('relation', () => {
    expect(decode(FRAMES.relation!)).toEqual({
      type: 'relation',
      relation: {
        oid: 16385,
        schema: 'ventia',
        table: 'orders',
        replicaIdentity: 'f',
        columns: [
          { name: 'id', typeOid: 20, typeModifier: -1, identity: true },
          { name: 'total_price', typeOid: 1700, typeModifier: 655366, identity: true },
        ],
      },
    });
  });

  test('a relation without a schema is of pg_catalog', () => {
    expect(decode(relationFrame(1, '', 'pg_class', 'n', []))).toMatchObject({ relation: { schema: 'pg_catalog' } });
  });

  test('insert', () => {
    expect(decode(FRAMES.insert!)).toEqual({
      type: 'insert',
      relationOid: 16385,
      after: [{ text: '9223372036854775807' }, null],
    });
  });

  test('update whose identity changed', () => {
    expect(decode(FRAMES['update with key']!)).toEqual({
      type: 'update',
      relationOid: 16385,
      beforeKind: 'K',
      before: [{ text: '1' }, null],
      after: [{ text: '2' }, 'unchanged'],
    });
  });

  test('update with the whole old row; an empty text is no null', () => {
    expect(decode(FRAMES['update with old row']!)).toEqual({
      type: 'update',
      relationOid: 16385,
      beforeKind: 'O',
      before: [{ text: '1' }, { text: 'Ana' }],
      after: [{ text: '1' }, { text: '' }],
    });
  });

  test('update after one with an old row says that it has none', () => {
    decode(FRAMES['update with old row']!);
    expect(decode(FRAMES.update!)).toEqual({
      type: 'update',
      relationOid: 16385,
      beforeKind: null,
      before: null,
      after: [{ binary: Buffer.from([0, 0, 0, 1]) }, 'unchanged'],
    });
  });

  test('delete', () => {
    expect(decode(FRAMES['delete by key']!)).toEqual({
      type: 'delete',
      relationOid: 16385,
      beforeKind: 'K',
      before: [{ text: '1' }, null],
    });
    expect(decode(FRAMES['delete with old row']!)).toMatchObject({
      beforeKind: 'O',
      before: [{ text: '1' }, { text: 'Ana Pérez 🌸' }],
    });
  });

  test('truncate', () => {
    expect(decode(FRAMES.truncate!)).toEqual({
      type: 'truncate',
      relationOids: [16385, 0xffff_fffe],
      cascade: true,
      restartIdentity: true,
    });
    expect(decode(truncateFrame([7], 0))).toMatchObject({ cascade: false, restartIdentity: false });
  });

  test('logical message, transactional and not', () => {
    expect(decode(FRAMES.message!)).toEqual({
      type: 'message',
      transactional: true,
      lsn: 0x16b_3748n,
      prefix: 'ventia_cdc',
      content: Buffer.from([1, 0, 255]),
    });
    expect(decode(logicalMessageFrame(false, 1n, '', Buffer.alloc(0)))).toMatchObject({
      transactional: false,
      prefix: '',
      content: Buffer.alloc(0),
    });
  });

  test('origin, type and an unasked stream abort are passed over', () => {
    expect(decode(originFrame(1n, 'upstream'))).toEqual({ type: 'ignored', tag: 0x4f });
    expect(decode(typeFrame(16400, 'ventia', 'mood'))).toEqual({ type: 'ignored', tag: 0x59 });
    expect(decode(streamAbortFrame(1, 2))).toEqual({ type: 'ignored', tag: 0x41 });
  });
});

test('frames of a real server', () => {
  const messages = captured.frames.map((frame) => decode(Buffer.from(frame, 'hex')));
  const rows = messages.filter(({ type }) => ['insert', 'update', 'delete', 'truncate', 'message'].includes(type));
  const row = [{ text: 'happy' }, { text: '149.90' }, { text: '2026-11-24 12:00:00.123457' }];
  const tenants = 40619;
  const orders = 40627;
  expect(rows).toMatchObject([
    {
      type: 'insert',
      relationOid: tenants,
      after: [{ text: '9007199254740993' }, { text: 'Ana Pérez 🌸' }, ...row, { text: expect.stringMatching(/^c4ca/) }],
    },
    { type: 'insert', after: [{ text: '2' }, { text: '' }, null, { text: 'NaN' }, { text: 'infinity' }, null] },
    { type: 'insert', relationOid: orders, after: [{ text: '1' }, { text: '2' }] },
    {
      type: 'update',
      beforeKind: null,
      after: [{ text: '9007199254740993' }, { text: 'Ana' }, ...row, 'unchanged'],
    },
    {
      type: 'update',
      beforeKind: 'K',
      before: [{ text: '9007199254740993' }, null, null, null, null, null],
      after: [{ text: '3' }, { text: 'Ana' }, ...row, 'unchanged'],
    },
    { type: 'update', beforeKind: 'O', before: [{ text: '1' }, { text: '2' }], after: [{ text: '1' }, { text: '3' }] },
    { type: 'delete', beforeKind: 'O', before: [{ text: '1' }, { text: '3' }] },
    { type: 'delete', beforeKind: 'K', before: [{ text: '2' }, null, null, null, null, null] },
    { type: 'message', transactional: false, lsn: 1_309_417_760n, content: Buffer.from('alone') },
    { type: 'message', transactional: true, lsn: 1_309_417_840n, content: Buffer.from('in a transaction') },
    { type: 'truncate', relationOids: [tenants, orders], cascade: false, restartIdentity: true },
    { type: 'truncate', relationOids: [tenants, orders], cascade: true, restartIdentity: false },
    { type: 'insert', after: [{ text: '4' }, { text: 'from elsewhere' }, null, null, null, null] },
  ]);
  const ignored = messages
    .filter(({ type }) => type === 'ignored')
    .map(({ tag }) => String.fromCharCode(tag as number));
  expect(ignored.join('')).toBe('YYYOY');
  expect(messages[0]).toEqual({
    type: 'begin',
    commitLsn: 1_309_416_296n,
    commitTime: 1_795_552_425_147_230n,
    xid: 62592,
  });
});

describe('numbers', () => {
  test('ids above 2^31 and LSNs above 2^63 are not negative', () => {
    expect(decode(beginFrame(LARGEST, TIME, 0xffff_ffff))).toMatchObject({ commitLsn: LARGEST, xid: 0xffff_ffff });
    expect(decode(insertFrame(0xffff_fffe, []))).toMatchObject({ relationOid: 0xffff_fffe });
    expect(
      decode(
        relationFrame(0x8000_0000, 's', 't', 'd', [
          { name: 'c', typeOid: 0xffff_ffff, typeModifier: -1, identity: false },
        ]),
      ),
    ).toMatchObject({ relation: { oid: 0x8000_0000, columns: [{ typeOid: 0xffff_ffff, typeModifier: -1 }] } });
  });

  test('commit times before 1970 and before 2000 keep their microseconds', () => {
    for (const time of [-1n, 0n, 946_684_799_999_999n, 946_684_800_000_001n])
      expect(decode(beginFrame(1n, time, 1))).toMatchObject({ commitTime: time });
  });
});

describe('reuse', () => {
  test('a row allocates no message and no tuple', () => {
    const first = decoder.decode(insertFrame(1, [{ text: 'a' }]));
    const second = decoder.decode(insertFrame(2, [{ text: 'b' }, null]));
    expect(second).toBe(first);
    expect(plainMessage(second)).toMatchObject({ relationOid: 2, after: [{ text: 'b' }, null] });
  });

  test('the content of a logical message survives its receive buffer', () => {
    const frame = Buffer.from(FRAMES.message!);
    const message = decoder.decode(frame);
    frame.fill(0);
    expect(message).toMatchObject({ content: Buffer.from([1, 0, 255]) });
  });
});

describe('what is no message of protocol 1', () => {
  const refused = (frame: Buffer) => {
    try {
      decoder.decode(frame);
    } catch (error) {
      expect(error).toBeInstanceOf(CdcError);
      expect((error as CdcError).kind).toBe('protocol');
      return (error as CdcError).message;
    }
    throw new Error('was decoded');
  };

  test.each(Object.keys(FRAMES))('%s cut short at any byte, or with a byte too many', (name) => {
    const frame = FRAMES[name]!;
    for (let length = 0; length < frame.length; length++) refused(Buffer.from(frame.subarray(0, length)));
    refused(Buffer.concat([frame, Buffer.from([0])]));
  });

  test.each(['S', 'E', 'c', 'b', 'P', 'K', 'r', 'p', 'x', '\0'])('tag %j', (tag) => {
    expect(refused(Buffer.from(`${tag}some bytes`))).toMatch(/of 11 bytes is not of protocol version 1/);
  });

  test('an empty payload', () => {
    expect(refused(Buffer.alloc(0))).toBe('pgoutput an empty message is not of protocol version 1');
  });

  test.each([
    ['negative', 0xffff_ffff],
    ['beyond the payload', 3],
    ['of 2 GiB', 0x7fff_ffff],
  ])('a column length that is %s', (_, length) => {
    const frame = insertFrame(1, [{ text: 'ab' }]);
    frame.writeUInt32BE(length, 9);
    refused(frame);
  });

  test('a column length that leads back to a column that was read already', () => {
    const value = Buffer.concat([Buffer.from('t'), int32(8), Buffer.alloc(3)]);
    const back = Buffer.concat([Buffer.from('t'), int32(-5 - value.length)]);
    refused(Buffer.concat([Buffer.from('I\0\0\0\u0001N\0\u0003t'), int32(value.length), value, back]));
  });

  test('more columns than a table can have', () => {
    const frame = insertFrame(1, Array(3000).fill(null));
    refused(frame);
  });

  test('counts of a truncate and lengths of a message that lie', () => {
    for (const count of [-1, 2 ** 31 - 1]) {
      const truncate = truncateFrame([1], 0);
      truncate.writeInt32BE(count, 1);
      refused(truncate);
      const message = logicalMessageFrame(true, 1n, 'p', Buffer.from('content'));
      message.writeInt32BE(count, message.length - 11);
      refused(message);
    }
  });

  test('unknown kinds of column, of tuple and of replica identity', () => {
    const insert = insertFrame(1, [null]);
    refused(Buffer.from(insert.toString('latin1').replace(/n$/, 'z'), 'latin1'));
    refused(Buffer.from(insert.toString('latin1').replace('N', 'O'), 'latin1'));
    refused(relationFrame(1, 's', 't', 'x', []));
  });

  test('no error holds a byte of the row (Invariant 7)', () => {
    const frame = insertFrame(1, [{ text: 'ana@example.com' }]);
    expect(refused(frame.subarray(0, frame.length - 1))).toBe("pgoutput message 'I' of 27 bytes ends too early");
  });
});
