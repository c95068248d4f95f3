import { CdcError, toCdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { EncoderFactory, RowEncoder, TransactionStamp } from '../core/ports/encoding';
import type { TopicWriter } from '../core/ports/topics';
import type { Progress } from '../core/progress';
import type { ReplicationMessage, Truncate } from '../core/replication-message';
import { type CaptureStats, tableStats } from '../core/stats';
import { KIND_BINARY, KIND_TEXT, KIND_UNCHANGED, newTuple, type Tuple } from '../core/tuple';
import type { ChangedKeys, ChunkRows } from '../core/watermark';
import { ChangeRecords, routeTo, type TableRoute } from './change-records';
import type { DeadLetters } from './dead-letters';
import type { Flusher } from './flusher';

/** Logical messages of this prefix are ours. */
export const WATERMARK_PREFIX = 'ventia_cdc';

/** Rows of a snapshot chunk whose closing watermark has come by: now it is their turn in the topics. */
export interface Emission {
  readonly route: TableRoute;
  readonly rows: ChunkRows;
  readonly changed: ChangedKeys;
  readonly snapshot: TransactionStamp['snapshot'];
  /** All rows are in batches (not yet acknowledged). */
  onAppended(rows: number): void;
}

/** What the snapshot beside the stream sees of it. Called synchronously, in WAL order. */
export interface StreamWatcher {
  readonly watching: boolean;
  onTransaction(xid: number): void;
  /** `key`: the record key's bytes as latin1. */
  onRow(table: string, key: string): void;
  onTruncate(table: string): void;
  onWatermark(content: string): Emission | null;
}

export interface PumpOptions {
  readonly decode: (payload: Buffer) => ReplicationMessage;
  readonly encoders: EncoderFactory;
  readonly absentColumns: (table: string) => readonly string[];
  readonly writer: TopicWriter;
  readonly flusher: Flusher;
  readonly progress: Progress;
  readonly stats: CaptureStats;
  readonly watcher: StreamWatcher;
  readonly deadLetters: DeadLetters;
  readonly epoch: bigint;
  /** Stop reading from the socket, and go on. */
  readonly pause: () => void;
  readonly resume: () => void;
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
  private readonly routes = new Map<number, TableRoute | null>();
  private readonly stamp: TransactionStamp;
  private readonly chunkStamp: TransactionStamp;
  private readonly chunkRow = newTuple();
  private inTransaction = false;
  private seq = 0;
  private now = 0n;
  private lsn: Lsn = 0n;

  private waiting: { payload: Buffer; lsn: Lsn }[] = [];
  private blocked = true;
  private failed = false;
  private emission: { what: Emission; index: number; seq: number } | null = null;

  constructor(private readonly o: PumpOptions) {
    this.stamp = { epoch: o.epoch, commitLsn: 0n, commitTime: 0n, xid: 0, snapshot: null };
    this.chunkStamp = { epoch: o.epoch, commitLsn: 0n, commitTime: 0n, xid: null, snapshot: null };
  }

  onMessage(payload: Buffer, lsn: Lsn): void {
    if (this.failed) return;
    if (this.blocked) this.waiting.push({ payload: Buffer.from(payload), lsn });
    else if (!this.attempt(payload, lsn)) this.block({ payload: Buffer.from(payload), lsn });
    else if (this.emission) this.block(null);
    else this.o.flusher.schedule();
  }

  onKeepalive(walEnd: Lsn): void {
    this.o.stats.serverLsn = walEnd;
    if (this.blocked || this.inTransaction || !this.o.flusher.drained) return;
    this.o.progress.idle(walEnd, Date.now());
    this.o.stats.receivedLsn = this.o.progress.received;
    this.o.stats.publishedLsn = this.o.progress.published;
  }

  /** There is room: first the chunk being emitted, then what waited, then the socket again. */
  drain(): void {
    if (this.failed) return;
    this.blocked = false;
    let taken = 0;
    while (!this.blocked) {
      if (this.emission && !this.emit()) this.blocked = true;
      else if (taken === this.waiting.length) break;
      else if (this.attempt(this.waiting[taken]!.payload, this.waiting[taken]!.lsn)) taken++;
      else this.blocked = true;
    }
    this.waiting = taken === this.waiting.length ? [] : this.waiting.slice(taken);
    this.o.flusher.schedule();
    if (!this.blocked && !this.failed) this.o.resume();
  }

  /** The route of a relation that the stream has not shown: for the chunk reader. */
  route(encoder: RowEncoder): TableRoute {
    return routeTo(encoder, this.o.writer, tableStats(this.o.stats, encoder.table));
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
    this.lsn = lsn;
    try {
      return this.handle(this.o.decode(payload));
    } catch (error) {
      this.failed = true;
      this.o.onFailure(toCdcError(error));
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
      case 'relation': {
        const { relation } = message;
        const table = `${relation.schema}.${relation.table}`;
        const encoder = this.o.encoders.compile(relation, { absentColumns: this.o.absentColumns(table) });
        this.routes.set(relation.oid, encoder && this.route(encoder));
        return true;
      }
      case 'truncate':
        return this.truncate(message);
      case 'message': {
        if (message.prefix !== WATERMARK_PREFIX || !message.transactional) return true;
        const what = this.o.watcher.onWatermark(message.content.toString());
        if (!what) return true;
        this.chunkStamp.commitLsn = this.stamp.commitLsn;
        this.chunkStamp.commitTime = this.stamp.commitTime;
        this.chunkStamp.snapshot = what.snapshot;
        this.emission = { what, index: 0, seq: 0 };
        return true;
      }
      case 'ignored':
        return true;
    }
  }

  /**
   * One change of one row, at once or not at all. A move (another id or tenant) is a delete at the old place and a create
   * at the new one and takes two numbers, whatever becomes of it, so that seq is the same after any restart.
   */
  private change(op: 'c' | 'u' | 'd', relationOid: number, before: Tuple | null, after: Tuple | null): boolean {
    const route = this.routeOf(relationOid);
    if (!route) return true;
    const { records } = this;
    if (before && after) takeUnchangedFrom(before, after);
    const moved = before !== null && after !== null && route.encoder.moved(before, after);
    records.begin();
    try {
      if (op === 'd' || moved) this.encodeDelete(route, before!);
      if (after) this.encodeRow(route, moved ? 'c' : op, moved ? null : before, after, moved ? this.seq + 1 : this.seq);
      if (records.largestBytes > route.limit) throw tooLarge(route, records.largestBytes);
    } catch (error) {
      this.setAside(toCdcError(error), route, op, (after ?? before)!);
      this.seq += moved ? 2 : 1;
      return true;
    }
    if (this.o.flusher.full(records.bytes, route.limit)) return false;
    if (this.o.watcher.watching) this.tellWatcher(route, before, after);
    records.append(route, op, this.stamp, this.o.flusher);
    this.seq += moved ? 2 : 1;
    return true;
  }

  private encodeRow(route: TableRoute, op: 'c' | 'u' | 'd', before: Tuple | null, after: Tuple, seq: number): void {
    const { slab } = this.records;
    if (op === 'c' && before === null && route.encoder.hasUnchanged(after))
      throw new CdcError(
        'unchanged_unavailable',
        `a row of ${route.encoder.table} moved without one of its large values`,
      );
    const keyStart = slab.pos;
    route.encoder.writeKey(slab, after);
    const valueStart = slab.pos;
    route.encoder.writeValue(slab, op, before, after, this.stamp, seq, this.lsn, this.now);
    this.records.record(route.encoder.partition(after, route.partitions), seq, keyStart, valueStart);
  }

  /** A delete is a record and then a tombstone of the same position. */
  private encodeDelete(route: TableRoute, before: Tuple): void {
    const { slab } = this.records;
    const partition = route.encoder.partition(before, route.partitions);
    if (partition < 0)
      throw new CdcError('replica_identity', `a delete on ${route.encoder.table} does not say whose row it was`);
    const keyStart = slab.pos;
    route.encoder.writeKey(slab, before);
    const valueStart = slab.pos;
    route.encoder.writeValue(slab, 'd', before, null, this.stamp, this.seq, this.lsn, this.now);
    this.records.record(partition, this.seq, keyStart, valueStart);
    this.records.tombstone(partition, this.seq, keyStart, valueStart);
  }

  private setAside(error: CdcError, route: TableRoute, op: 'c' | 'u' | 'd', row: Tuple): void {
    if (!this.o.deadLetters.takes(error)) throw error;
    this.o.deadLetters.append(this.records, route, op, row, this.stamp, this.seq, error, this.o.flusher);
  }

  /** The keys a change touched, in the record key's bytes: the same for text and binary columns. */
  private tellWatcher(route: TableRoute, before: Tuple | null, after: Tuple | null): void {
    const { slab } = this.records;
    const end = slab.pos;
    for (const row of [before, after]) {
      if (!row) continue;
      slab.pos = end;
      route.encoder.writeKey(slab, row);
      this.o.watcher.onRow(route.encoder.table, slab.bytes.latin1Slice(end, slab.pos));
    }
    slab.pos = end;
  }

  private truncate(message: Truncate): boolean {
    const routes = message.relationOids.map((oid) => this.routeOf(oid)).filter((route) => route !== null);
    // Tiny records of a few bytes a partition: one message, so one seq, and room for all of them at once.
    if (this.o.flusher.full(routes.length * 64 * 1024, Number.MAX_SAFE_INTEGER)) return false;
    for (const route of routes) {
      const { records } = this;
      records.begin();
      for (let partition = 0; partition < route.partitions; partition++) {
        const keyStart = records.slab.pos;
        route.encoder.writeTruncateKey(records.slab);
        const valueStart = records.slab.pos;
        route.encoder.writeValue(records.slab, 't', null, null, this.stamp, this.seq, this.stamp.commitLsn, this.now);
        records.record(partition, this.seq, keyStart, valueStart);
      }
      records.append(route, 't', this.stamp, this.o.flusher);
      this.o.watcher.onTruncate(route.encoder.table);
    }
    if (routes.length > 0) this.seq++;
    return true;
  }

  /** Continues the chunk; true when all its rows are in. */
  private emit(): boolean {
    const emission = this.emission!;
    const { route, rows, changed } = emission.what;
    const { slab } = this.records;
    this.now = BigInt(Date.now()) * 1000n;
    for (; emission.index < rows.count; emission.index++) {
      rows.read(emission.index, this.chunkRow);
      this.records.begin();
      route.encoder.writeKey(slab, this.chunkRow);
      if (changed.has(slab.bytes.latin1Slice(0, slab.pos))) continue;
      const valueStart = slab.pos;
      route.encoder.writeValue(
        slab,
        'r',
        null,
        this.chunkRow,
        this.chunkStamp,
        emission.seq,
        this.chunkStamp.commitLsn,
        this.now,
      );
      this.records.record(route.encoder.partition(this.chunkRow, route.partitions), emission.seq, 0, valueStart);
      if (this.o.flusher.full(this.records.largestBytes, route.limit)) return false;
      this.records.append(route, 'r', this.chunkStamp, this.o.flusher);
      emission.seq++;
    }
    this.emission = null;
    emission.what.onAppended(emission.seq);
    return true;
  }

  private routeOf(relationOid: number): TableRoute | null {
    const route = this.routes.get(relationOid);
    if (route === undefined) throw new CdcError('protocol', `a change came before its relation ${relationOid}`);
    return route;
  }
}

/**
 * Under REPLICA IDENTITY FULL the old row holds the large value that the update did not touch: both rows lie in the same
 * message, so pointing at it is enough.
 */
function takeUnchangedFrom(before: Tuple, after: Tuple): void {
  for (let i = 0; i < after.count; i++) {
    if (after.kinds[i] !== KIND_UNCHANGED) continue;
    const kind = before.kinds[i]!;
    if (kind !== KIND_TEXT && kind !== KIND_BINARY) continue;
    after.kinds[i] = kind;
    after.starts[i] = before.starts[i]!;
    after.ends[i] = before.ends[i]!;
  }
}

function tooLarge(route: TableRoute, bytes: number): CdcError {
  return new CdcError(
    'record_too_large',
    `a record of ${route.encoder.table} has ${bytes} bytes; ${route.encoder.topic} takes ${route.limit}`,
  );
}
