import { CdcError } from '../core/errors';
import { silentLogger } from '../core/ports/log';
import { dropSlot } from '../postgres/slot';
import { type Command, EXIT } from './command';
import { confirm } from './confirm';
import { loadSource } from './load-source';
import { inUse, lookAtSlot, withSource } from './wire-repair';

export const slot: Command<{ readonly yes?: true }> = {
  usage: 'slot <action>',
  choices: ['drop'],
  summary: 'drop: give the replication slot back',
  about: `Drops the replication slot, so that the source keeps no WAL for a capture that will not come back. What is
changed from then on is not captured; "ventia-cdc repair slot" is the way back. Refused while the slot is in use.`,
  example: 'ventia-cdc slot drop',
  options: [{ flags: '--yes', about: 'do not ask' }],
  async action({ env, out, json }, _args, { yes }) {
    const { config, settings } = loadSource(env);
    return withSource(settings, async (database) => {
      const { slot: found, holder, trouble } = await lookAtSlot(database, config, settings, silentLogger);
      const say = (text: string, data: object) => out.write(json ? `${JSON.stringify(data)}\n` : `${text}\n`);
      if (!found) {
        say(`slot ${config.slotName} does not exist: nothing to do`, { slot: config.slotName, dropped: false });
        return EXIT.done;
      }
      if (trouble?.kind === 'slot_foreign') throw trouble;
      if (holder !== null) throw inUse(found, holder);
      if (!yes) {
        if (!json)
          out.write(`slot ${found.name} keeps ${found.retainedBytes ?? 0n} bytes of WAL; it would be dropped\n`);
        await confirm(out, 'dropping the slot');
      }
      if (!(await dropSlot(database, found.name)))
        throw new CdcError('slot_missing', `slot ${found.name} was dropped by somebody else in this moment`);
      say(`slot ${found.name} is dropped; ventia-cdc repair slot makes a new one`, { slot: found.name, dropped: true });
      return EXIT.done;
    });
  },
};
