import type { SourceConfig } from '../config/connector';
import { loadConnectors } from '../config/connector-files';
import { type Environment, loadSettings, type Settings } from '../config/settings';
import { CdcError } from '../core/errors';

/** The capturing connector among the files, with the settings that capture needs. */
export function loadSource(env: Environment): { config: SourceConfig; settings: Settings } {
  const { connectorsDir } = loadSettings(env);
  const config = loadConnectors(connectorsDir, env).find((connector) => connector.kind === 'source');
  if (!config) throw new CdcError('connector_invalid', `no file in ${connectorsDir} is of ventia.PostgresSource`);
  return { config, settings: loadSettings(env, ['capture']) };
}
