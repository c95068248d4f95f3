import type { ChangeDecoder } from '../avro/decoder';
import type { SourceConfig } from '../config/connector';
import type { Settings } from '../config/settings';
import type { Logger } from '../core/ports/log';
import type { TopicWriter } from '../core/ports/topics';
import { openTopicWriter } from '../kafka/writer';

/** The connector's one writer: fences whoever captures now. */
export function openWriter(
  config: SourceConfig,
  settings: Settings,
  decoder: ChangeDecoder,
  log: Logger,
  onState: (state: ReadonlyMap<string, string>) => void = () => {},
): Promise<TopicWriter> {
  return openTopicWriter({
    access: settings.kafka,
    log,
    transactionalId: config.name,
    topics: config.tables.map(({ topic }) => topic),
    stateTopic: config.stateTopic,
    deadLetterTopic: config.deadLetterTopic,
    positionOf: (value) => decoder.positionOf(value),
    onState,
  });
}

/** `schema.table`, parents before children: a table without a tenant column of its own is the parent. */
export function tablesOf(config: SourceConfig): string[] {
  const named = config.tables.map(({ schema, table }) => `${schema}.${table}`);
  return named.sort((a, b) => Number(b.endsWith('.tenants')) - Number(a.endsWith('.tenants')));
}
