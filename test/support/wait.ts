import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Default 20 ms. */
  readonly intervalMs?: number;
}

/**
 * Repeats `attempt` until it neither throws nor gives false, null or undefined, and returns what it gave. When the time is
 * over, its last error is thrown, so that a failed expectation inside reads as in a test without waiting.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { timeoutMs = 10_000, intervalMs = 20 } = options;
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await attempt();
      if (value !== undefined && value !== null && value !== false)
        return value as Exclude<T, false | null | undefined>;
      failure = new Error(`not within ${timeoutMs} ms: the last value was ${String(value)}`);
    } catch (error) {
      failure = error;
    }
    if (Date.now() >= deadline) throw failure;
    await sleep(intervalMs);
  }
}
