import { KIND_NULL, KIND_TEXT, newTuple, type Tuple } from '../core/tuple';

/** Signature, flags and extension length of PostgreSQL's binary COPY format; no server has ever sent an extension. */
const HEADER_BYTES = 19;
const END = -1;

/**
 * Cuts the bytes of `COPY … TO STDOUT (FORMAT binary)` of text columns into rows. Binary, because there a text's bytes are just
 * its bytes: nothing to unescape, nothing to search for.
 */
export class CopyRows {
  private readonly row: Tuple = newTuple();
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  /** Bytes that must be there before it is worth looking again. */
  private needed = HEADER_BYTES;
  private headerRead = false;

  /** `onRow` gets a reused tuple whose bytes are valid during the call only. */
  constructor(private readonly onRow: (row: Tuple) => void) {}

  push(chunk: Buffer): void {
    this.waiting.push(chunk);
    this.waitingBytes += chunk.length;
    if (this.waitingBytes < this.needed) return;
    const bytes = this.waiting.length === 1 ? chunk : Buffer.concat(this.waiting, this.waitingBytes);
    const rest = this.parse(bytes);
    this.waiting = rest < bytes.length ? [bytes.subarray(rest)] : [];
    this.waitingBytes = bytes.length - rest;
  }

  /** Gives out all complete rows and returns where the first incomplete one begins. */
  private parse(bytes: Buffer): number {
    let start = 0;
    if (!this.headerRead) {
      this.headerRead = true;
      start = HEADER_BYTES;
    }
    for (;;) {
      const end = this.readRow(bytes, start);
      if (end < 0) return start;
      start = end;
    }
  }

  /** End of the row at `start`, or -1 when it is not complete; `needed` then says how much must be there. */
  private readRow(bytes: Buffer, start: number): number {
    const { row } = this;
    let pos = start + 2;
    if (!this.reaches(bytes, start, pos)) return -1;
    const count = bytes.readInt16BE(start);
    if (count === END) return this.reaches(bytes, start, pos + 1) ? pos : -1;
    for (let i = 0; i < count; i++) {
      if (!this.reaches(bytes, start, pos + 4)) return -1;
      const length = bytes.readInt32BE(pos);
      pos += 4;
      row.kinds[i] = length < 0 ? KIND_NULL : KIND_TEXT;
      row.starts[i] = pos;
      if (length > 0) pos += length;
      row.ends[i] = pos;
    }
    if (!this.reaches(bytes, start, pos)) return -1;
    row.bytes = bytes;
    row.count = count;
    this.onRow(row);
    return pos;
  }

  private reaches(bytes: Buffer, start: number, end: number): boolean {
    if (end <= bytes.length) return true;
    this.needed = end - start;
    return false;
  }
}
