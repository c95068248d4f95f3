/** A growable byte area that is filled, read and reset; grows by doubling and never shrinks by itself. */
export class Slab {
  bytes: Buffer;
  pos = 0;

  constructor(initialBytes = 64 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Makes room for `n` more bytes; invalidates earlier references to `bytes`. */
  ensure(n: number): void {
    const needed = this.pos + n;
    if (needed <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(grown, 0, 0, this.pos);
    this.bytes = grown;
  }

  reset(): void {
    this.pos = 0;
  }
}
