import type { Op } from '../core/change';
import { type CdcError, toCdcError } from '../core/errors';
import type { HistoryWitness } from '../core/history-witness';
import type { Lsn } from '../core/lsn';
import type { RowEncoder, TransactionStamp } from '../core/ports/encoding';
import type { Progress } from '../core/progress';
import { type ReplicationMessage, releaseMessage, type Truncate } from '../core/replication-message';
import type { CaptureStats } from '../core/stats';
import { newTuple, type Tuple, takeUnchangedFrom } from '../core/tuple';
import { ChangeRecords, type TableRoute } from './change-records';
import { type DeadLetters, MAX_STUB_BYTES } from './dead-letters';
import type { Flusher } from './flusher';
import type { Refusal, Routes } from './routes';
import { type Emission, REPARTITION_MARK, type StreamWatcher, WATERMARK_PREFIX } from './stream-watcher';

export interface PumpOptions {
  readonly decode: (payload: Buffer) => ReplicationMessage;
  readonly routes: Routes;
  readonly flusher: Flusher;
  readonly progress: Progress;
  readonly stats: CaptureStats;
  readonly watcher: StreamWatcher;
  readonly deadLetters: DeadLetters;
  readonly witness: HistoryWitness;
  readonly epoch: bigint;
  /** Stop reading from the socket, and go on. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** A mark has come by: true = nothing behind it may be written by this life. */
  readonly onMark: (content: string, lsn: Lsn) => boolean;
  readonly onFailure: (error: CdcError) => void;
}

/**
 * The row path: one replication message in, its records into the filling batch, all synchronous.
 *
 * When the batch is full and another is in flight the message is kept, the socket paused, and everything waits in order
 * until the flusher has room: memory stays bounded by two batches and what the socket had already handed over.
 */
export class Pump {
  private readonly records = new ChangeRecords();
  private readonly stamp: TransactionStamp;
  private readonly chunkStamp: TransactionStamp;
  private readonly chunkRow = newTuple();
  private inTransaction = false;
  private seq = 0;
  private now = 0n;
  private lsn: Lsn = 0n;

  /** What came by the stream so far: messages, and the WAL end of the last keepalive. */
  messages = 0;
  heardLsn: Lsn = 0n;
  private waiting: { payload: Buffer; lsn: Lsn }[] = [];
  private blocked = true;
  private failed = false;
  private emission: { what: Emission; index: number; seq: number; leftOut: number[] } | null = null;

  constructor(private readonly o: PumpOptions) {
    this.stamp = { epoch: o.epoch, commitLsn: 0n, commitTime: 0n, xid: 0, snapshot: null };
    this.chunkStamp = { epoch: o.epoch, commitLsn: 0n, commitTime: 0n, xid: null, snapshot: null };
  }

  onMessage(payload: Buffer, lsn: Lsn): void {
    if (this.failed) return;
    this.messages++;
    if (this.blocked) this.waiting.push({ payload, lsn });
    else if (!this.attempt(payload, lsn)) this.block({ payload, lsn });
    else if (this.emission) this.block(null);
    else this.o.flusher.schedule();
  }

  onKeepalive(walEnd: Lsn): void {
    this.heardLsn = walEnd;
    if (walEnd > this.o.stats.serverLsn) this.o.stats.serverLsn = walEnd;
    if (this.failed || this.blocked || this.inTransaction || !this.o.flusher.drained) return;
    const forked = this.o.witness.judgePassed(walEnd);
    if (forked) return void this.fail(forked);
    this.o.progress.idle(walEnd, Date.now());
    this.o.stats.receivedLsn = this.o.progress.received;
    this.o.stats.publishedLsn = this.o.progress.published;
  }

  /** There is room: first the chunk being emitted, then what waited, then the socket again. */
  drain(): void {
    if (this.failed) return;
    this.blocked = false;
    let taken = 0;
    while (!this.blocked && !this.failed) {
      const next = this.waiting[taken];
      if (this.emission) this.blocked = !this.attemptEmission();
      else if (!next) break;
      else if (this.attempt(next.payload, next.lsn)) taken++;
      else this.blocked = true;
    }
    this.waiting = taken === this.waiting.length ? [] : this.waiting.slice(taken);
    this.o.flusher.schedule();
    if (!this.blocked && !this.failed) this.o.resume();
  }

  get waitingForRoom(): boolean {
    return this.blocked;
  }

  route(encoder: RowEncoder): TableRoute {
    return this.o.routes.to(encoder);
  }

  private block(unhandled: { payload: Buffer; lsn: Lsn } | null): void {
    if (unhandled) this.waiting.push(unhandled);
    this.blocked = true;
    this.o.pause();
    if (this.emission) setImmediate(() => this.drain());
    this.o.flusher.send();
  }

  /** False when the batch has no room: nothing happened, the message is to be tried again. */
  private attempt(payload: Buffer, lsn: Lsn): boolean {
    if (this.o.flusher.mustWait(payload.length)) return false;
    this.lsn = lsn;
    try {
      const message = this.o.decode(payload);
      const done = this.handle(message);
      if (done) releaseMessage(message, payload);
      return done;
    } catch (error) {
      return this.fail(error);
    }
  }

  private fail(error: unknown): true {
    this.failed = true;
    this.o.onFailure(toCdcError(error));
    return true;
  }

  /** A row of a chunk that cannot be written is the load's trouble, not the stream's. */
  private attemptEmission(): boolean {
    try {
      return this.emit();
    } catch (error) {
      this.emission!.what.onFailed(toCdcError(error), this.emission!.index);
      this.emission = null;
      return true;
    }
  }

  private handle(message: ReplicationMessage): boolean {
    switch (message.type) {
      case 'insert':
        return this.change('c', message.relationOid, null, message.after);
      case 'update':
        return this.change('u', message.relationOid, message.beforeKind && message.before, message.after);
      case 'delete':
        return this.change('d', message.relationOid, message.before, null);
      case 'begin':
        this.judgeHistory(message.commitLsn, message.commitTime);
        this.stamp.commitLsn = message.commitLsn;
        this.stamp.commitTime = message.commitTime;
        this.stamp.xid = message.xid;
        this.inTransaction = true;
        this.seq = 0;
        this.now = BigInt(Date.now()) * 1000n;
        this.o.watcher.onTransaction(message.xid);
        return true;
      case 'commit':
        this.inTransaction = false;
        this.o.stats.transactions++;
        this.o.progress.transactionRead(message.endLsn);
        this.o.stats.receivedLsn = this.o.progress.received;
        return true;
      case 'relation':
        this.o.routes.learn(message.relation, this.stamp.commitLsn);
        return true;
      case 'truncate':
        return this.truncate(message);
      case 'message': {
        const { commitLsn, commitTime } = this.stamp;
        if (message.prefix !== WATERMARK_PREFIX || !message.transactional) return true;
        const content = message.content.toString();
        if (content.startsWith(REPARTITION_MARK)) this.failed = this.o.onMark(content, commitLsn);
        const what = this.o.watcher.onWatermark(content, commitLsn);
        if (!what) return true;
        Object.assign(this.chunkStamp, { commitLsn, commitTime, snapshot: what.snapshot });
        this.emission = { what, index: 0, seq: 0, leftOut: [] };
        return true;
      }
      case 'ignored':
    }
    return true;
  }

  private judgeHistory(commitLsn: Lsn, commitTime: bigint): void {
    const { witness } = this.o;
    const forked = witness.satisfied ? null : witness.judgeTransaction(commitLsn, commitTime);
    if (forked) throw forked;
  }

  /**
   * One change of one row, at once or not at all. A move (another id or tenant) is a delete at the old place and a create
   * at the new one and takes two numbers, whatever becomes of it, so that seq is the same after any restart.
   */
  private change(op: 'c' | 'u' | 'd', relationOid: number, before: Tuple | null, after: Tuple | null): boolean {
    const route = this.o.routes.of(relationOid);
    if (!route) return true;
    if ('error' in route) return this.refuse(route, op);
    const { lacksIdentity, table } = route.encoder;
    if (lacksIdentity && op !== 'c') return this.refuse({ table, error: lacksIdentity }, op);
    const { records } = this;
    if (before && after) takeUnchangedFrom(before, after);
    const moved = before !== null && after !== null && route.encoder.moved(before, after);
    records.begin();
    if (this.o.watcher.watching) this.tellWatcher(route, before, after);
    try {
      if (op === 'd') records.deletion(route, before!, this.stamp, this.seq, this.lsn, this.now);
      else if (moved) records.move(route, before, after, this.stamp, this.seq, this.lsn, this.now);
      else records.row(route, op, before, after!, this.stamp, this.seq, this.lsn, this.now);
    } catch (thrown) {
      const error = toCdcError(thrown);
      if (error.kind === 'unchanged_unavailable' && !this.o.deadLetters.takes(error))
        this.o.routes.refuse({ table, error }, op, this.stamp.commitLsn);
      else if (!this.setAside(error, route, op, (after ?? before)!, this.stamp, this.seq)) return false;
      this.seq += moved ? 2 : 1;
      return true;
    }
    if (this.o.flusher.full(records.bytes, route.limit)) return false;
    records.append(route, op, this.stamp, this.o.flusher);
    this.seq += moved ? 2 : 1;
    return true;
  }

  /** False when the batch has no room for the stub. Throws the error again when the policy is to halt. */
  private setAside(
    error: CdcError,
    route: TableRoute,
    op: Op,
    row: Tuple,
    stamp: TransactionStamp,
    seq: number,
  ): boolean {
    const { deadLetters, flusher } = this.o;
    if (!deadLetters.takes(error)) throw error;
    if (flusher.full(MAX_STUB_BYTES, deadLetters.limit)) return false;
    deadLetters.append(this.records, route, op, row, stamp, seq, error, flusher);
    return true;
  }

  /** The keys a change touched, in the record key's bytes: the same for text and binary columns. */
  private tellWatcher(route: TableRoute, before: Tuple | null, after: Tuple | null): void {
    const { slab } = this.records;
    const end = slab.pos;
    for (const row of [before, after]) {
      if (!row) continue;
      slab.pos = end;
      route.encoder.writeKey(slab, row);
      this.o.watcher.onRow(route.encoder.table, slab.bytes.toString('latin1', end, slab.pos));
    }
    slab.pos = end;
  }

  private refuse(refusal: Refusal, op: Op): true {
    this.o.routes.refuse(refusal, op, this.stamp.commitLsn);
    this.seq++;
    return true;
  }

  private truncate(message: Truncate): boolean {
    const routes = message.relationOids.map((oid) => this.o.routes.of(oid)).filter((route) => route !== null);
    const limit = Math.min(...routes.map((route) => ('error' in route ? Number.MAX_SAFE_INTEGER : route.limit)));
    // Tiny records of a few bytes a partition: one message, so one seq, and room for all of them at once.
    if (this.o.flusher.full(routes.length * 64 * 1024, limit)) return false;
    for (const route of routes) {
      if ('error' in route) {
        this.o.routes.refuse(route, 't', this.stamp.commitLsn);
        continue;
      }
      this.records.begin();
      this.records.truncation(route, this.stamp, this.seq, this.now);
      this.records.append(route, 't', this.stamp, this.o.flusher);
      this.o.watcher.onTruncate(route.encoder.table);
    }
    if (routes.length > 0) this.seq++;
    return true;
  }

  /** Continues the chunk; true when all its rows are in. */
  private emit(): boolean {
    const { what, leftOut } = this.emission!;
    const { records, chunkRow, chunkStamp } = this;
    this.now = BigInt(Date.now()) * 1000n;
    for (; this.emission!.index < what.rows.count; this.emission!.index++) {
      const { seq, index } = this.emission!;
      what.rows.read(index, chunkRow);
      records.begin();
      what.route.encoder.writeKey(records.slab, chunkRow);
      if (what.changed.has(records.slab.bytes.toString('latin1', 0, records.slab.pos))) {
        leftOut.push(index);
        continue;
      }
      const op = index < what.deletes + what.tombstones ? 'd' : 'r';
      records.begin();
      try {
        const { commitLsn } = chunkStamp;
        if (op === 'r') records.row(what.route, op, null, chunkRow, chunkStamp, seq, commitLsn, this.now);
        else if (index >= what.deletes) records.tombstone(what.route, chunkRow, what.partition!, seq);
        else records.deletion(what.route, chunkRow, chunkStamp, seq, commitLsn, this.now, what.partition!);
        if (this.o.flusher.full(records.bytes, what.route.limit)) return false;
        records.append(what.route, op, chunkStamp, this.o.flusher);
      } catch (error) {
        if (!this.setAside(toCdcError(error), what.route, op, chunkRow, chunkStamp, seq)) return false;
      }
      this.emission!.seq++;
    }
    this.emission = null;
    what.onAppended(leftOut);
    return true;
  }
}
