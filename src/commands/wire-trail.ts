import type { SourceConfig } from '../config/connector';
import type { Settings } from '../config/settings';
import type { Logger } from '../core/ports/log';
import { openAdmin } from '../kafka/admin';
import { replicasOfAnAck } from '../kafka/topic-plan';

/** Longer than flush.ms of the topics. */
const TRAIL_MS = 30_000;
/** Longer than Linux leaves a written page in memory: it looks every 5 s for those older than 30 s. */
const UNFLUSHED_TRAIL_MS = 60_000;
/** As flush.ms is looked at. */
const FLUSH_LOOK_MS = 10_000;

/**
 * How long the confirmed position has to trail the acknowledged one: an acknowledgement of one replica is in its page cache,
 * not on its disk, and a power cut takes it back. Rejects with kafka_unreachable, kafka_refused.
 */
export async function trailFor(config: SourceConfig, settings: Settings, log: Logger): Promise<number> {
  if (config.confirmTrailMs !== null) return config.confirmTrailMs;
  const admin = await openAdmin(settings.kafka, log);
  try {
    const names = [...config.tables.map(({ topic }) => topic), config.stateTopic, config.deadLetterTopic];
    const topics = await admin.describeTopics(names);
    if (topics.every((topic) => replicasOfAnAck(topic) >= 2)) return 0;
    const look = (await admin.brokerSettings()).get('log.flush.scheduler.interval.ms');
    if (look === undefined || Number(look) <= FLUSH_LOOK_MS) return TRAIL_MS;
    log.warn(
      { fix: `Set log.flush.scheduler.interval.ms=1000 on the broker, or give the topics two in-sync replicas.` },
      `the broker does not look at flush.ms: the confirmed position trails by ${UNFLUSHED_TRAIL_MS / 1000} s`,
    );
    return UNFLUSHED_TRAIL_MS;
  } finally {
    await admin.close();
  }
}
