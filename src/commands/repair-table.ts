import type { SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { readState as recordOf, type SourceState, stateKeys } from '../core/capture-state';
import { CdcError } from '../core/errors';
import { formatLsn } from '../core/lsn';
import { silentLogger } from '../core/ports/log';
import type { SourceInspection } from '../core/ports/source';
import type { Database } from '../core/ports/sql';
import { readState } from '../kafka/state-reader';
import { CapturedTables } from '../pipeline/captured-tables';
import { inspectSource } from '../postgres/preflight';
import { type CommandContext, EXIT, type ExitCode } from './command';
import { confirm } from './confirm';
import { loadSource } from './load-source';
import type { RepairOptions } from './repair';
import { contractsFor, encodersFor, expectedSource, withQueries } from './wire-capture';
import { openRegistry } from './wire-registry';
import { mendTable, withSource } from './wire-repair';
import { tablesOf } from './wire-writer';

/** `repair table ventia.orders`: gets capture past changes that cannot be told, without losing what they led to. */
export async function repairTableByHand(
  { env, out, json }: CommandContext,
  table: string | undefined,
  { dryRun, yes }: RepairOptions,
): Promise<ExitCode> {
  const { config, settings } = loadSource(env);
  if (table === undefined || !tablesOf(config).includes(table)) {
    const fix = `ventia-cdc repair table ${tablesOf(config).join(', or ')}`;
    throw new CdcError('usage', `repair table: ${table ?? 'no table'} is not captured by ${config.name}`, { fix });
  }
  return withSource(settings, async (database) => {
    const inspection = await inspectWhole(database, config, settings);
    if (!json) out.write(describe(table, inspection));
    const before = formatLsn(inspection.tablesLsn);
    if (dryRun) {
      if (json) out.write(`${JSON.stringify({ table, before })}\n`);
      return EXIT.done;
    }
    if (!yes) await confirm(out, 'the repair');
    const load = await mendTable(config, settings, table, inspection, silentLogger);
    out.write(
      json
        ? `${JSON.stringify({ table, before, from: load.from })}\n`
        : `done  ${table} is loaded again, now or when capture runs\n`,
    );
    return EXIT.done;
  });
}

/** The source as it is now. Throws what is still wrong with it: that has to be mended first. */
async function inspectWhole(database: Database, config: SourceConfig, settings: Settings): Promise<SourceInspection> {
  const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const contracts = await withQueries(url, 'ventia-cdc repair', (queries) => contractsFor(config, settings, queries));
  const inspection = await inspectSource(database, expectedSource(config, contracts, true));
  const state = await readState(settings.kafka, silentLogger, config.stateTopic);
  const encoders = await encodersFor(config, contracts, openRegistry(settings), url);
  const epoch = recordOf<SourceState>(state, stateKeys.source(config.name))?.epoch ?? 1;
  new CapturedTables({ connector: config.name, epoch, state, encoders, log: silentLogger }, inspection);
  return inspection;
}

function describe(table: string, { tablesLsn }: SourceInspection): string {
  const steps = [
    `leave out changes of ${table} before ${formatLsn(tablesLsn)} that cannot be told`,
    `load ${table} again`,
    'delete from its topic what is gone in the source',
  ];
  return steps.map((step) => `  + ${step}\n`).join('');
}
