import fc from 'fast-check';
import { CdcError } from '../../../src/core/errors';
import { PgoutputDecoder } from '../../../src/postgres/pgoutput';
import {
  beginFrame,
  commitFrame,
  deleteFrame,
  type FrameColumn,
  insertFrame,
  logicalMessageFrame,
  relationFrame,
  truncateFrame,
  updateFrame,
} from '../../support/pgoutput-frames';
import { type PlainMessage, plainMessage } from '../../support/plain-message';

const decoder = new PgoutputDecoder();

const oid = fc.integer({ min: 0, max: 0xffff_ffff });
const lsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
/** All that PostgreSQL's int64 of microseconds since 2000 can say. */
const time = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .map((sinceTwoThousand) => sinceTwoThousand + 946_684_800_000_000n);
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const name = text.map((any) => any.replaceAll('\0', ''));
const bytes = fc.uint8Array({ maxLength: 40 }).map((any) => Buffer.from(any));
const column: fc.Arbitrary<FrameColumn> = fc.oneof(
  fc.constant(null),
  fc.constant('unchanged' as const),
  text.map((value) => ({ text: value })),
  bytes.map((binary) => ({ binary })),
);
const row = fc.array(column, { maxLength: 30 });
const part = fc.constantFrom('K' as const, 'O' as const);
const relationColumn = fc.record({
  name,
  typeOid: oid,
  typeModifier: fc.integer(),
  identity: fc.boolean(),
});

interface Sample {
  readonly frame: Buffer;
  readonly message: PlainMessage;
}

const sample: fc.Arbitrary<Sample> = fc.oneof(
  fc.tuple(lsn, time, oid).map(([commitLsn, commitTime, xid]) => ({
    frame: beginFrame(commitLsn, commitTime, xid),
    message: { type: 'begin' as const, commitLsn, commitTime, xid },
  })),
  fc.tuple(lsn, lsn, time).map(([commitLsn, endLsn, commitTime]) => ({
    frame: commitFrame(commitLsn, endLsn, commitTime),
    message: { type: 'commit' as const, commitLsn, endLsn, commitTime },
  })),
  fc
    .tuple(oid, name.filter(Boolean), name, fc.constantFrom('d', 'n', 'f', 'i'), fc.array(relationColumn))
    .map(([relation, schema, table, replicaIdentity, columns]) => ({
      frame: relationFrame(relation, schema, table, replicaIdentity, columns),
      message: {
        type: 'relation' as const,
        relation: { oid: relation, schema, table, replicaIdentity, columns },
      },
    })),
  fc.tuple(oid, row).map(([relationOid, after]) => ({
    frame: insertFrame(relationOid, after),
    message: { type: 'insert' as const, relationOid, after },
  })),
  fc.tuple(oid, fc.option(fc.record({ kind: part, columns: row })), row).map(([relationOid, before, after]) => ({
    frame: updateFrame(relationOid, before, after),
    message: {
      type: 'update' as const,
      relationOid,
      beforeKind: before?.kind ?? null,
      before: before?.columns ?? null,
      after,
    },
  })),
  fc.tuple(oid, part, row).map(([relationOid, beforeKind, before]) => ({
    frame: deleteFrame(relationOid, beforeKind, before),
    message: { type: 'delete' as const, relationOid, beforeKind, before },
  })),
  fc.tuple(fc.array(oid), fc.boolean(), fc.boolean()).map(([relationOids, cascade, restartIdentity]) => ({
    frame: truncateFrame(relationOids, (cascade ? 1 : 0) | (restartIdentity ? 2 : 0)),
    message: { type: 'truncate' as const, relationOids, cascade, restartIdentity },
  })),
  fc.tuple(fc.boolean(), lsn, name, bytes).map(([transactional, at, prefix, content]) => ({
    frame: logicalMessageFrame(transactional, at, prefix, content),
    message: { type: 'message' as const, transactional, lsn: at, prefix, content },
  })),
);

/** The message's type, or what it was refused with. Anything but a CdcError `protocol` fails the test. */
function outcome(frame: Buffer): string {
  try {
    return plainMessage(decoder.decode(frame)).type;
  } catch (error) {
    if (error instanceof CdcError && error.kind === 'protocol') return 'refused';
    throw error;
  }
}

test('whatever a server can say is read back, whatever was read before', () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 5 }), (samples) => {
      for (const { frame, message } of samples) expect(plainMessage(decoder.decode(frame))).toEqual(message);
    }),
    { numRuns: 500 },
  );
});

test('tuples stay within the payload when it is a part of a larger buffer', () => {
  fc.assert(
    fc.property(sample, bytes, bytes, ({ frame, message }, before, after) => {
      const whole = Buffer.concat([before, frame, after]);
      const payload = whole.subarray(before.length, before.length + frame.length);
      expect(plainMessage(decoder.decode(payload))).toEqual(message);
    }),
  );
});

test('cut anywhere: refused, though what follows in the buffer would complete it', () => {
  fc.assert(
    fc.property(sample, fc.nat(), ({ frame }, at) => {
      expect(outcome(frame.subarray(0, at % frame.length))).toBe('refused');
    }),
    { numRuns: 500 },
  );
});

test('some bytes changed: a message or a refusal, and the next message is read as if nothing had been', () => {
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(sample, fc.array(change, { minLength: 1, maxLength: 4 }), sample, (victim, changes, next) => {
      for (const [at, value] of changes) victim.frame[at % victim.frame.length] = value;
      outcome(victim.frame);
      expect(plainMessage(decoder.decode(next.frame))).toEqual(next.message);
    }),
    { numRuns: 2000 },
  );
});

test('any bytes at all', () => {
  const tag = fc.constantFrom(...'BCRIUDTMOYASEcx').map((letter) => Buffer.from(letter));
  fc.assert(
    fc.property(tag, fc.uint8Array({ maxLength: 200 }), (first, rest) => {
      outcome(Buffer.concat([first, rest]));
    }),
    { numRuns: 2000 },
  );
});
