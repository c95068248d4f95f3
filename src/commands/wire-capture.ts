import { join } from 'node:path';
import { type Contract, KEY_COLUMN } from '../avro/contract';
import { readContracts } from '../avro/contract-files';
import { ChangeDecoder } from '../avro/decoder';
import { createEncoderFactory, readsBinary } from '../avro/encoder-factory';
import { chooseProfile } from '../avro/profile';
import type { SchemaRegistry } from '../avro/registry';
import { RememberedSchemas } from '../avro/remembered-schemas';
import { lookupSubjects } from '../avro/subjects';
import type { SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { capturedBefore } from '../core/capture-state';
import { CdcError, toCdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import type { SourceQueries } from '../core/ports/source';
import type { Database } from '../core/ports/sql';
import type { CaptureObservers, CaptureStats } from '../core/stats';
import type { Relation } from '../core/tuple';
import { VERSION } from '../core/version';
import { followState } from '../kafka/state-follower';
import { readState } from '../kafka/state-reader';
import { runCapture } from '../pipeline/capture';
import type { CaptureOptions } from '../pipeline/capture-ports';
import type { Life } from '../pipeline/supervisor';
import { openDatabase } from '../postgres/database';
import { PgoutputDecoder } from '../postgres/pgoutput';
import { inspectSource } from '../postgres/preflight';
import { slotHolder } from '../postgres/slot';
import type { ExpectedSource } from '../postgres/source-catalog';
import { openSourceQueries } from '../postgres/source-queries';
import { createReplicationStream } from '../postgres/stream';
import { CONTRACTS_FOLDER } from './paths';
import { readKeys } from './wire-keys';
import { openRegistry } from './wire-registry';
import { mendingLife } from './wire-repair';
import { trailFor } from './wire-trail';
import { openWriter, tablesOf } from './wire-writer';

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
  const schemas = new RememberedSchemas(registry, config.name, log);
  const applicationName = `ventia-cdc ${config.name}`;
  /** Of the next life: the WAL holds rows from before a column got its present type. */
  let needsText = false;
  const live: Life = async (signal, report) => {
    const database = openDatabase(url, 'source', { applicationName });
    try {
      const [{ contracts, binary }, trailMs] = await Promise.all([
        withQueries(url, applicationName, async (queries) => {
          const contracts = await contractsFor(config, settings, queries);
          return { contracts, binary: !needsText && (await allReadBinary(contracts, queries)) };
        }),
        trailFor(config, settings, log),
      ]);
      needsText = false;
      const expected = expectedSource(config, contracts, false);
      const captured = async () => capturedBefore(await readState(settings.kafka, log, config.stateTopic), config.name);
      const decoder = new ChangeDecoder(schemas);
      await runCapture(
        optionsOf(config, trailMs),
        {
          holder: () => slotHolder(database, config.slotName),
          inspect: () => inspect(database, expected, captured),
          openStream: (confirmed) =>
            createReplicationStream({
              url,
              applicationName,
              slot: config.slotName,
              publications: [config.publicationName],
              confirmed,
              binary,
            }),
          newDecoder: () => {
            const pgoutput = new PgoutputDecoder();
            return (payload) => pgoutput.decode(payload);
          },
          openWriter: () => openWriter(config, settings, decoder, log, (state) => schemas.learn(state)),
          readKeys: (topic, partition) => {
            const { tenantColumn } = contracts.find((contract) => contract.topic === topic)!;
            return readKeys(settings.kafka, registry, tenantColumn, log, topic, partition);
          },
          openQueries: () => openSourceQueries(url, { applicationName }),
          loadEncoders: () => encodersFor(config, contracts, schemas, url),
          knownSchemas: () => schemas.schemas,
          stats,
          observers,
          log,
          followState: (from, onRecord) => followState(settings.kafka, log, config.stateTopic, from, onRecord),
          onReadiness: report,
        },
        signal,
      );
    } catch (error) {
      needsText = toCdcError(error).kind === 'text_needed';
      throw error;
    } finally {
      await database.close();
    }
  };
  return config.snapshotMode === 'when_needed' ? mendingLife(live, config, settings, log) : live;
}

/** Only where the slot is missing the state topic is asked whether there was one: it is a loss then, and no first start. */
async function inspect(database: Database, expected: ExpectedSource, captured: () => Promise<boolean>) {
  try {
    return await inspectSource(database, expected);
  } catch (error) {
    const missing = error instanceof CdcError && error.kind === 'slot_not_created';
    if (!missing || !(await captured())) throw error;
    return inspectSource(database, { ...expected, captured: true });
  }
}

export async function encodersFor(
  config: SourceConfig,
  contracts: readonly Contract[],
  registry: Pick<SchemaRegistry, 'lookup'>,
  url: string,
) {
  return createEncoderFactory({
    contracts,
    schemaIds: await lookupSubjects(registry, contracts),
    source: { version: VERSION, connector: 'ventia-cdc', name: config.name, db: databaseName(url) },
  });
}

/** The contract files of the profile that the connector names, or that the type of tenants.id shows. */
export async function contractsFor(
  config: SourceConfig,
  { contractsDir }: Settings,
  queries: SourceQueries,
): Promise<Contract[]> {
  const profile =
    config.schemaProfile === 'auto' ? chooseProfile(await describeAll(config, queries)) : config.schemaProfile;
  return readContracts(join(contractsDir ?? CONTRACTS_FOLDER, profile), config.tables);
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

async function allReadBinary(contracts: readonly Contract[], queries: SourceQueries): Promise<boolean> {
  const relations = await Promise.all(contracts.map(({ schema, table }) => queries.describe(schema, table)));
  return contracts.every((contract, i) => relations[i] != null && readsBinary(contract, relations[i]));
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

function optionsOf(config: SourceConfig, confirmTrailMs: number): CaptureOptions {
  return {
    connector: config.name,
    tables: tablesOf(config),
    topics: config.tables.map(({ topic }) => topic),
    deadLetterTopic: config.deadLetterTopic,
    errorsPolicy: config.errorsPolicy,
    snapshotMode: config.snapshotMode === 'never' ? 'never' : 'initial',
    snapshotChunkRows: config.snapshotChunkRows,
    maxBatchBytes: config.maxBatchBytes,
    confirmTrailMs,
    progressTimeoutMs: config.progressTimeoutMs,
  };
}
