import { CdcError } from '../core/errors';

/** kafkajs sends one only when its interval has passed, so asking often costs nothing. */
const ASK_MS = 1000;

/** What the coordinator says to a member whose partitions are no longer its own, or soon will not be. */
const GONE = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']);

/**
 * Keeps the membership while a batch is in hand, however long that takes: kafkajs sends heartbeats only when told to. A
 * coordinator that cannot be reached is asked again until the session must be over.
 */
export class Heartbeats {
  /** kafkajs's own error, which it must be given back to join again. */
  lost: Error | null = null;
  private readonly timer: NodeJS.Timeout;
  private lastHeard = performance.now();

  constructor(
    private readonly beat: () => Promise<void>,
    private readonly sessionTimeoutMs: number,
  ) {
    this.timer = setInterval(() => void this.send(), ASK_MS);
  }

  /** Rejects with consumer_failed when the partition was lost. */
  async keepAlive(): Promise<void> {
    if (!this.lost) await this.send();
    if (this.lost) throw new CdcError('consumer_failed', `the partition was lost: ${this.lost.message}`);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async send(): Promise<void> {
    if (this.lost) return;
    try {
      await this.beat();
      this.lastHeard = performance.now();
    } catch (error) {
      const trouble = error as Error & { readonly type?: string };
      const silent = performance.now() - this.lastHeard > this.sessionTimeoutMs;
      if (silent || GONE.has(trouble.type ?? '')) this.lost = trouble;
    }
  }
}
