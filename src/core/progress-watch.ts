import { CdcError } from './errors';
import { type Lsn, maxLsn } from './lsn';
import type { SourceInspection } from './ports/source';

/** Something that must move while there is something to do. Time comes in as an argument, so that one who slept has not watched. */
export class StallClock {
  private mark = '';
  private stood = 0;

  /** Milliseconds for which `mark` has not changed although something was `due`; `ms` = since the last call. */
  tick(due: boolean, mark: string, ms: number): number {
    if (due && mark === this.mark) this.stood += ms;
    else this.stood = 0;
    this.mark = mark;
    return this.stood;
  }
}

/** What of capture can be seen to move. */
export interface CaptureSight {
  /** Nothing is read, because the batch is full. */
  readonly paused: boolean;
  /** Records are in a batch that Kafka has not acknowledged. */
  readonly unacknowledged: boolean;
  /** Acknowledged so far. */
  readonly batches: number;
  /** Messages of the stream so far, and the WAL end of its last keepalive. */
  readonly messages: number;
  readonly heardLsn: Lsn;
  readonly receivedLsn: Lsn;
  /** The last look at the source, with its number and what had been confirmed to the server at the look before; null = too long ago. */
  readonly look: { readonly number: number; readonly source: SourceInspection; readonly confirmed: Lsn } | null;
}

export interface Stall {
  readonly error: CdcError;
  /** A new connection mends it. */
  readonly replace: boolean;
}

/** PostgreSQL has decoded all there is, in its own words. */
const IDLE = new Set(['Client/WalSenderWaitForWal', 'Activity/WalSenderMain']);
/** Waits of somebody who works: disk, latches. All others (clients, locks) are for somebody else. */
const WORKING = /^(IO|LWLock|Buffer|BufferPin|Timeout)\//;

/**
 * Tells behind from stalled. Behind is what has far to go and moves: records come, batches are acknowledged, or PostgreSQL's
 * WAL sender decodes, however long one transaction takes it. Stalled is what has something to do and does not move.
 */
export class CaptureWatch {
  private readonly receiving = new StallClock();
  private readonly publishing = new StallClock();
  private readonly confirming = new StallClock();

  constructor(private readonly limitMs: number) {}

  /** Called again and again; `ms` = since the last call. Null: it moves, or there is nothing to do. */
  tick(sight: CaptureSight, ms: number): Stall | null {
    const { look } = sight;
    const sender = look?.source.slot.sender ?? null;
    const working = sender !== null && (sender.waitsFor === null || WORKING.test(sender.waitsFor));
    const work = working ? look!.number : '';

    const since = `${Math.round(this.limitMs / 1000)} s`;
    const published = this.publishing.tick(sight.unacknowledged, String(sight.batches), ms);
    const heard = maxLsn(sight.heardLsn, sight.receivedLsn);
    const more = look !== null && look.source.walLsn > heard && !(sender && IDLE.has(sender.waitsFor ?? ''));
    const received = this.receiving.tick(
      more && !sight.paused,
      `${sight.messages} ${heard} ${sender?.sentLsn} ${work}`,
      ms,
    );
    const taken = look?.source.confirmedLsn ?? 0n;
    const confirmed = this.confirming.tick(look !== null && taken < look.confirmed, `${taken} ${work}`, ms);

    if (published >= this.limitMs)
      return { error: stopped(`Kafka has acknowledged no batch for ${since}`), replace: false };
    if (received >= this.limitMs) return silentSender(sender?.waitsFor, since);
    if (confirmed >= this.limitMs)
      return {
        error: stopped(`the server has taken no confirmation for ${since}`),
        replace: true,
      };
    return null;
  }
}

/** `waitsFor`: undefined = nobody serves the slot. */
function silentSender(waitsFor: string | null | undefined, since: string): Stall {
  if (waitsFor === undefined)
    return { error: stopped('the server no longer serves the replication connection'), replace: true };
  if (waitsFor === 'Client/WalSenderWriteData')
    return { error: stopped(`the server has been waiting to send for ${since}, and nothing arrives`), replace: true };
  if (waitsFor === 'Client/WaitForStandbyConfirmation') {
    const what = `the server has held changes back for ${since}, until the stand-bys of synchronized_standby_slots have them`;
    return {
      error: stopped(what, 'Bring those stand-bys back, or take them out of synchronized_standby_slots.'),
      replace: false,
    };
  }
  return {
    error: stopped(`the server's WAL sender has sent nothing for ${since}: it waits for ${waitsFor}`),
    replace: false,
  };
}

const stopped = (what: string, fix?: string) =>
  new CdcError('progress_stopped', what, fix === undefined ? {} : { fix });
