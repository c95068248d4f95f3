import { randomUUID } from 'node:crypto';
import { deferred } from '../core/deferred';
import type { CdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { ChunkRequest, ChunkResult, MvccSnapshot, SourceQueries } from '../core/ports/source';
import type { Tuple } from '../core/tuple';
import { ChangedKeys, DecodedXids, seesAll, widenXid } from '../core/watermark';
import { type Emission, type StreamWatcher, WATERMARK_PREFIX } from './stream-watcher';

/** A chunk whose snapshot is older than the stream is read again: how long to wait before, at first and at most. */
const REREAD_MS = 20;
const MAX_REREAD_MS = 500;

/** What to emit at the closing watermark; the rest is known here. */
export type Composed = Pick<Emission, 'route' | 'rows' | 'deletes' | 'tombstones' | 'partition' | 'snapshot'>;

export interface Reading {
  readonly request: ChunkRequest;
  /** Gets a reused tuple. Called again from the first row on when the same reading is tried again. */
  readonly onRow: (row: Tuple) => void;
  /** Called when the chunk is read. */
  readonly compose: () => Composed;
  /** Called before the chunk is tried again: false = give it up. */
  readonly goOn: () => boolean;
}

export interface WindowResult {
  readonly chunk: ChunkResult;
  /** Indexes of rows that were not emitted, because the stream changed them between the watermarks. */
  readonly leftOut: readonly number[];
  /** The row that could not be written; those before it are acknowledged, those after it were not emitted. */
  readonly failed: { readonly error: CdcError; readonly index: number } | null;
  /** Milliseconds of reading and of writing to Kafka, without waiting for the watermarks to come by. */
  readonly ms: number;
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
  closed: ((lsn: Lsn) => Emission | null) | null;
}

type Appended = Pick<WindowResult, 'leftOut' | 'failed' | 'closed'> & { readonly sinceMs: number };

/**
 * Reads of the source put into the order of the stream:
 *
 *   opening watermark -> read a chunk -> closing watermark -> rows not changed in between go out
 *
 * The chunk may only be read in a snapshot that sees every transaction decoded before its opening watermark.
 *
 * Between {@link begin} and {@link finish} decoded transactions are remembered, until a snapshot has shown that they are
 * visible. Those decoded before `begin`, by this life or an earlier one, are not: but each had its transaction id before its
 * commit was read here, so before the first watermark after `begin` was written, and ids are given in ascending order. Once
 * every transaction up to that watermark's id has ended for all readers, all of them are seen.
 */
export class WatermarkWindows implements StreamWatcher {
  private window: Window | null = null;
  private readonly decoded = new DecodedXids();
  /** Transaction of the message being decoded, and of the first opening watermark since `begin`. */
  private current: number | null = null;
  private first: number | null = null;
  private eldersEnded = false;
  private remembering = false;
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
    this.current = xid;
    if (this.remembering) this.decoded.add(xid);
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

  /** Something will be read: to be called before. Does nothing when it was called already. */
  begin(): void {
    if (this.remembering) return;
    this.remembering = true;
    this.first = null;
    this.eldersEnded = false;
  }

  /** Nothing will be read for now: transactions need not be remembered. */
  finish(): void {
    this.remembering = false;
    this.decoded.clear();
  }

  /** One chunk; resolves when its records are acknowledged, or with null after stop() or when it was given up. */
  async read(reading: Reading): Promise<WindowResult | null> {
    for (;;) {
      try {
        const result = await this.readOnce(reading);
        if (result !== 'again') return result;
      } finally {
        this.window = null; // of one that failed; its watermarks mean nothing any more
      }
      if (!reading.goOn()) return null;
    }
  }

  /** again: the stream changed more rows meanwhile than are kept. */
  private async readOnce(reading: Reading): Promise<WindowResult | 'again' | null> {
    const opened = deferred();
    const appended = deferred<Appended | 'again'>();
    const changed = new ChangedKeys();
    const id = randomUUID();
    let composed: Composed | null = null;
    const close = (closed: Lsn): Emission | null => {
      if (changed.overflowed) {
        appended.resolve('again');
        return null;
      }
      const sinceMs = performance.now();
      return {
        ...composed!,
        changed,
        onAppended: (leftOut) => appended.resolve({ leftOut, failed: null, closed, sinceMs }),
        onFailed: (error, index) => appended.resolve({ leftOut: [], failed: { error, index }, closed, sinceMs }),
      };
    };
    const window: Window = {
      opening: `open ${id}`,
      closing: `close ${id}`,
      table: `${reading.request.schema}.${reading.request.table}`,
      changed,
      mustSee: [],
      opened: opened.resolve,
      closed: close,
    };
    this.window = window;
    await this.queries.emitMessage(WATERMARK_PREFIX, window.opening);
    await opened.promise;
    const read = await this.readSeeing(window, reading);
    if (read === null || read === 'again') return read;
    composed = reading.compose();
    await this.queries.emitMessage(WATERMARK_PREFIX, window.closing);
    const emitted = await appended.promise;
    if (emitted === 'again') return 'again';
    const { leftOut, failed, closed, sinceMs } = emitted;
    await this.durable();
    return { chunk: read.chunk, leftOut, failed, closed, ms: read.ms + performance.now() - sinceMs };
  }

  /** See the class: what was decoded before `begin` is seen. A long transaction holds up the load. */
  private eldersAreSeen(snapshot: MvccSnapshot): boolean {
    this.eldersEnded ||= snapshot.xmin > widenXid(this.first!, snapshot.xmax);
    return this.eldersEnded;
  }

  private async readSeeing(
    { mustSee, changed }: Window,
    { request, onRow, goOn }: Reading,
  ): Promise<{ chunk: ChunkResult; ms: number } | 'again' | null> {
    for (let wait = REREAD_MS; !this.stopped; wait = Math.min(MAX_REREAD_MS, wait * 2)) {
      let sinceMs = 0;
      const accept = (snapshot: MvccSnapshot) => {
        this.decoded.forget(snapshot);
        sinceMs = performance.now();
        return this.eldersAreSeen(snapshot) && seesAll(snapshot, mustSee);
      };
      const chunk = await this.queries.readChunk(request, accept, onRow);
      if (chunk) return { chunk, ms: performance.now() - sinceMs };
      if (changed.overflowed) return 'again';
      if (!goOn()) return null;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    return null;
  }
}
