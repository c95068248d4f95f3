import { CdcError } from '../core/errors';
import type { Command } from './command';

export const run: Command = {
  usage: 'run [connector...]',
  summary: 'run the connectors, all or those named',
  about:
    'Runs the connectors of CONNECTORS_DIR in this process, with /health, /ready and /metrics over HTTP. It waits ' +
    'for databases, Kafka and the registry as long as they are away, and ends on SIGTERM after finishing what is in hand.',
  example: 'ventia-cdc run ventia-source',
  options: [],
  async action() {
    throw new CdcError('internal', 'run is not part of this build');
  },
};
