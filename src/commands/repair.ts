import type { SourceConfig } from '../config/connector';
import { silentLogger } from '../core/ports/log';
import { type Command, EXIT } from './command';
import { confirm } from './confirm';
import { loadSource } from './load-source';
import { lookAtSlot, mendSlot, requireRepairable, type SlotLook, withSource } from './wire-repair';

export interface RepairOptions {
  readonly dryRun?: true;
  readonly yes?: true;
}

export const repair: Command<RepairOptions> = {
  usage: 'repair <what>',
  choices: ['slot'],
  summary: 'slot: close the gap that a lost replication slot leaves',
  about: `Makes a new replication slot after the old one was lost, replaced or belongs to another history. The topics stay:
capture then loads all tables again beside the stream, marked as repair, and deletes the keys that are gone in the
source. Versions between the old slot's end and the new one's start are not to be had any more. A capture that runs is
fenced and goes on with the new slot by itself.`,
  example: 'ventia-cdc repair slot --dry-run',
  options: [
    { flags: '--dry-run', about: 'say what is wrong and what would be done, do nothing' },
    { flags: '--yes', about: 'do not ask' },
  ],
  async action({ env, out, json }, _args, { dryRun, yes }) {
    const { config, settings } = loadSource(env);
    return withSource(settings, async (database) => {
      const look = await lookAtSlot(database, config, settings, silentLogger);
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
  },
};

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
