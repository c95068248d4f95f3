import type { SourceConfig } from '../config/connector';
import { CdcError } from '../core/errors';
import { silentLogger } from '../core/ports/log';
import { type Command, type CommandContext, EXIT, type ExitCode } from './command';
import { confirm } from './confirm';
import { loadSource } from './load-source';
import { repairTableByHand } from './repair-table';
import { lookAtSlot, mendSlot, requireRepairable, type SlotLook, withSource } from './wire-repair';

export interface RepairOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly replace?: true;
}

export const repair: Command<RepairOptions> = {
  usage: 'repair <what> [table]',
  choices: ['slot', 'table'],
  summary: 'close the gap that a lost slot leaves, or that changes leave which cannot be told',
  about: `repair slot makes a new replication slot after the old one was lost, replaced or belongs to another history. The
topics stay: capture then loads all tables again beside the stream, marked as repair, and deletes the keys that are gone
in the source. Versions between the old slot's end and the new one's start are not to be had any more. repair table gets
capture past changes that were made while the table had another form (CDC-208, 209, 405): they are left out, and the table is
loaded again in the same way. A capture that runs is fenced and goes on by itself.`,
  example: 'ventia-cdc repair slot --dry-run\n  ventia-cdc repair table ventia.orders',
  options: [
    { flags: '--dry-run', about: 'say what is wrong and what would be done, do nothing' },
    { flags: '--yes', about: 'do not ask' },
    { flags: '--replace', about: 'of slot: also one that is whole, when its WAL cannot be read any more (CDC-205)' },
  ],
  async action(context, [what, table], options) {
    if (what === 'table') return repairTableByHand(context, table, options);
    return repairSlotByHand(context, options);
  },
};

async function repairSlotByHand({ env, out, json }: CommandContext, options: RepairOptions): Promise<ExitCode> {
  const { dryRun, yes, replace } = options;
  const { config, settings } = loadSource(env);
  return withSource(settings, async (database) => {
    const found = await lookAtSlot(database, config, settings, silentLogger);
    const look = replace && !found.trouble ? { ...found, trouble: asked(config) } : found;
    requireRepairable(look);
    const done = look.trouble === null || dryRun;
    if (!json) out.write(describe(config, look));
    if (json && done) out.write(`${JSON.stringify(asJson(config, look))}\n`);
    if (done) return EXIT.done;
    if (!yes) await confirm(out, 'the repair');
    const repaired = await mendSlot(database, config, settings, silentLogger);
    out.write(
      json
        ? `${JSON.stringify({ ...asJson(config, look), repair: repaired })}\n`
        : `done  slot ${config.slotName} starts at ${repaired.to}, epoch ${repaired.epoch}; capture loads the tables now or when it runs\n`,
    );
    return EXIT.done;
  });
}

/** The slot is whole, but what it leads to is not. */
const asked = ({ slotName }: SourceConfig) =>
  new CdcError('slot_lost', `slot ${slotName} is whole, and to be replaced`);

function describe(config: SourceConfig, { slot, trouble }: SlotLook): string {
  if (!trouble) return `slot ${config.slotName} is whole: nothing to repair\n`;
  const tables = config.tables.map(({ schema, table }) => `${schema}.${table}`).join(', ');
  const steps = [
    ...(slot ? [`drop slot ${slot.name}`] : []),
    `create slot ${config.slotName}`,
    `load ${tables} again, under a new epoch`,
    'delete from the topics what is gone in the source',
  ];
  return `${trouble.code}  ${trouble.message}\n${steps.map((step) => `  + ${step}\n`).join('')}`;
}

function asJson(config: SourceConfig, { slot, trouble }: SlotLook): object {
  return {
    slot: config.slotName,
    exists: slot !== null,
    trouble: trouble && { code: trouble.code, message: trouble.message },
  };
}
