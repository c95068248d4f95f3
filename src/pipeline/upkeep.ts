import { type CdcError, toCdcError } from '../core/errors';

export interface UpkeepDeps {
  /** Confirms what may be confirmed by now: the confirmed position trails. */
  advance(): void;
  renewFence(): void;
  /** Looks at source and slot; rejects with the first trouble. */
  inspect(): Promise<void>;
  /** Ends this life of capture. */
  fail(error: CdcError): void;
}

const CONFIRM_MS = 1000;
const INSPECT_MS = 5000;
/** Sooner than half of Kafka's producer.id.expiration.ms (1 day): the fence wears off on idle partitions. */
const RENEW_FENCE_MS = 3_600_000;
/** SQLSTATEs admin_shutdown and cannot_connect_now. */
const SHUTTING_DOWN = new Set(['57P01', '57P03']);

/** What a life of capture does by the clock, beside the stream. */
export class Upkeep {
  private readonly timers: NodeJS.Timeout[] = [];
  private inspecting = false;

  constructor(private readonly d: UpkeepDeps) {}

  start(): void {
    this.timers.push(
      setInterval(() => this.d.advance(), CONFIRM_MS),
      setInterval(() => this.d.renewFence(), RENEW_FENCE_MS),
      setInterval(() => void this.inspect(), INSPECT_MS),
    );
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private async inspect(): Promise<void> {
    if (this.inspecting) return;
    this.inspecting = true;
    try {
      await this.d.inspect();
    } catch (error) {
      // Away for a moment is the stream's to notice. What needs hands ends this life, and so does a server that shuts down:
      // it waits for us, and while we do not read only a refused look tells.
      const trouble = toCdcError(error);
      if (trouble.retry === 'manual' || SHUTTING_DOWN.has(trouble.sqlState ?? '')) this.d.fail(trouble);
    }
    this.inspecting = false;
  }
}
