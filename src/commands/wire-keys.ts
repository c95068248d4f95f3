import { KEY_COLUMN } from '../avro/contract';
import { ChangeDecoder, type SchemaSource } from '../avro/decoder';
import type { Logger } from '../core/ports/log';
import type { KeyRecord } from '../core/ports/topics';
import type { KafkaAccess } from '../kafka/client';
import { readPartition } from '../kafka/partition-reader';

/** What a partition's records say of their keys: of a tombstone only the key can be read, of a change all that is asked. */
export async function* readKeys(
  access: KafkaAccess,
  schemas: SchemaSource,
  tenantColumn: string,
  log: Logger,
  topic: string,
  partition: number,
): AsyncGenerator<readonly KeyRecord[]> {
  const decoder = new ChangeDecoder(schemas, [KEY_COLUMN, tenantColumn]);
  for await (const records of readPartition(access, log, topic, partition)) {
    const keys: KeyRecord[] = [];
    const changes = await decoder.decode(records);
    let next = 0;
    for (const { key, value } of records) {
      if (value === null) {
        keys.push({ id: await decoder.keyOf(key!), tenant: null, position: null });
        continue;
      }
      const { op, id, after, position } = changes[next++]!;
      keys.push({ id: op === 't' ? null : id, tenant: after && String(after[tenantColumn]), position });
    }
    yield keys;
  }
}
