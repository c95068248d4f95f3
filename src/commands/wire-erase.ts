import { ChangeDecoder } from '../avro/decoder';
import type { ConnectorConfig, ContactsSinkConfig, SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { readState, type SourceState, stateKeys } from '../core/capture-state';
import { CdcError } from '../core/errors';
import { parseLsn } from '../core/lsn';
import { silentLogger } from '../core/ports/log';
import type { Position } from '../core/position';
import { newTableStats } from '../core/stats';
import { openAdmin } from '../kafka/admin';
import { readState as readStateTopic } from '../kafka/state-reader';
import { readCatalog } from '../messaging/catalog';
import type { EraserDependencies } from '../messaging/erase/erase';
import { privacyKey } from '../messaging/privacy';
import { routeTo } from '../pipeline/change-records';
import { writeTombstones } from '../pipeline/tombstones';
import { openDatabase } from '../postgres/database';
import { readMigrations, requireMigrated } from '../postgres/migrations';
import { LEDGER_FOLDER } from './paths';
import { contractsFor, encodersFor, withQueries } from './wire-capture';
import { openRegistry } from './wire-registry';
import { rulesOf } from './wire-sinks';
import { openWriter } from './wire-writer';

const APPLICATION = 'ventia-cdc erase';
/** Above any ordinal in a transaction. */
const LAST_SEQ = 0xffff_ffffn;

/** The sinks' side: their database, with their role, and their rules. */
export async function withEraser<T>(
  connectors: readonly ConnectorConfig[],
  settings: Settings,
  work: (eraser: EraserDependencies) => Promise<T>,
): Promise<T> {
  const privacy = privacyKey(needed(settings.privacyKey, 'PRIVACY_KEY'));
  const { messagingSchema } = contactsOf(connectors);
  const database = openDatabase(needed(settings.messaging, 'MESSAGING_URL').url, 'messaging', {
    applicationName: APPLICATION,
  });
  try {
    await requireMigrated(database, await readMigrations(LEDGER_FOLDER));
    const catalog = await readCatalog(database, messagingSchema);
    return await work({ database, catalog, rules: rulesOf(connectors), privacy });
  } finally {
    await database.close();
  }
}

function contactsOf(connectors: readonly ConnectorConfig[]): ContactsSinkConfig {
  const config = connectors.find((connector) => connector.kind === 'contacts');
  if (!config) throw new CdcError('connector_invalid', 'no connector file is of ventia.ContactsSink');
  return config;
}

/** After everything that the source has written by now. */
export async function sourcePosition(config: SourceConfig, settings: Settings): Promise<Position> {
  const state = await readStateTopic(settings.kafka, silentLogger, config.stateTopic);
  const epoch = readState<SourceState>(state, stateKeys.source(config.name))?.epoch ?? 1;
  const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const database = openDatabase(url, 'source', { applicationName: APPLICATION });
  try {
    const [row] = await database.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    return { epoch: BigInt(epoch), commitLsn: parseLsn(row!.lsn), seq: LAST_SEQ };
  } finally {
    await database.close();
  }
}

/** How long a topic keeps what newer records have replaced, milliseconds; null: there is no such topic, or no limit. */
export interface Keeping {
  readonly topic: string;
  /** At least. */
  readonly leastMs: number | null;
  /** At most, while the partition is written to. */
  readonly mostMs: number | null;
}

export async function keepingOf(config: SourceConfig, settings: Settings): Promise<Keeping> {
  const { topic } = ordersOf(config);
  const admin = await openAdmin(settings.kafka, silentLogger);
  try {
    const [described] = await admin.describeTopics([topic]);
    const ms = (name: string) => Number(described?.settings.get(name)?.value ?? Number.NaN);
    const limited = (value: number) => (value < Number.MAX_SAFE_INTEGER ? value : null);
    return {
      topic,
      leastMs: limited(ms('min.compaction.lag.ms')),
      mostMs: limited(ms('segment.ms') + ms('max.compaction.lag.ms') + ms('delete.retention.ms')),
    };
  } finally {
    await admin.close();
  }
}

function ordersOf(config: SourceConfig) {
  const orders = config.tables.find(({ table }) => table === 'orders');
  if (!orders) throw new CdcError('connector_invalid', 'table.include.list of the source names no table orders');
  return orders;
}

/**
 * Tombstones for orders of a tenant, by the connector's own fenced writer: a capture that runs is fenced and goes on by itself.
 * Resolves with the number written.
 */
export async function tombstoneOrders(
  config: SourceConfig,
  settings: Settings,
  tenant: string,
  orderIds: readonly string[],
): Promise<number> {
  const { schema, table } = ordersOf(config);
  const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const registry = openRegistry(settings);
  const source = await withQueries(url, APPLICATION, async (queries) => {
    const contracts = await contractsFor(config, settings, queries);
    const encoders = await encodersFor(config, contracts, registry, url);
    const relation = await queries.describe(schema, table);
    if (!relation) throw new CdcError('table_missing', `table ${schema}.${table} does not exist`);
    const named = `${schema}.${table}`;
    // Of the columns only key and tenant are used.
    const encoder = encoders.compile(relation, { absentColumns: encoders.columns(named) });
    if (!encoder) throw new CdcError('contract_invalid', `table ${named} has no contract`);
    return { encoder, columns: relation.columns.map(({ name }) => name), tenantColumn: encoders.tenantColumn(named) };
  });
  const writer = await openWriter(config, settings, new ChangeDecoder(registry), silentLogger);
  try {
    const { columns, tenantColumn } = source;
    const { partitions } = writer.topics.find(({ name }) => name === source.encoder.topic)!;
    const route = routeTo(source.encoder, writer, partitions, null, newTableStats());
    const keys = orderIds.map((id) => ({ id, tenant }));
    return await writeTombstones(writer, { schema, name: table, columns, tenantColumn, route }, keys, Date.now());
  } finally {
    await writer.close();
  }
}
