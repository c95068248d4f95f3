import type { MvccSnapshot } from './ports/source';
import { Slab } from './slab';
import { KIND_NULL, KIND_TEXT, type Tuple } from './tuple';

/**
 * The snapshot beside the stream, by watermark chunks: a chunk is read between an opening and a closing message in the
 * WAL, and rows that the stream changed in between are dropped from it, because the stream's version is the newer one.
 * Source of the idea: DBLog (Netflix, 2019).
 */

/** Rows of one chunk, kept as copied bytes until the closing watermark has been read from the stream. */
export class ChunkRows {
  private readonly slab = new Slab();
  private readonly offsets: number[] = [];
  private columns = 0;
  count = 0;

  get bytes(): number {
    return this.slab.pos;
  }

  add(row: Tuple): void {
    this.columns = row.count;
    for (let i = 0; i < row.count; i++) {
      if (row.kinds[i] === KIND_NULL) {
        this.offsets.push(-1, -1);
        continue;
      }
      const start = row.starts[i]!;
      const end = row.ends[i]!;
      this.slab.ensure(end - start);
      row.bytes.copy(this.slab.bytes, this.slab.pos, start, end);
      this.offsets.push(this.slab.pos, this.slab.pos + end - start);
      this.slab.pos += end - start;
    }
    this.count++;
  }

  /** Points `into` at row `index`: views, no copies. */
  read(index: number, into: Tuple): void {
    into.bytes = this.slab.bytes;
    into.count = this.columns;
    const base = index * this.columns * 2;
    for (let i = 0; i < this.columns; i++) {
      const start = this.offsets[base + 2 * i]!;
      into.kinds[i] = start < 0 ? KIND_NULL : KIND_TEXT;
      into.starts[i] = start;
      into.ends[i] = this.offsets[base + 2 * i + 1]!;
    }
  }
}

/** More keys than this are not kept: the window is closed without a result, and its chunk read in a new one. */
const MAX_CHANGED_KEYS = 200_000;

/** Which rows the stream changed between the two watermarks. Keys are in any one canonical form. */
export class ChangedKeys {
  private readonly keys = new Set<string>();
  private all = false;

  add(key: string): void {
    if (this.keys.size <= MAX_CHANGED_KEYS) this.keys.add(key);
  }

  /** A truncate: no row of the chunk is certain any more. */
  addAll(): void {
    this.all = true;
  }

  has(key: string): boolean {
    return this.all || this.keys.has(key);
  }

  /** Not all keys are here. */
  get overflowed(): boolean {
    return this.keys.size > MAX_CHANGED_KEYS;
  }
}

/**
 * Widens a 32-bit transaction id to 64 bits: the one nearest to `reference`, as ids in use are never more than 2^31 apart.
 */
export function widenXid(xid: number, reference: bigint): bigint {
  const wide = (reference & ~0xffffffffn) | BigInt(xid);
  if (wide - reference > 0x7fffffffn) return wide - 0x100000000n;
  if (reference - wide > 0x7fffffffn) return wide + 0x100000000n;
  return wide;
}

/**
 * True when the MVCC snapshot sees every transaction of `decoded`. A commit record can be read from the WAL before the
 * commit is visible (it waits for a synchronous stand-by, or is between the two steps): a chunk read in that moment has the
 * old row, with no change left in the window to correct it.
 */
export function seesAll(snapshot: MvccSnapshot, decoded: Iterable<number>): boolean {
  const running = new Set(snapshot.running);
  for (const xid of decoded) if (!sees(snapshot, running, xid)) return false;
  return true;
}

function sees({ xmax }: MvccSnapshot, running: ReadonlySet<bigint>, xid: number): boolean {
  const wide = widenXid(xid, xmax);
  return wide < xmax && !running.has(wide);
}

/** Transactions decoded and perhaps not visible yet; what a snapshot has shown to be old is forgotten. */
export class DecodedXids {
  private readonly xids = new Set<number>();

  add(xid: number): void {
    this.xids.add(xid);
  }

  get size(): number {
    return this.xids.size;
  }

  values(): Iterable<number> {
    return this.xids;
  }

  /** What one snapshot sees all later ones see, too. */
  forget(snapshot: MvccSnapshot): void {
    const running = new Set(snapshot.running);
    for (const xid of this.xids) if (sees(snapshot, running, xid)) this.xids.delete(xid);
  }

  clear(): void {
    this.xids.clear();
  }
}
