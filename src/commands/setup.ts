import { CdcError } from '../core/errors';
import type { Command } from './command';

export interface SetupOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly identity: 'full' | 'index';
  readonly repartition?: true;
}

export const setup: Command<SetupOptions> = {
  usage: 'setup',
  summary: 'prepare databases, Kafka and the registry',
  about:
    'Makes what is missing: publication, replica identity, slot, topics, registry subjects, ledger. Says what it ' +
    'does, asks before it does it, and may be run again at any time. Nothing of the application is altered.',
  example: 'ventia-cdc setup --dry-run',
  options: [
    { flags: '--dry-run', about: 'print what would be done, do nothing' },
    { flags: '--yes', about: 'do not ask' },
    {
      flags: '--identity <kind>',
      about: 'how deletes of orders carry their tenant: the whole old row, or a unique index (id, tenant_id)',
      choices: ['full', 'index'],
      fallback: 'full',
    },
    { flags: '--repartition', about: "raise the topics' partitions to the number in the connector file" },
  ],
  async action() {
    throw new CdcError('internal', 'setup is not part of this build');
  },
};
