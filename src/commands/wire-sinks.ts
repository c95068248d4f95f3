import { ChangeDecoder } from '../avro/decoder';
import type { AccountsSinkConfig, ConnectorConfig, ContactsSinkConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { type Heartbeat, readHeartbeat } from '../core/heartbeat';
import type { Logger } from '../core/ports/log';
import type { Outcome, Sink } from '../core/ports/sink';
import type { Database } from '../core/ports/sql';
import { partitionStats, type SinkObservers, type SinkStats } from '../core/stats';
import { createGroupConsumer } from '../kafka/consumer';
import { followState } from '../kafka/state-follower';
import { createAccountsSink, createContactsSink } from '../messaging/apply';
import { readCatalog } from '../messaging/catalog';
import { ORDER_COLUMNS, TENANT_COLUMNS } from '../messaging/decide/change';
import type { Rules } from '../messaging/decide/rules';
import { checkPrivacyKey } from '../messaging/erasures';
import { importAliases } from '../messaging/import-aliases';
import { rememberingPhoneNormalizer } from '../messaging/normalize/phone';
import { DEFAULT_NORMALIZATION, emailBlocklist } from '../messaging/normalize/settings';
import { type PrivacyKey, privacyKey } from '../messaging/privacy';
import { SINK_SESSION } from '../messaging/session';
import { runSink } from '../pipeline/sink';
import type { Life } from '../pipeline/supervisor';
import { openDatabase } from '../postgres/database';
import { readMigrations, requireMigrated } from '../postgres/migrations';
import { LEDGER_FOLDER } from './paths';
import { openRegistry } from './wire-registry';

export type SinkConfig = AccountsSinkConfig | ContactsSinkConfig;

/** Partitions applied at the same time: tenants of different partitions never meet, and the database has more than one core. */
const CONCURRENCY = 2;

/** Lives of one sink: each reads the catalog anew, because messaging's migrations change it. */
export function sinkLife(
  config: SinkConfig,
  rules: Rules,
  settings: Settings,
  stats: SinkStats,
  observers: SinkObservers,
  log: Logger,
  onOutcomes: (outcomes: readonly Outcome[]) => void,
): Life {
  const { url } = needed(settings.messaging, 'MESSAGING_URL');
  const columns = config.kind === 'accounts' ? TENANT_COLUMNS : ORDER_COLUMNS;
  const decoder = new ChangeDecoder(openRegistry(settings), columns);
  const privacy = settings.privacyKey === null ? null : privacyKey(settings.privacyKey);
  return async (signal, report) => {
    const database = openDatabase(url, 'messaging', {
      applicationName: `ventia-cdc ${config.name}`,
      session: SINK_SESSION,
    });
    try {
      const sink = await openSink(config, rules, database, privacy, log);
      const consumer = createGroupConsumer({
        access: settings.kafka,
        log,
        groupId: config.consumerGroup,
        topics: config.topics,
        concurrency: CONCURRENCY,
        onResume: (topic, partition, offset) => resumeAt(stats, topic, partition, offset),
        onReset: (topic, partition) => resumeAt(stats, topic, partition, 0n),
        // Fences leave markers that no batch shows: without them the lag of an idle partition would never be 0.
        onCommitted: (topic, partition, offset, highWatermark) =>
          Object.assign(partitionStats(stats, topic, partition), { offset, highWatermark }),
      });
      const decode = (_topic: string, records: Parameters<ChangeDecoder['decode']>[0]) => decoder.decode(records);
      const { batchMaxRecords: maxRecords, topics, progressTimeoutMs } = config;
      const followHeartbeats = (onHeartbeat: (heartbeat: Heartbeat) => void) =>
        followState(settings.kafka, log, config.stateTopic, 0n, (key, value) => {
          const heartbeat = readHeartbeat(key, value);
          if (heartbeat) onHeartbeat(heartbeat);
        });
      await runSink(
        { maxRecords, topics, progressTimeoutMs },
        { consumer, decode, sink, followHeartbeats, stats, observers, log, onReadiness: report, onOutcomes },
        signal,
      );
    } finally {
      await database.close();
    }
  };
}

/** What is told of a partition that has nothing to read. */
function resumeAt(stats: SinkStats, topic: string, partition: number, offset: bigint): void {
  const part = partitionStats(stats, topic, partition);
  if (offset > part.offset) part.offset = offset;
}

async function openSink(
  config: SinkConfig,
  rules: Rules,
  database: Database,
  privacy: PrivacyKey | null,
  log: Logger,
): Promise<Sink> {
  await requireMigrated(database, await readMigrations(LEDGER_FOLDER));
  await checkPrivacyKey(database, privacy);
  const catalog = await readCatalog(database, config.messagingSchema);
  for (const { what, fix } of catalog.warnings) log.warn({ fix }, what);
  const imported = await importAliases(database, catalog, rules);
  if (imported > 0) log.info({ aliases: imported }, 'first start: customer ids of existing contacts were taken over');
  const dependencies = { database, catalog, rules, privacy };
  return config.kind === 'accounts' ? createAccountsSink(dependencies) : createContactsSink(dependencies);
}

/**
 * Both sinks go by the same rules, because the accounts sink places orders too: `connectors` are all that there are, not only
 * those that run in this process.
 */
export function rulesOf(connectors: readonly ConnectorConfig[]): Rules {
  const accounts = connectors.find((connector) => connector.kind === 'accounts');
  const contacts = connectors.find((connector) => connector.kind === 'contacts');
  return {
    ...DEFAULT_NORMALIZATION,
    ...(contacts && {
      notCountingStatuses: new Set(contacts.uncountedStatuses),
      emailBlocklist: emailBlocklist(contacts.emailBlocklist),
      customerIdBlocklist: new Set(contacts.customerIdBlocklist),
    }),
    totalOrders: contacts?.totalOrdersMode ?? 'count',
    inactiveSuspends: accounts?.inactiveSuspends ?? true,
    platformTenants: accounts?.includePlatformTenants ?? true,
    precedence: contacts?.identityPrecedence ?? 'phone',
    phone: rememberingPhoneNormalizer(contacts?.landlines ?? false),
  };
}
