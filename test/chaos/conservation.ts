import type { Capture } from './captures';

/** What captures say of themselves while they live: changes that they cannot account for (Invariant 4), 0 at every moment. */
export class Conservation {
  /** Answers that named a table. */
  looks = 0;
  /** The worst that was seen, by table. */
  readonly differences = new Map<string, number>();

  constructor(private readonly captures: readonly Pick<Capture, 'conservation'>[]) {}

  /** Asks those that answer. */
  async look(): Promise<void> {
    for (const said of await Promise.all(this.captures.map((capture) => capture.conservation()))) {
      if (said.length > 0) this.looks++;
      for (const { table, difference } of said)
        this.differences.set(table, Math.max(this.differences.get(table) ?? 0, Math.abs(difference)));
    }
  }
}
