import { wait } from '../core/backoff';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import { notReady, type Readiness } from '../core/readiness';
import { type CaptureStats, NOT_KNOWN } from '../core/stats';

export interface StandByPorts {
  /** Who streams from the slot; null = nobody. */
  holder(): Promise<string | null>;
  readonly stats: CaptureStats;
  readonly log: Logger;
  onReadiness(readiness: Readiness): void;
}

const POLL_MS = 250;

/** Waits while somebody else streams from the slot, and says who. Resolves when the slot is free or the signal aborts. */
export async function standBy({ holder, stats, log, onReadiness }: StandByPorts, signal: AbortSignal): Promise<void> {
  let said: string | null = null;
  while (!signal.aborted) {
    const who = await holder();
    if (who === null) return;
    if (who !== said) {
      const trouble = new CdcError('slot_active', `the slot is held by ${who}`);
      log.info({ code: trouble.code, fix: trouble.fix }, trouble.message);
      onReadiness(notReady(trouble));
      Object.assign(stats.freshUntilMs, NOT_KNOWN); // whoever holds it knows
    }
    said = who;
    await wait(POLL_MS, signal);
  }
}
