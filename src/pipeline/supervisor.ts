import { Backoff, wait } from '../core/backoff';
import { CdcError, toCdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import { notReady, type Readiness, STARTING } from '../core/readiness';
import { type CaptureStats, noteError } from '../core/stats';

/** How soon a stand-by tries the slot again: it takes over within 2 s of a closed connection. */
const STANDBY_MS = 1000;
/** How soon a cause that needs hands is looked at again. */
const MENDED_MS = 5000;

/**
 * One life of a connector: resolves only after the signal aborted, rejects with what ended it. It says by `report` that it
 * works, or why it does not for now.
 */
export type Life = (signal: AbortSignal, report: (readiness: Readiness) => void) => Promise<void>;

/**
 * Keeps one connector alive: starts its next life after each one that ended, at the pace the error table asks for. No
 * process exits because a server is away.
 */
export class Supervisor {
  private state: Readiness = STARTING;

  constructor(
    private readonly life: Life,
    private readonly stats: Pick<CaptureStats, 'errorsByCode' | 'lastError' | 'reconnects'>,
    private readonly log: Logger,
  ) {}

  get readiness(): Readiness {
    return this.state;
  }

  /** Resolves after the signal aborted and the last life ended. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    let last: string | null = null;
    while (!signal.aborted) {
      try {
        await this.life(signal, (readiness) => {
          this.state = readiness;
          if (!readiness.ready) return;
          if (last !== null) this.log.info({}, 'working again');
          last = null;
          backoff.reset();
        });
      } catch (error) {
        if (signal.aborted) break;
        const trouble = toCdcError(error);
        this.state = notReady(trouble);
        noteError(this.stats, trouble, Date.now());
        this.stats.reconnects++;
        const said = `${trouble.code} ${trouble.message}`;
        if (said !== last) this.say(trouble);
        last = said;
        await wait(pause(trouble, backoff), signal);
      }
    }
    this.state = notReady(new CdcError('internal', 'stopped', { fix: 'ventia-cdc run' }));
  }

  /** Once for each trouble, not once for each try: metrics count the tries. */
  private say(trouble: CdcError): void {
    const fields = { code: trouble.code, fix: trouble.fix, retry: trouble.retry };
    if (trouble.kind === 'internal') this.log.error({ ...fields, err: trouble.cause }, trouble.message);
    else if (trouble.kind === 'slot_active') this.log.info(fields, trouble.message);
    else if (trouble.retry === 'timed') this.log.warn(fields, trouble.message);
    else this.log.error(fields, trouble.message);
  }
}

function pause(trouble: CdcError, backoff: Backoff): number {
  if (trouble.kind === 'slot_active') return STANDBY_MS;
  return trouble.retry === 'timed' ? backoff.next() : MENDED_MS;
}
