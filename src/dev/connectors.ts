import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Profile } from './demo-schema';

const ORIGINALS = resolve(__dirname, '..', '..', 'connectors');

/** Folder of the connector files for a profile: the original ones, or for `repo` copies that name its schemas, written to `dir`. */
export function connectorsFor(profile: Profile, dir: string): string {
  if (profile === 'seed') return ORIGINALS;
  const folder = join(dir, 'connectors');
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(ORIGINALS).filter((file) => /^[^.]+\.json$/.test(file))) {
    const connector = JSON.parse(readFileSync(join(ORIGINALS, name), 'utf8'));
    const { config } = connector;
    if ('table.include.list' in config) config['table.include.list'] = 'public.tenants,public.orders';
    if ('messaging.schema' in config) config['messaging.schema'] = 'public';
    writeFileSync(join(folder, name), `${JSON.stringify({ name: connector.name, config }, null, 2)}\n`);
  }
  return folder;
}
