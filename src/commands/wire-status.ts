import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectorConfig, SourceConfig } from '../config/connector';
import type { Settings } from '../config/settings';
import type { Logger } from '../core/ports/log';
import type { ProcessReport } from '../core/process-report';
import type { SourceFacts, StatusView } from '../core/status';
import { WalRate } from '../core/wal-budget';
import { openAdmin } from '../kafka/admin';
import { readState } from '../kafka/state-reader';
import { readBacklog } from '../messaging/backlog';
import { readStatus, type StatusDeps } from '../ops/status';
import { openDatabase } from '../postgres/database';
import { observeSlot, readIdentity, slotHolder } from '../postgres/slot';
import { modeOf } from './wire-snapshots';
import { tablesOf } from './wire-writer';

export interface StatusReader {
  /** Never rejects because somebody does not answer. */
  read(): Promise<StatusView>;
  close(): Promise<void>;
}

const SESSION = { applicationName: 'ventia-cdc status', max: 2 };
/** Between two looks at the end of the WAL, for its rate. */
const RATE_MS = 1000;

/** The status of all connectors, whatever process runs them: what is asked is what the settings know. */
export function openStatus(
  connectors: readonly ConnectorConfig[],
  settings: Settings,
  log: Logger,
  own: () => ProcessReport | null,
): StatusReader {
  const source = settings.source && openDatabase(settings.source.url, 'source', SESSION);
  const messaging = settings.messaging && openDatabase(settings.messaging.url, 'messaging', SESSION);
  const config = connectors.find((connector) => connector.kind === 'source') ?? null;
  const stateTopic = connectors[0]?.stateTopic ?? '';
  const rate = new WalRate();

  const lookAtSource = async ({ slotName }: SourceConfig): Promise<SourceFacts | null> => {
    if (!source) return null;
    const measure = async () => {
      const { walLsn } = await readIdentity(source);
      return rate.measure(walLsn, performance.now());
    };
    let walBytesPerSecond = await measure();
    if (walBytesPerSecond === null) {
      await pause(RATE_MS);
      walBytesPerSecond = await measure();
    }
    const slot = await observeSlot(source, slotName);
    return { walBytesPerSecond, slot, holder: await slotHolder(source, slotName) };
  };

  const read = async (): Promise<StatusView> => {
    const admin = openAdmin(settings.kafka, log);
    const deps: StatusDeps = {
      capture: config && { name: config.name, slot: config.slotName, tables: tablesOf(config), mode: modeOf(config) },
      sinks: connectors.flatMap((sink) =>
        sink.kind === 'source'
          ? []
          : [
              {
                name: sink.name,
                group: sink.consumerGroup,
                topics: sink.topics,
                table: sink.kind === 'accounts' ? 'tenants' : 'orders',
              },
            ],
      ),
      own,
      readState: () => readState(settings.kafka, log, stateTopic),
      groupLag: async (group, topics) => (await admin).groupLag(group, topics),
      lookAtSource: async () => config && lookAtSource(config),
      backlog: async (table) => messaging && readBacklog(messaging, table),
      clock: () => new Date(),
    };
    try {
      return await readStatus(deps);
    } finally {
      admin.then(
        (opened) => opened.close(),
        () => {},
      );
    }
  };
  return {
    read,
    close: async () => {
      await Promise.all([source?.close(), messaging?.close()]);
    },
  };
}
