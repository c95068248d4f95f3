import { loadConnectors } from '../config/connector-files';
import { loadSettings } from '../config/settings';
import { wait } from '../core/backoff';
import { silentLogger } from '../core/ports/log';
import { type Command, EXIT } from './command';
import { statusText } from './status-text';
import { openStatus } from './wire-status';

export interface StatusOptions {
  readonly watch?: true;
}

const WATCH_MS = 2_000;
const CLEAR = '\x1b[H\x1b[2J';

export const status: Command<StatusOptions> = {
  usage: 'status',
  summary: 'one screen: what runs, how far it is, what is in the way',
  about: `Shows all connectors, whatever process or machine runs them: positions, freshness by stage, lag by partition, the slot
and how long its WAL may still grow, snapshots, what was set aside, the last errors; says what is behind and what is stalled, and why.
It asks Kafka, and the databases whose URLs are set; it changes nothing.`,
  example: 'ventia-cdc status --watch',
  options: [{ flags: '--watch', about: 'again every two seconds, until Ctrl-C' }],
  async action({ env, out, json, signal }, _args, { watch }) {
    const settings = loadSettings(env);
    const reader = openStatus(loadConnectors(settings.connectorsDir, env), settings, silentLogger, () => null);
    const screen = watch && out.isTTY && !json;
    try {
      do {
        const view = await reader.read();
        const text = json ? `${JSON.stringify(view)}\n` : statusText(view, out.isTTY && !env.NO_COLOR);
        out.write(screen ? `${CLEAR}${text}` : text);
        if (watch) await wait(WATCH_MS, signal);
      } while (watch && !signal.aborted);
      return EXIT.done;
    } finally {
      await reader.close();
    }
  },
};
