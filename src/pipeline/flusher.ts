import { type Deferred, deferred } from '../core/deferred';
import { type CdcError, toCdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { OutgoingBatch, TopicWriter } from '../core/ports/topics';
import type { Progress } from '../core/progress';
import type { CaptureObservers, CaptureStats } from '../core/stats';
import { Tally } from './tally';

export interface FlusherHooks {
  /** Kafka has the batch: there is room again, and perhaps more to confirm. */
  onAcknowledged(): void;
  /** The writer is dead. Called once. */
  onFailure(error: CdcError): void;
}

interface Filling {
  readonly out: OutgoingBatch;
  readonly tally: Tally;
  /** Commit times of the first and last change, microseconds; 0 = none. */
  oldestCommit: bigint;
  lastCommit: bigint;
  startedMs: number;
}

/**
 * One batch in flight, the next one filling: acknowledgements come in order by construction, and the batch grows by
 * itself while Kafka is busy. Nothing lingers: with nothing in flight a batch leaves as soon as the bytes in hand are read.
 */
export class Flusher {
  private filling: Filling;
  private spare: Filling;
  private busy = false;
  private scheduled = false;
  private renewalDue = false;
  private dead = false;
  private readonly waiters: { filled: number; done: Deferred<void> }[] = [];
  /** Batches sealed and acknowledged so far: what `durable` waits for. */
  private sealed = 0;
  private settled = 0;

  constructor(
    private readonly writer: TopicWriter,
    private readonly progress: Progress,
    private readonly maxBytes: number,
    private readonly stats: CaptureStats,
    private readonly observers: CaptureObservers,
    private readonly hooks: FlusherHooks,
  ) {
    this.filling = this.newFilling();
    this.spare = this.newFilling();
  }

  get batch(): OutgoingBatch {
    return this.filling.out;
  }

  get tally(): Tally {
    return this.filling.tally;
  }

  /** True when `bytes` more for one partition, whose topic takes `limit` bytes a batch, must wait for the next batch. */
  full(bytes: number, limit: number): boolean {
    if (this.mustWait(bytes)) return true;
    const { out } = this.filling;
    return out.records > 0 && (out.largestBytes + bytes > limit || out.bytes + bytes > this.maxBytes);
  }

  /** What is larger than a whole batch goes alone, when all before it is acknowledged: one row of many megabytes is held at a time. */
  mustWait(bytes: number): boolean {
    return bytes > this.maxBytes && !this.drained;
  }

  /** Nothing appended or in flight: all that was read is acknowledged. */
  get drained(): boolean {
    return !this.busy && this.filling.out.records === 0;
  }

  /** Nothing will be acknowledged any more. */
  get over(): boolean {
    return this.dead;
  }

  /** A change of a transaction committed at `commitTime` (microseconds) went into the batch. */
  stamp(commitTime: bigint): void {
    if (this.filling.oldestCommit === 0n) {
      this.filling.oldestCommit = commitTime;
      this.filling.startedMs = Date.now();
    }
    this.filling.lastCommit = commitTime;
  }

  /** Sends once the socket's bytes in hand are read. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.send();
    });
  }

  send(): void {
    if (this.busy || this.dead) return;
    if (this.renewalDue) {
      this.renewalDue = false;
      this.occupy(this.writer.renewFence());
    } else if (this.filling.out.records > 0) {
      this.occupy(this.flush());
    } else {
      this.acknowledge(this.progress.received);
    }
  }

  /** The fence wears off on idle partitions; renewed between two flushes. */
  renewFence(): void {
    this.renewalDue = true;
    this.schedule();
  }

  /** Resolves when all that was appended until now is acknowledged; rejects when it will not be. */
  durable(): Promise<void> {
    const filled = this.filling.out.records > 0 ? this.sealed + 1 : this.sealed;
    if (filled <= this.settled) return Promise.resolve();
    this.schedule();
    const done = deferred();
    this.waiters.push({ filled, done });
    return done.promise;
  }

  /** After a failure: what is not acknowledged comes again from the confirmed position. */
  abandon(why: CdcError): void {
    if (this.dead) return;
    this.dead = true;
    for (const { done } of this.waiters) done.reject(why);
    this.filling.tally.abandoned();
    this.spare.tally.abandoned();
  }

  private occupy(work: Promise<void>): void {
    this.busy = true;
    work.then(
      () => {
        this.busy = false;
        if (this.dead) return;
        this.hooks.onAcknowledged();
        if (this.filling.out.records > 0 || this.renewalDue) this.send();
      },
      (error: unknown) => {
        if (this.dead) return;
        const why = toCdcError(error);
        this.abandon(why);
        this.hooks.onFailure(why);
      },
    );
  }

  private async flush(): Promise<void> {
    const sent = this.filling;
    const end = this.progress.received;
    this.filling = this.spare;
    this.spare = sent;
    this.sealed++;
    const started = Date.now();
    await this.writer.flush(sent.out);
    this.account(sent, started);
    this.settled++;
    this.acknowledge(end);
  }

  private acknowledge(end: Lsn): void {
    const now = Date.now();
    this.progress.acknowledged(end, now);
    this.stats.lastProgressMs = now;
    this.stats.publishedLsn = this.progress.published;
    while (this.waiters[0] && this.waiters[0].filled <= this.settled) this.waiters.shift()?.done.resolve();
  }

  private account(sent: Filling, startedMs: number): void {
    const now = Date.now();
    sent.tally.acknowledged();
    this.stats.batches++;
    this.stats.records += sent.out.records;
    this.stats.bytes += sent.out.bytes;
    this.observers.flushSeconds.observe((now - startedMs) / 1000);
    this.observers.batchRecords.observe(sent.out.records);
    if (sent.oldestCommit > 0n) {
      const freshness = Math.max(0, now - Number(sent.oldestCommit / 1000n)) / 1000;
      this.stats.lastCommitTime = sent.lastCommit;
      this.stats.freshness.push(freshness);
      this.observers.freshnessSeconds.observe(freshness);
      this.observers.fillSeconds.observe((startedMs - sent.startedMs) / 1000);
    }
    sent.out.clear();
    sent.oldestCommit = 0n;
  }

  private newFilling(): Filling {
    return { out: this.writer.newBatch(), tally: new Tally(), oldestCommit: 0n, lastCommit: 0n, startedMs: 0 };
  }
}
