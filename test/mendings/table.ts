/**
 * The lines that mend what has gone wrong in other programs of this kind, each with the test that is red without it. Faults by
 * the numbers of test/README.md.
 */
export interface Mending {
  readonly fault: string;
  /** What happens without the line. */
  readonly without: string;
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  /** Takes the mending out. */
  readonly replace: string;
  readonly test: {
    readonly project: 'unit' | 'integration';
    /** Of the test file, below test/. */
    readonly path: string;
    /** Part of the test's name. */
    readonly name: string;
  };
}

const unit = (path: string, name: string): Mending['test'] => ({ project: 'unit', path, name });
const integration = (path: string, name: string): Mending['test'] => ({ project: 'integration', path, name });

const captureModel = unit('property/pipeline/capture-model', 'leaves every change once');
const snapshotModel = unit('property/pipeline/snapshot-model', 'ends with the source table');
const stream = (name: string) => integration('contract/postgres/replication-stream', name);

export const MENDINGS: readonly Mending[] = [
  {
    fault: 'B1',
    without: 'what was read counts as durable before Kafka has it',
    file: 'src/pipeline/flusher.ts',
    find: '    await this.writer.flush(sent.out);\n',
    replace: '    this.acknowledge(end);\n    await this.writer.flush(sent.out);\n',
    test: captureModel,
  },
  {
    fault: 'B2',
    without: 'the package confirms one byte more, and the next transaction is lost',
    file: 'src/postgres/stream.ts',
    find: 'formatLsn(this.confirmed - 1n)',
    replace: 'formatLsn(this.confirmed)',
    test: stream('a transaction that begins to commit exactly where the confirmed one ended'),
  },
  {
    fault: 'B3',
    without: 'a second flush begins before the first is acknowledged',
    file: 'src/pipeline/flusher.ts',
    find: '    if (this.busy || this.dead) return;\n',
    replace: '    if (this.dead) return;\n',
    test: captureModel,
  },
  {
    fault: 'B6',
    without: 'after a restart the rest of a transaction is skipped with its beginning',
    file: 'src/pipeline/change-records.ts',
    find: 'if (stamp.commitLsn === tail.commitLsn && BigInt(seq) <= tail.seq) return true;',
    replace: 'if (stamp.commitLsn === tail.commitLsn) return true;',
    test: captureModel,
  },
  {
    fault: 'B7',
    without: 'a slot that stands further on than we ever confirmed is taken for ours',
    file: 'src/core/capture-state.ts',
    find: 'if (atMost !== null && found.confirmedLsn > atMost)',
    replace: 'if (atMost !== null && found.confirmedLsn < 0n)',
    test: unit('unit/core/capture-state', ''),
  },
  {
    fault: 'B8',
    without: 'the WAL end of an idle publication is not confirmed',
    file: 'src/core/progress.ts',
    find: '    this.acknowledged(walEnd, now);\n',
    replace: '',
    test: unit('unit/core/progress', 'adopts the WAL end of an idle stream'),
  },
  {
    fault: 'B9',
    without: 'while the stream is paused nothing tells the server that we live',
    file: 'src/postgres/stream.ts',
    find: "    if (due === 'status') this.sendStatus(true);\n",
    replace: "    if (due === 'status' && !this.held) this.sendStatus(true);\n",
    test: integration('contract/postgres/stream-liveness', 'keep a paused connection'),
  },
  {
    fault: 'B10',
    without: 'a slot that is gone is taken for a first start',
    file: 'src/postgres/slot.ts',
    find: "new CdcError('slot_missing',",
    replace: "new CdcError('slot_not_created',",
    test: unit('unit/postgres/slot', ''),
  },
  {
    fault: 'B12',
    without: 'a batch grows with the transaction',
    file: 'src/pipeline/flusher.ts',
    find: 'return out.records > 0 && (out.largestBytes + bytes > limit || out.bytes + bytes > this.maxBytes);',
    replace: 'return false;',
    test: unit('unit/pipeline/bounds', 'no batch is larger'),
  },
  {
    fault: 'B12',
    without: 'rows of many megabytes pile up while Kafka is busy',
    file: 'src/pipeline/flusher.ts',
    find: 'return bytes > this.maxBytes && !this.drained;',
    replace: 'return false;',
    test: unit('unit/pipeline/bounds', 'goes alone'),
  },
  {
    fault: 'B12',
    without: 'a batch keeps the memory of the largest row it ever held',
    file: 'src/kafka/record-batch.ts',
    find: '    this.borrowed = [];\n    this.borrowedBytes = 0;\n',
    replace: '',
    test: unit('unit/kafka/record-batch', 'borrows a large value'),
  },
  {
    fault: 'B13',
    without: 'a record larger than its topic takes goes to Kafka, which refuses the whole batch',
    file: 'src/pipeline/change-records.ts',
    find: '    if (bytes <= limit) return;\n    throw',
    replace: '    if (bytes > 0) return;\n    throw',
    test: unit('unit/pipeline/bounds', 'one byte more'),
  },
  {
    fault: 'B13',
    without: 'what cannot be published is counted by nobody',
    file: 'src/pipeline/dead-letters.ts',
    find: "    flusher.tally.add(route.stats, op, 'deadLettered');\n",
    replace: '',
    test: unit('unit/pipeline/bounds', 'stub'),
  },
  {
    fault: 'B14',
    without: 'a silent connection is waited on for ever',
    file: 'src/postgres/liveness.ts',
    find: "    if (this.silence >= this.silenceMs) return 'silent';\n",
    replace: '',
    test: unit('unit/postgres/liveness', 'nothing heard for the limit'),
  },
  {
    fault: 'F01',
    without: 'positions are remembered from the connection before',
    file: 'src/pipeline/pump.ts',
    find: '        this.seq = 0;\n',
    replace: '',
    test: captureModel,
  },
  {
    fault: 'F08',
    without: 'a chunk is read in a snapshot that does not see what the stream has shown',
    file: 'src/core/watermark.ts',
    find: 'return wide < xmax && !running.has(wide);',
    replace: 'return true;',
    test: snapshotModel,
  },
  {
    fault: 'F09',
    without: 'another cluster or timeline is taken for the one captured before',
    file: 'src/core/capture-state.ts',
    find: 'if (source && (source.systemId !== found.systemId || source.timeline !== found.timeline))',
    replace: 'if (source && source.systemId === null)',
    test: unit('unit/core/capture-state', ''),
  },
  {
    fault: 'F12',
    without: 'the confirmed position goes back',
    file: 'src/core/progress.ts',
    find: '    if (end <= this.published) return;\n',
    replace: '',
    test: unit('unit/core/progress', 'never goes back'),
  },
  {
    fault: 'F12',
    without: 'more is confirmed than was announced',
    file: 'src/core/confirm-bound.ts',
    find: 'this.confirmed = confirmable < this.recorded ? confirmable : this.recorded;',
    replace: 'this.confirmed = confirmable;',
    test: unit('unit/core/confirm-bound', 'never lets more be confirmed'),
  },
  {
    fault: 'F15',
    without: 'a server that shuts down is held up for ever',
    file: 'src/postgres/liveness.ts',
    find: "    if (this.askedFor >= SHUTDOWN_MS) return 'shutdown';\n",
    replace: '',
    test: unit('unit/postgres/liveness', 'is let go after five seconds'),
  },
  {
    fault: 'F16',
    without: 'a connection that says nothing is not replaced',
    file: 'src/postgres/stream.ts',
    find: "    else if (due === 'silent') this.end(new CdcError('stream_silent', 'the server does not answer'));\n",
    replace: '',
    test: integration('contract/postgres/stream-liveness', 'half-open'),
  },
  {
    fault: 'F21',
    without: 'a large value that an update did not touch is not taken from the old row',
    file: 'src/pipeline/pump.ts',
    find: '    if (before && after) takeUnchangedFrom(before, after);\n',
    replace: '',
    test: unit('unit/pipeline/bounds', 'taken from the old row'),
  },
  {
    fault: 'F22',
    without: 'a row that moved is an update at its new place, and stays at its old one',
    file: 'src/pipeline/pump.ts',
    find: 'else if (moved) records.move(route, before, after, this.stamp, this.seq, this.lsn, this.now);',
    replace: '',
    test: captureModel,
  },
  {
    fault: 'F23',
    without: 'a truncate is passed over',
    file: 'src/pipeline/pump.ts',
    find: '        return this.truncate(message);\n',
    replace: '        return true;\n',
    test: captureModel,
  },
  {
    fault: 'F23',
    without: 'a truncate makes a nearly full batch larger than its topic takes',
    file: 'src/pipeline/pump.ts',
    find: 'this.o.flusher.full(routes.length * 64 * 1024, limit)',
    replace: 'this.o.flusher.full(routes.length * 64 * 1024, Number.MAX_SAFE_INTEGER)',
    test: unit('unit/pipeline/bounds', 'a truncate that does not fit'),
  },
  {
    fault: 'F25',
    without: 'ordinals depend on what was left out',
    file: 'src/pipeline/pump.ts',
    find: '    records.append(route, op, this.stamp, this.o.flusher);\n    this.seq += moved ? 2 : 1;\n',
    replace: '    records.append(route, op, this.stamp, this.o.flusher);\n    this.seq += 1;\n',
    test: captureModel,
  },
  {
    fault: 'F29',
    without: 'a row of a chunk takes the place of a newer one',
    file: 'src/pipeline/watermark-windows.ts',
    find: 'if (table === this.window?.table) this.window.changed.add(key);',
    replace: '',
    test: snapshotModel,
  },
  {
    fault: 'F31',
    without: 'an older change takes the place of a newer one',
    file: 'src/messaging/decide/orders.ts',
    find: "  if (stored && change.version <= stored.version) return { what: 'stale' };\n",
    replace: '',
    test: unit('property/messaging/histories', ''),
  },
  {
    fault: 'F36',
    without: 'a child before its parent is lost',
    file: 'src/messaging/decide/orders.ts',
    find: "  if (!home) return { what: 'parked', incomplete };\n",
    replace: "  if (!home) return { what: 'deleted' };\n",
    test: unit('property/messaging/histories', ''),
  },
  {
    fault: 'F36',
    without: 'a zombie writes on',
    file: 'src/kafka/writer.ts',
    find: '    await coordinator.mark(identity, topics);\n',
    replace: '',
    test: integration('integration/kafka/writer', 'refuses what the one before writes'),
  },
];
