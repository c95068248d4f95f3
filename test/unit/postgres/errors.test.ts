import { DatabaseError } from 'pg';
import { CdcError } from '../../../src/core/errors';
import { breaksConnection, toSideError, toSourceError } from '../../../src/postgres/errors';

function refused(code: string, fields: Partial<DatabaseError> = {}): DatabaseError {
  return Object.assign(new DatabaseError('the message', 0, 'error'), { code, ...fields });
}

const toMessagingError = (error: unknown) => toSideError('messaging', error);

const failed = (message: string, fields: object = {}) => Object.assign(new Error(message), fields);

describe('what the server says', () => {
  it.each([
    ['28P01', {}, 'source_refused', 'messaging_refused'],
    ['28000', {}, 'source_refused', 'messaging_refused'],
    ['3D000', {}, 'source_refused', 'messaging_refused'],
    ['42501', {}, 'source_permission', 'messaging_permission'],
    ['42501', { routine: 'InitPostgres' }, 'replication_right_missing', 'messaging_permission'],
    ['42501', { routine: 'CheckSlotPermissions' }, 'replication_right_missing', 'messaging_permission'],
    ['42P01', {}, 'table_missing', 'messaging_schema'],
    ['42703', {}, 'contract_column_missing', 'messaging_schema'],
    ['42704', { routine: 'ReplicationSlotAcquire' }, 'slot_missing', 'messaging_query'],
    ['42704', { routine: 'get_publication_oid' }, 'publication_missing', 'messaging_query'],
    ['55000', { routine: 'CheckLogicalDecodingRequirements' }, 'wal_level', 'messaging_query'],
    ['55000', { routine: 'ReplicationSlotAcquire' }, 'slot_lost', 'messaging_query'],
    ['55006', {}, 'slot_active', 'messaging_query'],
    ['53300', {}, 'source_unreachable', 'messaging_unreachable'],
    ['57P01', {}, 'source_unreachable', 'messaging_unreachable'],
    ['57P03', {}, 'source_unreachable', 'messaging_unreachable'],
    ['08006', {}, 'source_unreachable', 'messaging_unreachable'],
    ['40001', {}, 'source_query', 'messaging_conflict'],
    ['40P01', {}, 'source_query', 'messaging_conflict'],
    ['23505', {}, 'source_query', 'messaging_conflict'],
    ['22P02', {}, 'source_query', 'messaging_query'],
    ['53100', {}, 'source_query', 'messaging_query'],
    ['XX000', {}, 'source_query', 'messaging_query'],
  ] as const)('%s %j', (code, fields, source, messaging) => {
    expect(toSourceError(refused(code, fields))).toMatchObject({ kind: source, sqlState: code });
    expect(toMessagingError(refused(code, fields))).toMatchObject({ kind: messaging, sqlState: code });
  });

  it('holds no data: neither detail nor where, and no message that quotes a value', () => {
    const data = { detail: 'Key (email)=(secret)', where: 'secret', internalQuery: 'secret', hint: 'secret' };
    const duplicate = toMessagingError(refused('23505', { ...data, schema: 's', table: 't', constraint: 'c' }));
    expect(duplicate.message).toBe('the message (SQLSTATE 23505, s.t.c)');
    const malformed = toMessagingError(refused('22P02', { ...data, message: 'invalid input syntax: "secret"' }));
    expect(malformed.message).toBe('the server refused the statement (SQLSTATE 22P02)');
    for (const error of [duplicate, malformed]) {
      expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toContain('secret');
      expect(error.cause).toBeUndefined();
    }
  });
});

describe('what the client says', () => {
  it.each([
    [failed('connect ECONNREFUSED', { code: 'ECONNREFUSED', address: '127.0.0.1', port: 5 }), 'source_unreachable'],
    [failed('read ECONNRESET', { code: 'ECONNRESET' }), 'source_unreachable'],
    [failed('getaddrinfo ENOTFOUND', { code: 'ENOTFOUND', hostname: 'h' }), 'source_unreachable'],
    [failed('', { code: 'ECONNREFUSED', errors: [failed('', { address: '::1', port: 5 })] }), 'source_unreachable'],
    [failed('Connection terminated unexpectedly'), 'source_unreachable'],
    [failed('timeout expired'), 'source_unreachable'],
    [failed('Client has encountered a connection error and is not queryable'), 'source_unreachable'],
    [failed('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'), 'source_refused'],
    [failed('The server does not support SSL connections'), 'source_refused'],
    [failed('self signed', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }), 'source_refused'],
    [failed('names differ', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }), 'source_refused'],
    [new TypeError('x is not a function'), 'internal'],
    ['a string', 'internal'],
    [undefined, 'internal'],
  ])('%s', (thrown, kind) => {
    expect(toSourceError(thrown).kind).toBe(kind);
  });

  it('names the address', () => {
    const error = failed('', { code: 'ECONNREFUSED', errors: [failed('', { address: '::1', port: 5 })] });
    expect(toSourceError(error).message).toBe('no connection to ::1:5 (ECONNREFUSED)');
  });
});

it('leaves a CdcError as it is', () => {
  const error = new CdcError('slot_missing', 'gone');
  expect(toSourceError(error)).toBe(error);
});

it('knows which connections are of no more use', () => {
  const broken = ['57P01', '0A000', '26000'].map((code) => breaksConnection(toSourceError(refused(code))));
  expect(broken).toEqual([true, true, true]);
  expect(breaksConnection(toMessagingError(refused('23505')))).toBe(false);
});
