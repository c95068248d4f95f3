import { CdcError, type ErrorSpec } from './errors';

/** Whether a part of the process does its work now; if not, why and what mends it. */
export type Readiness = Ready | NotReady;

export interface Ready {
  readonly ready: true;
  /** What will be a trouble if nobody acts; absent when there is none. */
  readonly warnings?: readonly Notice[];
}

export interface Notice {
  readonly code: ErrorSpec['code'];
  readonly reason: string;
  readonly fix: string;
}

export interface NotReady extends Notice {
  readonly ready: false;
}

export const READY: Readiness = { ready: true };

const notice = ({ code, message, fix }: CdcError): Notice => ({ code, reason: message, fix });

export const notReady = (error: CdcError): NotReady => ({ ready: false, ...notice(error) });

/** It works, but not for long. */
export const readyWith = (warnings: readonly CdcError[]): Readiness =>
  warnings.length === 0 ? READY : { ready: true, warnings: warnings.map(notice) };

/** Nothing is known yet. */
export const STARTING: NotReady = notReady(new CdcError('internal', 'starting', { fix: 'Wait.' }));

/** Ready when all are; the first trouble that is known speaks for the whole, with the number of the others. */
export function combineReadiness(parts: readonly Readiness[]): Readiness {
  const troubles = parts.filter((part) => !part.ready);
  const first = troubles.find((trouble) => trouble !== STARTING) ?? troubles[0];
  if (!first) {
    const warnings = parts.flatMap((part) => (part.ready ? (part.warnings ?? []) : []));
    return warnings.length === 0 ? READY : { ready: true, warnings };
  }
  if (troubles.length === 1) return first;
  return { ...first, reason: `${first.reason} (and ${troubles.length - 1} more not ready)` };
}
