import { createRegistry, type SchemaRegistry } from '../avro/registry';
import type { Settings } from '../config/settings';

export function openRegistry({ registry: { url, auth, ca } }: Settings): SchemaRegistry {
  return createRegistry({ url, ...(auth && { auth }), ...(ca !== null && { ca }) });
}
