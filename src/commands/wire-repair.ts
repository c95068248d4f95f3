import { ChangeDecoder } from '../avro/decoder';
import type { SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { Backoff, wait } from '../core/backoff';
import { capturedBefore, judgeHistory, type RepairState, type SnapshotState } from '../core/capture-state';
import { CdcError, toCdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import type { SlotHistory, SourceInspection } from '../core/ports/source';
import type { Database } from '../core/ports/sql';
import { readState } from '../kafka/state-reader';
import { REPAIRABLE, repairSlot, repairTable } from '../pipeline/repair';
import type { Life } from '../pipeline/supervisor';
import { openDatabase } from '../postgres/database';
import {
  createSlot,
  dropSlot,
  judgeSlot,
  type ObservedSlot,
  observeSlot,
  readIdentity,
  slotHolder,
} from '../postgres/slot';
import { openRegistry } from './wire-registry';
import { openWriter, tablesOf } from './wire-writer';

/** The slot as it was found, and why capture cannot go on from it. */
export interface SlotLook {
  readonly slot: ObservedSlot | null;
  /** Who streams from it; null = nobody. */
  readonly holder: string | null;
  readonly trouble: CdcError | null;
}

/** The server waits for every transaction that is open before it makes a slot. */
const CREATE_TIMEOUT_MS = 60_000;
/** A capture that tries the slot, finds it wrong and lets it go again: as often as it may come in between. */
const TRIES = 8;

export async function withSource<T>(settings: Settings, work: (database: Database) => Promise<T>): Promise<T> {
  const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const database = openDatabase(url, 'source', { applicationName: 'ventia-cdc repair' });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** Looks, changes nothing, fences nobody. */
export async function lookAtSlot(
  database: Database,
  config: SourceConfig,
  settings: Settings,
  log: Logger,
): Promise<SlotLook> {
  const slot = await observeSlot(database, config.slotName);
  const identity = await readIdentity(database);
  const state = await readState(settings.kafka, log, config.stateTopic);
  const [{ name }] = (await database.query<{ name: string }>('SELECT current_database()::text AS name')) as [
    { name: string },
  ];
  const captured = capturedBefore(state, config.name);
  const judged = judgeSlot(slot, { name: config.slotName, database: name, captured, confirmedAtMost: null });
  const found = slot?.confirmedLsn ? { ...identity, confirmedLsn: slot.confirmedLsn } : null;
  return {
    slot,
    holder: await slotHolder(database, config.slotName),
    trouble: judged ?? (found && judgeHistory(state, config.name, found)),
  };
}

/** Mends what a repair can mend; rejects with the trouble itself where it cannot, and with slot_active, fenced, … */
export async function mendSlot(
  database: Database,
  config: SourceConfig,
  settings: Settings,
  log: Logger,
): Promise<RepairState> {
  const decoder = new ChangeDecoder(openRegistry(settings));
  return whileOthersCome(() =>
    repairSlot(
      { connector: config.name, tables: tablesOf(config) },
      {
        openWriter: () => openWriter(config, settings, decoder, log),
        replaceSlot: () => replaceSlot(database, config.slotName),
        clock: () => new Date(),
      },
    ),
  );
}

/** Mends a table that is whole now. A capture that runs is fenced, and goes on by itself. */
export async function mendTable(
  config: SourceConfig,
  settings: Settings,
  table: string,
  { tables, tablesLsn }: SourceInspection,
  log: Logger,
): Promise<SnapshotState> {
  const decoder = new ChangeDecoder(openRegistry(settings));
  const { mark } = tables.find(({ relation }) => `${relation.schema}.${relation.table}` === table)!;
  return whileOthersCome(() =>
    repairTable(
      { connector: config.name, table, mark, before: tablesLsn },
      { openWriter: () => openWriter(config, settings, decoder, log), clock: () => new Date() },
    ),
  );
}

/** Again, as long as a capture in search of a slot comes in between. */
async function whileOthersCome<T>(attempt: () => Promise<T>): Promise<T> {
  const backoff = new Backoff();
  for (let left = TRIES; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      const trouble = toCdcError(error);
      const passing = trouble.kind === 'fenced' || trouble.kind === 'slot_active';
      if (!passing || left === 1) throw trouble;
      await wait(backoff.next(), new AbortController().signal);
    }
  }
}

async function replaceSlot(database: Database, name: string): Promise<SlotHistory> {
  await dropSlot(database, name);
  const confirmedLsn = await createSlot(database, name, CREATE_TIMEOUT_MS);
  if (confirmedLsn === null) throw new CdcError('slot_active', `slot ${name} was made by somebody else in this moment`);
  const { systemId, timeline } = await readIdentity(database);
  return { systemId, timeline, confirmedLsn };
}

/** `snapshot.mode=when_needed`: what `repair slot` would mend, it mends itself, and goes on. */
export function mendingLife(life: Life, config: SourceConfig, settings: Settings, log: Logger): Life {
  return async (signal, report) => {
    try {
      await life(signal, report);
    } catch (error) {
      const { kind, code, message } = toCdcError(error);
      if (!REPAIRABLE.has(kind) || signal.aborted) throw error;
      log.warn({ code }, `${message}: it is made anew, because snapshot.mode is when_needed`);
      await withSource(settings, async (database) => {
        const look = await lookAtSlot(database, config, settings, log);
        requireRepairable(look);
        if (look.trouble) log.info(await mendSlot(database, config, settings, log), 'slot made anew');
      });
      await life(signal, report);
    }
  };
}

/** Throws what a repair cannot mend. */
export function requireRepairable({ trouble, holder, slot }: SlotLook): void {
  if (trouble && !REPAIRABLE.has(trouble.kind)) throw trouble;
  if (trouble && holder !== null) throw inUse(slot!, holder);
}

export function inUse({ name }: ObservedSlot, holder: string): CdcError {
  return new CdcError('slot_active', `slot ${name} is in use by ${holder}`, { fix: 'Stop that process first.' });
}
