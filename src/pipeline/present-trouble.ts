import { CdcError, type ErrorKind, toCdcError } from '../core/errors';

/** What a table was like when a change was made. */
export const OF_THE_PAST: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'contract_column_missing',
  'contract_type',
  'replica_identity',
]);

/**
 * What is to be said of an error of the stream. What the source was like when a change was made matters only when all is well
 * with it now: else `look` rejects, and that is what has to be mended first.
 */
export async function presentTrouble(error: CdcError, look: () => Promise<void>): Promise<CdcError> {
  const unpublished = error.kind === 'publication_missing' && error.sqlState !== undefined;
  if (!unpublished && !OF_THE_PAST.has(error.kind)) return error;
  try {
    await look();
  } catch (thrown) {
    const now = toCdcError(thrown);
    return now.retry === 'manual' || now.kind === 'table_changed' ? now : error;
  }
  if (!unpublished) return error;
  const what = 'the publication did not exist when a change was made: the server cannot read it from the WAL';
  return new CdcError('publication_missing', what, { fix: 'ventia-cdc repair slot --replace', cause: error });
}
