/** A status at least this often, however patient the server is: its slot view and a stand-by see a live reader. */
const MAX_STATUS_MS = 5_000;
const MAX_TICK_MS = 1_000;

/**
 * What a replication session asks of the server as its `wal_sender_timeout`, unless the server is stricter: then a dead
 * reader gives the slot back within 10 s, and a server busy with a huge transaction of other tables, in which it looks at
 * its connection only every half timeout, still answers within 5 s. Without that last part such a server would be taken
 * for silent, and the transaction begun again for ever.
 */
export const SESSION_TIMEOUT_MS = 10_000;

/** Each status asks for a reply, so silence means trouble. Together with the new connection: replaced within 15 s. */
export const SILENCE_MS = 12_000;

/** How often to send the status, in ms: a third of the server's `wal_sender_timeout` (ms; 0 = none), at most 5 s. */
export function statusInterval(walSenderTimeoutMs: number): number {
  if (walSenderTimeoutMs <= 0) return MAX_STATUS_MS;
  return Math.max(1, Math.min(MAX_STATUS_MS, Math.floor(walSenderTimeoutMs / 3)));
}

/** See {@link Liveness.tick}. */
const SHUTDOWN_MS = 5_000;

export type Due = 'nothing' | 'status' | 'silent' | 'shutdown';

/**
 * When a replication connection owes the server a status, and when it counts as silent.
 *
 * Time is counted in ticks, not read from a clock: a process that was stopped or starved has not listened, and may not
 * call the server silent when it wakes up. While the consumer does not read, nothing can be heard: silence is not counted,
 * statuses go on.
 */
export class Liveness {
  /** How often {@link tick} is to be called. */
  readonly tickMs: number;
  private sinceStatus = 0;
  private silence = 0;
  private reading = true;
  private asks = 0;
  private askedFor = 0;

  constructor(
    private readonly statusMs: number,
    private readonly silenceMs: number = SILENCE_MS,
  ) {
    this.tickMs = Math.min(MAX_TICK_MS, statusMs);
  }

  /** Bytes came. */
  heard(): void {
    this.silence = 0;
  }

  readingStopped(): void {
    this.reading = false;
  }

  readingResumed(): void {
    this.reading = true;
    this.silence = 0;
  }

  /**
   * Once every `tickMs`. `status`: send one now, and ask for a reply. `shutdown`: the server has asked for statuses for seconds
   * on end, as only one does that shuts down and waits until all it sent is confirmed. Let it go: what is not confirmed
   * comes again, and nobody's database hangs in its shutdown because Kafka is away.
   */
  tick(): Due {
    this.askedFor = this.asks > 0 ? this.askedFor + this.tickMs : 0;
    const owed = this.asks > 1;
    this.asks = 0;
    if (this.askedFor >= SHUTDOWN_MS) return 'shutdown';
    if (this.reading) this.silence += this.tickMs;
    if (this.silence >= this.silenceMs) return 'silent';
    this.sinceStatus += this.tickMs;
    if (!owed && this.sinceStatus + this.tickMs <= this.statusMs) return 'nothing';
    this.sinceStatus = 0;
    return 'status';
  }

  /**
   * The server asked for a status. True = send it at once. A server that shuts down asks again with every answer, as fast as
   * it gets them: one is given at once, the next with the tick.
   */
  asked(): boolean {
    this.asks++;
    return this.asks === 1;
  }
}
