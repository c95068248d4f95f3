import { resolve } from 'node:path';
import { loadConnectors } from '../config/connector-files';
import { loadSettings } from '../config/settings';
import { runDev } from '../dev/dev';
import { createLogger } from '../telemetry/log';
import { type Command, EXIT } from './command';
import { startService } from './service';
import { setUp } from './setup-parts';

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
  async action(context, _args, { profile, demo, rate, reset = false }) {
    const { signal, out } = context;
    await runDev(
      { profile, demo, rate, reset, home: resolve('.dev') },
      {
        signal,
        out,
        startService: async (env, logFile) => {
          context.logFile = logFile;
          const { connectorsDir } = loadSettings(env);
          const connectors = loadConnectors(connectorsDir, env);
          const settings = loadSettings(env, ['capture', 'sinks']);
          const log = createLogger({ level: settings.logLevel, pretty: false, file: logFile });
          await setUp({ connectors, settings, identity: 'auto', log });
          return startService(settings, connectors, connectors, log);
        },
      },
    );
    return EXIT.done;
  },
};
