import { createRegistry, type SchemaRegistry } from '../avro/registry';
import type { Settings } from '../config/settings';

export function openRegistry({ registry: { url, auth, ca } }: Settings): SchemaRegistry {
  return createRegistry({ url, username: auth?.username, password: auth?.password, ca: ca ?? undefined });
}
