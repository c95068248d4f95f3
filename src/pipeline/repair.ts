import {
  type ConfirmedState,
  type RepairState,
  readState,
  type SnapshotState,
  type SourceState,
  stateKeys,
  type TableState,
} from '../core/capture-state';
import type { ErrorKind } from '../core/errors';
import { formatLsn, type Lsn } from '../core/lsn';
import type { SlotHistory } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import type { TableMark } from '../core/table-mark';

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
    const from = confirmedText(writer, connector);
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

export interface TableRepair {
  readonly connector: string;
  readonly table: string;
  /** As it is now: nothing of it is in the way of capture any more. */
  readonly mark: TableMark;
  /** End of the WAL when it was looked at: what cannot be told was committed before. */
  readonly before: Lsn;
}

/**
 * Lets the stream leave out those changes of the table before `before` that cannot be told, and asks the next life of capture
 * to load the table again and to delete what is gone. Slot and epoch stay. May be repeated. Rejects with CdcError.
 */
export async function repairTable(
  { connector, table, mark, before }: TableRepair,
  { openWriter, clock }: Pick<RepairPorts, 'openWriter' | 'clock'>,
): Promise<SnapshotState> {
  const writer = await openWriter();
  try {
    const epoch = readState<SourceState>(writer.state, stateKeys.source(connector))?.epoch ?? 1;
    const key = stateKeys.table(connector, table);
    const recorded = readState<TableState>(writer.state, key);
    const to = formatLsn(before);
    const known: TableState = recorded?.epoch === epoch ? recorded : { mark: recorded?.mark ?? mark, seen: to, epoch };
    const load: SnapshotState = {
      status: 'running',
      lastKey: null,
      rows: 0,
      chunks: 0,
      kind: 'repair',
      why: 'changes that could not be told were left out',
      from: confirmedText(writer, connector) ?? known.seen,
      to,
    };
    // One batch of one partition: all of it is there, or nothing.
    await write(
      writer,
      [
        [key, { ...known, excused: to } satisfies TableState],
        [stateKeys.snapshot(connector, table), load],
      ],
      clock(),
    );
    return load;
  } finally {
    await writer.close();
  }
}

const confirmedText = (writer: TopicWriter, connector: string) =>
  readState<ConfirmedState>(writer.state, stateKeys.confirmed(connector))?.atMost ?? null;

async function write(writer: TopicWriter, records: readonly [key: string, value: object][], now: Date): Promise<void> {
  const batch = writer.newBatch();
  for (const [key, value] of records) batch.appendState(key, JSON.stringify(value), BigInt(now.getTime()));
  await writer.flush(batch);
}
