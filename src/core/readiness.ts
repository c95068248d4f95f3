import { CdcError, type ErrorSpec } from './errors';

/** Whether a part of the process does its work now; if not, why and what mends it. */
export type Readiness = { readonly ready: true } | NotReady;

export interface NotReady {
  readonly ready: false;
  readonly code: ErrorSpec['code'];
  readonly reason: string;
  readonly fix: string;
}

export const READY: Readiness = { ready: true };

export const notReady = (error: CdcError): NotReady => ({
  ready: false,
  code: error.code,
  reason: error.message,
  fix: error.fix,
});

/** Nothing is known yet. */
export const STARTING: NotReady = notReady(new CdcError('internal', 'starting', { fix: 'Wait.' }));

/** Ready when all are; the first trouble that is known speaks for the whole, with the number of the others. */
export function combineReadiness(parts: readonly Readiness[]): Readiness {
  const troubles = parts.filter((part) => !part.ready);
  const first = troubles.find((trouble) => trouble !== STARTING) ?? troubles[0];
  if (!first) return READY;
  if (troubles.length === 1) return first;
  return { ...first, reason: `${first.reason} (and ${troubles.length - 1} more not ready)` };
}
