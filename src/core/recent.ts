/** The last few values of a measurement, for quantiles on a screen or in a log line; a push is one array write. */
export class RecentValues {
  private readonly ring: Float64Array;
  private pushed = 0;

  constructor(capacity = 1024) {
    this.ring = new Float64Array(capacity);
  }

  push(value: number): void {
    this.ring[this.pushed++ % this.ring.length] = value;
  }

  /** Nearest-rank quantile (0..1) of the values still held; null before the first. Sorts: for readers, not for the row path. */
  quantile(q: number): number | null {
    const held = Math.min(this.pushed, this.ring.length);
    if (held === 0) return null;
    const sorted = this.ring.slice(0, held).sort();
    return sorted[Math.min(held - 1, Math.max(0, Math.ceil(q * held) - 1))]!;
  }
}
