import { randomUUID } from 'node:crypto';
import { deferred } from '../core/deferred';
import { type Lsn, ZERO_LSN } from '../core/lsn';
import type { ChunkRequest, ChunkResult, MvccSnapshot, SourceQueries } from '../core/ports/source';
import type { Tuple } from '../core/tuple';
import { ChangedKeys, DecodedXids, seesAll, widenXid } from '../core/watermark';
import { type Emission, type StreamWatcher, WATERMARK_PREFIX } from './stream-watcher';

/** A chunk whose snapshot is older than the stream is read again: how long to wait before. */
const REREAD_MS = 20;

/** What to emit at the closing watermark; the rest is known here. */
export type Composed = Pick<Emission, 'route' | 'rows' | 'deletes' | 'snapshot'>;

export interface WindowResult {
  readonly chunk: ChunkResult;
  /** Indexes of rows that were not emitted, because the stream changed them between the watermarks. */
  readonly leftOut: readonly number[];
  /** The closing watermark. */
  readonly closed: Lsn;
}

interface Window {
  readonly opening: string;
  readonly closing: string;
  readonly table: string;
  readonly changed: ChangedKeys;
  /** Transactions decoded before the opening watermark and perhaps not visible yet. */
  mustSee: readonly number[];
  opened: (() => void) | null;
  closed: ((lsn: Lsn) => Emission) | null;
}

/**
 * Reads of the source put into the order of the stream:
 *
 *   opening watermark -> read a chunk -> closing watermark -> rows not changed in between go out
 *
 * The chunk may only be read in a snapshot that sees every transaction decoded before its opening watermark.
 */
export class WatermarkWindows implements StreamWatcher {
  private window: Window | null = null;
  private readonly decoded = new DecodedXids();
  /** Transaction of the message being decoded, and of the first opening watermark of this life. */
  private current: number | null = null;
  private first: number | null = null;
  private eldersEnded = false;
  private over = false;
  private stopped = false;

  constructor(
    private readonly queries: SourceQueries,
    /** Resolves when all that was appended until now is acknowledged. */
    private readonly durable: () => Promise<void>,
  ) {}

  get watching(): boolean {
    return this.window !== null && this.window.opened === null;
  }

  onTransaction(xid: number): void {
    if (this.over) return;
    this.decoded.add(xid);
    this.current = xid;
  }

  onRow(table: string, key: string): void {
    if (table === this.window?.table) this.window.changed.add(key);
  }

  onTruncate(table: string): void {
    if (table === this.window?.table) this.window.changed.addAll();
  }

  onWatermark(content: string, lsn: Lsn): Emission | null {
    const { window } = this;
    if (!window) return null;
    if (content === window.opening && window.opened) {
      const opened = window.opened;
      window.opened = null;
      window.mustSee = [...this.decoded.values()];
      this.first ??= this.current;
      opened();
    } else if (content === window.closing && window.closed) {
      this.window = null;
      return window.closed(lsn);
    }
    return null;
  }

  /** Reads in progress end without a result. */
  stop(): void {
    this.stopped = true;
  }

  get ended(): boolean {
    return this.stopped;
  }

  /** Nothing more will be read: transactions need not be remembered any longer. */
  finish(): void {
    this.over = true;
  }

  /**
   * One chunk; resolves when its records are acknowledged, or with null after stop(). `compose` is called when the chunk is
   * read. `onRepeat` is called before the chunk is read again.
   */
  async read(
    request: ChunkRequest,
    onRow: (row: Tuple) => void,
    compose: () => Composed,
    onRepeat: () => void,
  ): Promise<WindowResult | null> {
    const opened = deferred();
    const appended = deferred<readonly number[]>();
    const changed = new ChangedKeys();
    const id = randomUUID();
    let composed: Composed | null = null;
    let closed: Lsn = ZERO_LSN;
    const window: Window = {
      opening: `open ${id}`,
      closing: `close ${id}`,
      table: `${request.schema}.${request.table}`,
      changed,
      mustSee: [],
      opened: opened.resolve,
      closed: (lsn) => {
        closed = lsn;
        return { ...composed!, changed, onAppended: appended.resolve };
      },
    };
    this.window = window;
    await this.queries.emitMessage(WATERMARK_PREFIX, window.opening);
    await opened.promise;
    const chunk = await this.readSeeing(window, request, onRow, onRepeat);
    if (!chunk) return null;
    composed = compose();
    await this.queries.emitMessage(WATERMARK_PREFIX, window.closing);
    const leftOut = await appended.promise;
    await this.durable();
    return { chunk, leftOut, closed };
  }

  /**
   * A life before this one may have decoded and confirmed a transaction whose commit is not visible yet: the stream will not
   * show it again. Whatever began before the first watermark must have ended once; a long transaction then holds up the load.
   */
  private eldersAreSeen(snapshot: MvccSnapshot): boolean {
    this.eldersEnded ||= snapshot.xmin > widenXid(this.first!, snapshot.xmax);
    return this.eldersEnded;
  }

  private async readSeeing(
    window: Window,
    request: ChunkRequest,
    onRow: (row: Tuple) => void,
    onRepeat: () => void,
  ): Promise<ChunkResult | null> {
    while (!this.stopped) {
      const accept = (snapshot: MvccSnapshot) => {
        this.decoded.forget(snapshot);
        return this.eldersAreSeen(snapshot) && seesAll(snapshot, window.mustSee);
      };
      const chunk = await this.queries.readChunk(request, accept, onRow);
      if (chunk) return chunk;
      onRepeat();
      await new Promise((resolve) => setTimeout(resolve, REREAD_MS));
    }
    return null;
  }
}
