import { CdcError } from '../core/errors';
import type { Command } from './command';

export interface DevOptions {
  readonly reset?: true;
  /** False with --no-demo. */
  readonly demo: boolean;
  readonly rate: number;
  readonly profile: 'seed' | 'repo';
}

export const dev: Command<DevOptions> = {
  usage: 'dev',
  summary: 'try it here: servers, service and a demo shop on this machine',
  about:
    'Starts PostgreSQL, Kafka and a schema registry on loopback, runs the service between them and plays a shop ' +
    'whose orders become contacts. Data is kept in .dev until --reset. Ctrl-C ends everything.',
  example: 'ventia-cdc dev --rate 50',
  options: [
    { flags: '--reset', about: 'forget all data and start anew' },
    { flags: '--no-demo', about: 'without the shop' },
    { flags: '--rate <n>', about: "the shop's changes per second", range: [1, 10_000], fallback: 5 },
    {
      flags: '--profile <profile>',
      about: 'seed: uuid ids, one database; repo: integer ids, two databases',
      choices: ['seed', 'repo'],
      fallback: 'seed',
    },
  ],
  async action() {
    throw new CdcError('internal', 'dev is not part of this build');
  },
};
