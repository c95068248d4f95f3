import { DatabaseError } from 'pg';
import { CdcError, type ErrorKind } from '../core/errors';
import { isTlsTrouble } from '../core/tls-trouble';

/** Which database a session belongs to: decides the code an error gets. */
export type Side = 'source' | 'messaging';

/** Anything that `pg` rejects with, as an error of the source (CDC-2xx). */
export const toSourceError = (error: unknown): CdcError => toSideError('source', error);

/** The same for either database: errors of messaging are CDC-5xx. */
export function toSideError(side: Side, error: unknown): CdcError {
  if (error instanceof CdcError) return error;
  if (error instanceof DatabaseError) return fromServer(side, error);
  return fromClient(side, error);
}

/** True when the connection an error came from must not be used again. */
export function breaksConnection(error: CdcError): boolean {
  if (error.kind === 'source_unreachable' || error.kind === 'messaging_unreachable') return true;
  // A prepared statement that no longer fits its tables, or that the server does not know, fails for ever on that connection.
  return error.sqlState === '0A000' || error.sqlState === '26000';
}

const OTHER = { source: 'source_query', messaging: 'messaging_query' } as const;
const UNREACHABLE = { source: 'source_unreachable', messaging: 'messaging_unreachable' } as const;
const REFUSED = { source: 'source_refused', messaging: 'messaging_refused' } as const;
const PERMISSION = { source: 'source_permission', messaging: 'messaging_permission' } as const;
const CONFLICT = { source: 'source_query', messaging: 'messaging_conflict' } as const;

/** By SQLSTATE; what is not named here is `*_query`. */
const KINDS: Readonly<Record<string, Readonly<Record<Side, ErrorKind>>>> = {
  '28P01': REFUSED,
  '28000': REFUSED,
  '3D000': REFUSED,
  '42501': PERMISSION,
  '42P01': { source: 'table_missing', messaging: 'messaging_schema' },
  '3F000': { source: 'table_missing', messaging: 'messaging_schema' },
  '42703': { source: 'contract_column_missing', messaging: 'messaging_schema' },
  '53300': UNREACHABLE,
  '57P01': UNREACHABLE,
  '57P02': UNREACHABLE,
  '57P03': UNREACHABLE,
  '57P04': UNREACHABLE,
  '57P05': UNREACHABLE,
  '25P03': UNREACHABLE,
  '40001': CONFLICT,
  '40P01': CONFLICT,
  '55P03': CONFLICT,
  '23505': CONFLICT,
  '23503': CONFLICT,
  '55006': { source: 'slot_active', messaging: 'messaging_query' },
  '58P01': { source: 'slot_lost', messaging: 'messaging_query' },
};

/** SQLSTATEs that mean several things are told apart by the server's own function name, which is never translated. */
const SOURCE_ROUTINES: Readonly<Record<string, ErrorKind>> = {
  '42501/InitPostgres': 'replication_right_missing',
  '42501/CheckSlotPermissions': 'replication_right_missing',
  '42704/ReplicationSlotAcquire': 'slot_missing',
  '42704/get_publication_oid': 'publication_missing',
  '55000/CheckLogicalDecodingRequirements': 'wal_level',
  '55000/ReplicationSlotAcquire': 'slot_lost',
  '55000/CreateDecodingContext': 'slot_lost',
  '55000/StartLogicalReplication': 'slot_lost',
};

function fromServer(side: Side, error: DatabaseError): CdcError {
  const sqlState = error.code ?? 'XX000';
  return new CdcError(serverKind(side, sqlState, error), describe(sqlState, error), { sqlState });
}

function serverKind(side: Side, sqlState: string, error: DatabaseError): ErrorKind {
  if (side === 'source') {
    const exact = SOURCE_ROUTINES[`${sqlState}/${error.routine}`];
    if (exact) return exact;
  } else if (sqlState === '42P01' && error.message.includes('"cdc.')) {
    return 'ledger_missing';
  }
  return (KINDS[sqlState] ?? (sqlState.startsWith('08') ? UNREACHABLE : OTHER))[side];
}

/**
 * The server's message where its class only ever names objects. Others quote data (`invalid input syntax for type integer: "…"`), and
 * so do `detail`, `where` and `internalQuery`: none of them is copied, nor the error kept as a cause (Invariant 7).
 */
function describe(sqlState: string, error: DatabaseError): string {
  const names = /^(08|23|25|26|28|3D|3F|40|42|53|54|55|57|58)/.test(sqlState) && sqlState !== '42601';
  const what = names ? error.message : 'the server refused the statement';
  const where = [error.schema, error.table, error.column, error.constraint, error.dataType].filter(Boolean).join('.');
  return `${what} (${[`SQLSTATE ${sqlState}`, where].filter(Boolean).join(', ')})`;
}

const UNREACHABLE_CODES =
  /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|EADDRNOTAVAIL|ENOENT|EACCES|EPERM|ERR_STREAM|ERR_SOCKET)/;
/** pg gives its own errors no code. */
const LOST_MESSAGES = /terminat|timeout|not queryable|socket|end(ed)? (on|after)|after calling end/i;
const LOGIN_MESSAGES = /SASL|password|authentication|does not support SSL/i;

/** What Node's sockets and TLS put on their errors; a host name with several addresses fails with one error for each. */
interface ClientFailure {
  readonly message?: string;
  readonly code?: string;
  readonly address?: string;
  readonly hostname?: string;
  readonly port?: number;
  readonly errors?: readonly ClientFailure[];
}

function fromClient(side: Side, thrown: unknown): CdcError {
  const failure = (thrown ?? {}) as ClientFailure;
  const { code = '', message = String(thrown) } = failure;
  const cause = { cause: thrown };
  if (isTlsTrouble(failure)) {
    const fix = 'Check sslmode and sslrootcert in the URL, and the certificate of the server.';
    return new CdcError(REFUSED[side], `the server's certificate was refused (${code})`, { ...cause, fix });
  }
  if (UNREACHABLE_CODES.test(code))
    return new CdcError(UNREACHABLE[side], `no connection${peer(failure)} (${code})`, cause);
  if (LOGIN_MESSAGES.test(message)) return new CdcError(REFUSED[side], message, cause);
  if (LOST_MESSAGES.test(message)) return new CdcError(UNREACHABLE[side], message, cause);
  return new CdcError('internal', message, cause);
}

function peer(failure: ClientFailure): string {
  const { address, hostname, port } = failure.errors?.[0] ?? failure;
  const host = address ?? hostname;
  if (host === undefined) return '';
  return ` to ${port === undefined ? host : `${host}:${port}`}`;
}
