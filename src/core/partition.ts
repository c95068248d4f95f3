import { CdcError } from './errors';

/**
 * Java Kafka's default partitioner, so that any client finds a tenant's records where we put them:
 * murmur2 over the key's bytes, sign bit cleared, modulo the number of partitions.
 *
 * The bytes are the tenant id's text form (lower-case dashed uuid, or decimal integer), for both topics.
 * Source: org.apache.kafka.common.utils.Utils#murmur2.
 */
export function partitionOf(bytes: Uint8Array, start: number, end: number, partitions: number): number {
  return (murmur2(bytes, start, end) & 0x7fffffff) % partitions;
}

/** {@link partitionOf} of a tenant id's text form. */
export function partitionOfTenant(tenant: string, partitions: number): number {
  const bytes = Buffer.from(tenant);
  return partitionOf(bytes, 0, bytes.length, partitions);
}

/** Somebody else changed the number of a topic's partitions. More of them can be taken over. */
export function partitionsChanged(topic: { readonly name: string; readonly partitions: number }, recorded: number) {
  const what = `topic ${topic.name} has ${topic.partitions} partitions, not ${recorded}`;
  const fix = topic.partitions > recorded ? `ventia-cdc setup --repartition ${topic.partitions}` : undefined;
  return new CdcError('partitions_changed', what, fix === undefined ? {} : { fix });
}

const M = 0x5bd1e995;

export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let h = 0x9747b28c ^ length;
  let i = start;
  for (; i + 4 <= end; i += 4) {
    let k = (bytes[i]! & 0xff) | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = end - i;
  if (rest === 3) h ^= bytes[i + 2]! << 16;
  if (rest >= 2) h ^= bytes[i + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[i]!, M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}
