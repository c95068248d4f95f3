/**
 * State records that say what other topics hold, as the progress of a load does. Where an acknowledgement is not yet on a disk
 * they are written only when what they speak of surely is: else a power cut could leave the record and take what it promises,
 * and nobody would read those rows again.
 */
export class TrailingState {
  /** Oldest first. */
  private waiting: { readonly key: string; readonly value: object; readonly from: number }[] = [];

  constructor(
    private readonly trailMs: number,
    /** Resolves when Kafka has the record. */
    private readonly write: (key: string, value: object) => Promise<void>,
  ) {}

  /** Without a trail it resolves when Kafka has the record, else at once. What it speaks of must be acknowledged. */
  async save(key: string, value: object, now: number): Promise<void> {
    if (this.trailMs === 0) return this.write(key, value);
    this.waiting.push({ key, value, from: now + this.trailMs });
  }

  /** Kafka was found to hold, at `at`, all that it had acknowledged before. */
  held(at: number): void {
    const due = new Map<string, object>();
    while (this.waiting[0] && this.waiting[0].from <= at) {
      const { key, value } = this.waiting.shift()!;
      due.set(key, value);
    }
    // What keeps them from being written ends this life of capture.
    for (const [key, value] of due) this.write(key, value).catch(() => {});
  }
}
