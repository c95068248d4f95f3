import {
  type ConfirmedState,
  type RepairState,
  readState,
  type SnapshotState,
  type SourceState,
  stateKeys,
} from '../core/capture-state';
import type { ErrorKind } from '../core/errors';
import { formatLsn } from '../core/lsn';
import type { SlotHistory } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';

/** What a repair mends: the slot does not lead on from what was captured. */
export const REPAIRABLE: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'slot_missing',
  'slot_lost',
  'slot_replaced',
  'source_forked',
]);

export interface RepairRequest {
  readonly connector: string;
  readonly tables: readonly string[];
}

export interface RepairPorts {
  /** Fences whoever captures now. */
  openWriter(): Promise<TopicWriter>;
  /** Drops the slot, if there is one, and creates it anew. */
  replaceSlot(): Promise<SlotHistory>;
  /** Now. */
  clock(): Date;
}

/**
 * Gives the connector a new slot and a new epoch, and asks the next life of capture to load all tables again beside the stream
 * and to delete what is gone. May be repeated whatever it died of: from the first record on, until the last one, every life of
 * capture refuses the slot, whether it is the old one, the new one or missing. Rejects with CdcError.
 */
export async function repairSlot({ connector, tables }: RepairRequest, ports: RepairPorts): Promise<RepairState> {
  const writer = await ports.openWriter();
  try {
    const epoch = (readState<SourceState>(writer.state, stateKeys.source(connector))?.epoch ?? 0) + 1;
    const from = readState<ConfirmedState>(writer.state, stateKeys.confirmed(connector))?.atMost ?? null;
    const begun: RepairState = { phase: 'slot', since: ports.clock().toISOString(), epoch, from, to: null };
    await write(writer, [[stateKeys.repair(connector), begun]], ports.clock());

    const { systemId, timeline, confirmedLsn } = await ports.replaceSlot();
    const to = formatLsn(confirmedLsn);
    const repair: RepairState = { ...begun, phase: 'load', to };
    const loading: SnapshotState = { status: 'running', lastKey: null, rows: 0, chunks: 0, kind: 'repair' };
    // One batch of one partition: all of it is there, or nothing.
    await write(
      writer,
      [
        [stateKeys.source(connector), { systemId, timeline, epoch } satisfies SourceState],
        [stateKeys.confirmed(connector), { atMost: to } satisfies ConfirmedState],
        ...tables.map((table): [string, object] => [stateKeys.snapshot(connector, table), loading]),
        [stateKeys.repair(connector), repair],
      ],
      ports.clock(),
    );
    return repair;
  } finally {
    await writer.close();
  }
}

async function write(writer: TopicWriter, records: readonly [key: string, value: object][], now: Date): Promise<void> {
  const batch = writer.newBatch();
  for (const [key, value] of records) batch.appendState(key, JSON.stringify(value), BigInt(now.getTime()));
  await writer.flush(batch);
}
