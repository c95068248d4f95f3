import { randomUUID } from 'node:crypto';
import { Backoff, wait } from '../core/backoff';
import {
  type ConfirmedState,
  type RepartitionState,
  readState,
  type SnapshotState,
  stateKeys,
  type TopicsState,
} from '../core/capture-state';
import { toCdcError } from '../core/errors';
import type { TopicWriter } from '../core/ports/topics';
import { REPARTITION_MARK } from './stream-watcher';

export interface RepartitionRequest {
  readonly connector: string;
  readonly tables: readonly string[];
  readonly partitions: number;
  /** A table that was never loaded: whether capture is to load it. */
  readonly loads: boolean;
}

export interface RepartitionPorts {
  /** Fences whoever captures now. */
  openWriter(): Promise<TopicWriter>;
  /** Writes a message into the WAL. */
  emitMark(mark: string): Promise<void>;
  /** Resolves with the mark's LSN when capture has come to it; rejects with not_drained. */
  reached(mark: string): Promise<string>;
  /** Resolves when every sink has applied all that the topics hold; rejects with not_drained. */
  drained(): Promise<void>;
  /** Gives the topics their partitions; those that have them already stay. */
  raise(partitions: number): Promise<void>;
  /** Now. */
  clock(): Date;
}

/** A life of capture that begins, finds that it must wait, and ends has fenced us: as often as that may come in between. */
const TRIES = 12;

/**
 * Raises the number of partitions so that no reader meets a tenant's newer record in another partition before the older ones
 * (Invariant 5), and none is written twice or skipped because another partition holds it:
 *
 *   a mark in the WAL; capture writes what lies before it to the partitions that there are, and stops
 *   the sinks apply all that there is
 *   the topics grow
 *   capture goes on behind the mark, and moves the rows of tenants that belong elsewhere now (sweep.ts)
 *
 * May be repeated whatever it died of; a number that the topics have already is taken over. Rejects with CdcError, and then
 * capture goes on as before.
 */
export async function repartition(request: RepartitionRequest, ports: RepartitionPorts): Promise<void> {
  const { connector, partitions } = request;
  const key = stateKeys.repartition(connector);
  const mark = `${REPARTITION_MARK}${randomUUID()}`;
  const begun: RepartitionState = { partitions, since: ports.clock().toISOString(), mark };
  // Recorded first: whoever captured before is fenced, and whoever captures from now on knows the mark.
  await record(ports, () => [[key, begun]]);
  try {
    await ports.emitMark(mark);
    const lsn = await ports.reached(mark);
    await ports.drained();
    await ports.raise(partitions);
    await record(ports, ({ state }) => [
      [stateKeys.topics(connector), { partitions } satisfies TopicsState],
      // What the slot brings again of before the mark belongs to partitions that nobody writes it to any more.
      [stateKeys.confirmed(connector), { atMost: lsn, ...readConfirmed(state, connector), atLeast: lsn }],
      ...request.tables.map((table): StateRecord => {
        const name = stateKeys.snapshot(connector, table);
        return [name, sweepAgain(readState<SnapshotState>(state, name), request.loads)];
      }),
      [key, null],
    ]);
  } catch (error) {
    await record(ports, () => [[key, null]]);
    throw error;
  }
}

function readConfirmed(state: TopicWriter['state'], connector: string): ConfirmedState | null {
  return readState<ConfirmedState>(state, stateKeys.confirmed(connector));
}

type StateRecord = readonly [key: string, value: object | null];

/** What is being loaded is loaded to its end first. */
export function sweepAgain(found: SnapshotState | null, loads: boolean): SnapshotState {
  const none: SnapshotState = { status: loads ? 'running' : 'sweeping', lastKey: null, rows: 0, chunks: 0 };
  // It relies on nothing any more: capture has stopped, and all that it wrote is there for good.
  const { status, kind, relies: _, ...progress } = found ?? none;
  return {
    ...progress,
    status: status === 'running' ? 'running' : 'sweeping',
    kind: kind === 'repair' && status !== 'done' ? 'repair' : 'repartition',
    swept: 0,
    gone: 0,
  };
}

async function record(ports: RepartitionPorts, compose: (writer: TopicWriter) => StateRecord[]): Promise<void> {
  const backoff = new Backoff();
  for (let left = TRIES; ; left--) {
    try {
      const writer = await ports.openWriter();
      try {
        const batch = writer.newBatch();
        const now = BigInt(ports.clock().getTime());
        for (const [key, value] of compose(writer)) batch.appendState(key, value && JSON.stringify(value), now);
        return await writer.flush(batch);
      } finally {
        await writer.close();
      }
    } catch (error) {
      if (toCdcError(error).kind !== 'fenced' || left === 1) throw error;
      await wait(backoff.next(), new AbortController().signal);
    }
  }
}
