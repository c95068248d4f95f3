import { once } from 'node:events';
import { loadSettings, needed } from '../config/settings';
import { openShop } from '../dev/shop/open';
import { createLogger } from '../telemetry/log';
import { type Command, EXIT } from './command';

export interface ShopCommandOptions {
  readonly rate: number;
  readonly profile: 'seed' | 'repo';
}

export const shop: Command<ShopCommandOptions> = {
  usage: 'shop',
  summary: 'play a demo shop in databases that are there',
  about: `Writes into both databases what a lively shop and its agents would: tenants, orders that are paid, edited and
cancelled, corrected contacts. For demonstrations: the rows are real. Takes the owner's URLs where they are set.`,
  example: 'ventia-cdc shop --rate 50',
  options: [
    { flags: '--rate <n>', about: 'changes per second', range: [1, 10_000], fallback: 5 },
    {
      flags: '--profile <profile>',
      about: 'seed: uuid ids; repo: integer ids',
      choices: ['seed', 'repo'],
      fallback: 'seed',
    },
  ],
  async action({ env, signal, out, json }, _args, options) {
    const settings = loadSettings(env, ['capture', 'sinks']);
    const source = needed(settings.source, 'VENTIA_SOURCE_URL');
    const messaging = needed(settings.messaging, 'MESSAGING_URL');
    const log = createLogger({ level: settings.logLevel, pretty: out.isTTY && !json, file: null });
    const playing = await openShop(source.adminUrl, messaging.adminUrl, options);
    log.info(options, 'shop: open');
    if (!signal.aborted) await once(signal, 'abort');
    await playing.stop();
    log.info(playing.totals(), 'shop: closed');
    return EXIT.done;
  },
};
