/** What a slab or a batch may hold on to when it is emptied; one that grew beyond it for an unusual row gives its bytes back. */
export const KEPT_BYTES = 2 * 1024 * 1024;

/** A growable byte area that is filled, read and reset. */
export class Slab {
  bytes: Buffer;
  pos = 0;
  private lent = false;

  constructor(private readonly initialBytes = 64 * 1024) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Makes room for `n` more bytes; invalidates earlier references to `bytes`. */
  ensure(n: number): void {
    const needed = this.pos + n;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(grownSize(this.bytes.length, needed));
    this.bytes.copy(grown, 0, 0, this.pos);
    this.bytes = grown;
  }

  /** What was written until now is the borrower's for as long as it likes: the slab goes on with other bytes at its next reset. */
  lend(): Buffer {
    this.lent = true;
    return this.bytes;
  }

  reset(): void {
    this.pos = 0;
    if (!this.lent && this.bytes.length <= KEPT_BYTES) return;
    this.lent = false;
    this.bytes = Buffer.allocUnsafeSlow(this.initialBytes);
  }
}

/**
 * Gives the memory of a large buffer back now, and not whenever the garbage collector gets to it; the buffer is empty
 * afterwards. For bytes with an ArrayBuffer of their own that nobody uses any more. (Node 20 cannot, and waits.)
 */
export function free({ buffer }: Buffer): void {
  if (buffer.byteLength > 0) (buffer as { transfer?(length: number): unknown }).transfer?.(0);
}

/** At least twice as much, so that many small steps cost little; one large step gets what it asks for. */
export function grownSize(size: number, needed: number): number {
  return Math.max(2 * size, needed);
}
