import { once } from 'node:events';
import { loadConnectors, selectConnectors } from '../config/connector-files';
import { loadSettings } from '../config/settings';
import { CdcError } from '../core/errors';
import { createLogger } from '../telemetry/log';
import { type Command, EXIT } from './command';
import { startService } from './service';

export interface RunOptions {
  readonly apiOnly?: true;
}

export const run: Command<RunOptions> = {
  usage: 'run [connector...]',
  summary: 'run the connectors, all or those named',
  about: `Runs the connectors of CONNECTORS_DIR in this process, with /health, /ready and /metrics over HTTP.
It waits for databases, Kafka and the registry as long as they are away, and ends on SIGTERM after
finishing what is in hand.`,
  example: 'ventia-cdc run ventia-source',
  options: [{ flags: '--api-only', about: 'run no connector: only HTTP, for those that run in other processes' }],
  async action({ env, signal, out, json }, names, { apiOnly = false }) {
    if (apiOnly && names.length > 0) throw new CdcError('usage', '--api-only runs no connector, but one is named');
    const { connectorsDir } = loadSettings(env);
    const all = loadConnectors(connectorsDir, env);
    const connectors = apiOnly ? [] : selectConnectors(all, names);
    const roles = connectors.map(({ kind }) => (kind === 'source' ? 'capture' : 'sinks'));
    const settings = loadSettings(env, roles);
    const log = createLogger({ level: settings.logLevel, pretty: out.isTTY && !json, file: null });
    const service = await startService(settings, connectors, all, log);
    if (!signal.aborted) await once(signal, 'abort');
    await service.stop();
    return EXIT.done;
  },
};
