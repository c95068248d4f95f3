import type { CdcError, ErrorKind } from '../core/errors';

const STATUS: Partial<Record<ErrorKind, number>> = {
  usage: 400,
  snapshot_where: 400,
  source_permission: 400,
  snapshot_unknown: 404,
  snapshot_refused: 409,
};

/** 503: what this process needs for the answer is away or not set. */
export const statusOf = (error: CdcError): number => STATUS[error.kind] ?? (error.kind === 'internal' ? 500 : 503);

/** Kafka Connect's form, with the error manual's code and what to do. */
export const bodyOf = (error: CdcError, status: number) => ({
  error_code: status,
  message: status === 500 ? 'An unexpected error' : error.message,
  code: error.code,
  fix: error.fix,
});
