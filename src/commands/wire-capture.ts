import { join } from 'node:path';
import { type Contract, KEY_COLUMN } from '../avro/contract';
import { readContracts } from '../avro/contract-files';
import { ChangeDecoder } from '../avro/decoder';
import { createEncoderFactory } from '../avro/encoder-factory';
import { chooseProfile } from '../avro/profile';
import type { SchemaRegistry } from '../avro/registry';
import { lookupSubjects } from '../avro/subjects';
import type { SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import type { SourceQueries } from '../core/ports/source';
import { READY } from '../core/readiness';
import type { CaptureObservers, CaptureStats } from '../core/stats';
import type { Relation } from '../core/tuple';
import { VERSION } from '../core/version';
import { openAdmin } from '../kafka/admin';
import { replicasOfAnAck } from '../kafka/topic-plan';
import { openTopicWriter } from '../kafka/writer';
import { type CaptureOptions, runCapture } from '../pipeline/capture';
import type { Life } from '../pipeline/supervisor';
import { openDatabase } from '../postgres/database';
import { PgoutputDecoder } from '../postgres/pgoutput';
import { inspectSource } from '../postgres/preflight';
import type { ExpectedSource } from '../postgres/source-catalog';
import { openSourceQueries } from '../postgres/source-queries';
import { createReplicationStream } from '../postgres/stream';
import { CONTRACTS_FOLDER } from './paths';
import { openRegistry } from './wire-registry';

/** Lives of capture for one connector file. */
export function captureLife(
  config: SourceConfig,
  settings: Settings,
  stats: CaptureStats,
  observers: CaptureObservers,
  log: Logger,
): Life {
  const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const registry = openRegistry(settings);
  const applicationName = `ventia-cdc ${config.name}`;
  return async (signal, report) => {
    const database = openDatabase(url, 'source', { applicationName });
    try {
      const contracts = await withQueries(url, applicationName, (queries) => contractsFor(config, queries));
      const expected = expectedSource(config, contracts, stats.fences > 0);
      const decoder = new ChangeDecoder(registry);
      await runCapture(
        optionsOf(config, config.confirmTrailMs ?? (await trailFor(config, settings, log))),
        {
          inspect: () => inspectSource(database, expected),
          openStream: (confirmed) =>
            createReplicationStream({
              url,
              applicationName,
              slot: config.slotName,
              publications: [config.publicationName],
              confirmed,
            }),
          newDecoder: () => {
            const pgoutput = new PgoutputDecoder();
            return (payload) => pgoutput.decode(payload);
          },
          openWriter: () =>
            openTopicWriter({
              access: settings.kafka,
              log,
              transactionalId: config.name,
              topics: config.tables.map(({ topic }) => topic),
              stateTopic: config.stateTopic,
              deadLetterTopic: config.deadLetterTopic,
              positionOf: (value) => decoder.positionOf(value),
            }),
          openQueries: () => openSourceQueries(url, { applicationName }),
          loadEncoders: () => encodersFor(config, contracts, registry, url),
          stats,
          observers,
          log,
          onStreaming: () => report(READY),
        },
        signal,
      );
    } finally {
      await database.close();
    }
  };
}

async function encodersFor(
  config: SourceConfig,
  contracts: readonly Contract[],
  registry: SchemaRegistry,
  url: string,
) {
  return createEncoderFactory({
    contracts,
    schemaIds: await lookupSubjects(registry, contracts),
    source: { version: VERSION, connector: 'ventia-cdc', name: config.name, db: databaseName(url) },
  });
}

/** The contract files of the profile that the connector names, or that the type of tenants.id shows. */
export async function contractsFor(config: SourceConfig, queries: SourceQueries): Promise<Contract[]> {
  const profile =
    config.schemaProfile === 'auto' ? chooseProfile(await describeAll(config, queries)) : config.schemaProfile;
  return readContracts(join(CONTRACTS_FOLDER, profile), config.tables);
}

async function describeAll(config: SourceConfig, queries: SourceQueries): Promise<Relation[]> {
  return Promise.all(
    config.tables.map(async ({ schema, table }) => {
      const relation = await queries.describe(schema, table);
      if (!relation) throw new CdcError('table_missing', `table ${schema}.${table} does not exist`);
      return relation;
    }),
  );
}

/** What the source must be like. `captured`: changes were captured before, so a missing slot is a loss. */
export function expectedSource(
  config: SourceConfig,
  contracts: readonly Contract[],
  captured: boolean,
): ExpectedSource {
  return {
    tables: contracts.map(({ schema, table, fields, tenantColumn }) => ({
      schema,
      table,
      columns: fields.map(({ name, optional }) => ({ name, required: !optional })),
      keyColumn: KEY_COLUMN,
      tenantColumn,
    })),
    publication: config.publicationName,
    slot: config.slotName,
    captured,
    confirmedAtMost: null,
    role: null,
  };
}

export async function withQueries<T>(
  url: string,
  applicationName: string,
  work: (queries: SourceQueries) => Promise<T>,
): Promise<T> {
  const queries = openSourceQueries(url, { applicationName });
  try {
    return await work(queries);
  } finally {
    await queries.close();
  }
}

/** `source.db` of the envelope. */
function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

/** An acknowledgement of one replica is in its page cache, not on its disk: a power cut takes it back. */
const TRAIL_MS = 30_000;

async function trailFor(config: SourceConfig, settings: Settings, log: Logger): Promise<number> {
  const admin = await openAdmin(settings.kafka, log);
  try {
    const topics = await admin.describeTopics(config.tables.map(({ topic }) => topic));
    return topics.every((topic) => replicasOfAnAck(topic) >= 2) ? 0 : TRAIL_MS;
  } finally {
    await admin.close();
  }
}

function optionsOf(config: SourceConfig, confirmTrailMs: number): CaptureOptions {
  const named = config.tables.map(({ schema, table }) => `${schema}.${table}`);
  return {
    connector: config.name,
    // Parents before children: a table without tenant column of its own is the parent.
    tables: named.sort((a, b) => Number(b.endsWith('.tenants')) - Number(a.endsWith('.tenants'))),
    topics: config.tables.map(({ topic }) => topic),
    deadLetterTopic: config.deadLetterTopic,
    errorsPolicy: config.errorsPolicy,
    snapshotMode: config.snapshotMode === 'never' ? 'never' : 'initial',
    snapshotChunkRows: config.snapshotChunkRows,
    maxBatchBytes: config.maxBatchBytes,
    confirmTrailMs,
  };
}
