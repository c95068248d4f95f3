import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeDecoder } from '../avro/decoder';
import type { ConnectorConfig, SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { type RepartitionState, readState, stateKeys, type TopicsState } from '../core/capture-state';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import { type KafkaAdmin, openAdmin, type PartitionLag } from '../kafka/admin';
import { readState as readStateTopic } from '../kafka/state-reader';
import { repartition } from '../pipeline/repartition';
import { WATERMARK_PREFIX } from '../pipeline/stream-watcher';
import type { SetupPart } from './setup-parts';
import { withQueries } from './wire-capture';
import { openRegistry } from './wire-registry';
import { openWriter, tablesOf } from './wire-writer';

const APPLICATION = 'ventia-cdc setup';
/** How often the sinks are looked at, and how long one may stand still before it is given up. */
const LOOK_MS = 500;
const PATIENCE_MS = 30_000;
/** Capture may be in a long transaction, or trail the topics by up to a minute. */
const CAPTURE_PATIENCE_MS = 180_000;
/** How often it is said what is waited for. */
const SAY_MS = 5_000;

/** What a sink reads. */
interface Reader {
  readonly groupId: string;
  readonly topics: readonly string[];
}

/** `setup --repartition`: raises the number of partitions, or takes over one that somebody else has raised. */
export async function planRepartition(
  connectors: readonly ConnectorConfig[],
  settings: Settings,
  partitions: number,
  signal: AbortSignal,
  log: Logger,
): Promise<SetupPart> {
  const config = connectors.find((connector) => connector.kind === 'source');
  if (!config) throw new CdcError('connector_invalid', 'no connector file is of ventia.PostgresSource');
  const readers = connectors.flatMap((connector): Reader[] =>
    connector.kind === 'source' ? [] : [{ groupId: connector.consumerGroup, topics: connector.topics }],
  );
  const admin = await openAdmin(settings.kafka, log);
  try {
    return await plan({ config, readers, settings, partitions, admin, signal, log });
  } catch (error) {
    await admin.close();
    throw error;
  }
}

interface Request {
  readonly config: SourceConfig;
  readonly readers: readonly Reader[];
  readonly settings: Settings;
  readonly partitions: number;
  readonly admin: KafkaAdmin;
  /** Aborted while the sinks are waited for: capture goes on as before. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

async function plan({ config, readers, settings, partitions, admin, signal, log }: Request): Promise<SetupPart> {
  const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const names = config.tables.map(({ topic }) => topic);
  const found = await admin.describeTopics(names);
  for (const name of names)
    if (!found.some((topic) => topic.name === name))
      throw new CdcError('topic_missing', `topic ${name} does not exist`);
  const state = await readStateTopic(settings.kafka, log, config.stateTopic);
  const recorded = readState<TopicsState>(state, stateKeys.topics(config.name))?.partitions ?? found[0]!.partitions;
  const begun = readState<RepartitionState>(state, stateKeys.repartition(config.name));
  const most = Math.max(recorded, ...found.map((topic) => topic.partitions));
  if (partitions < most)
    throw new CdcError('usage', `the topics have ${most} partitions, and Kafka cannot take any away`, {
      fix: `ventia-cdc setup --repartition ${most}`,
    });
  const raised = found.filter((topic) => topic.partitions < partitions).map(({ name }) => name);
  const isNeeded = begun !== null || partitions > recorded || raised.length > 0;
  return {
    place: `Partitions of ${names.join(' and ')}`,
    steps: isNeeded ? describeSteps(readers, raised, partitions) : [],
    problems: [],
    apply: async (say) => {
      const decoder = new ChangeDecoder(openRegistry(settings));
      await repartition(
        { connector: config.name, tables: tablesOf(config), partitions, loads: config.snapshotMode !== 'never' },
        {
          openWriter: () => openWriter(config, settings, decoder, log),
          emitMark: (mark) => withQueries(url, APPLICATION, (queries) => queries.emitMessage(WATERMARK_PREFIX, mark)),
          reached: (mark) => reached({ config, readers, settings, partitions, admin, signal, log }, mark, say),
          drained: () => drained(admin, readers, recorded, say, signal),
          raise: async () => {
            for (const topic of raised) await admin.raisePartitions(topic, partitions);
          },
          clock: () => new Date(),
        },
      );
      say(`${partitions} partitions; capture goes on and moves the rows of tenants that belong elsewhere now`);
    },
    close: () => admin.close(),
  };
}

function describeSteps(readers: readonly Reader[], raised: readonly string[], partitions: number) {
  const titles = [
    'capture writes what is committed by now, and stops',
    ...readers.map(({ groupId }) => `wait until ${groupId} has applied everything`),
    ...raised.map((topic) => `topic ${topic}: ${partitions} partitions`),
    'capture goes on, and moves the rows of tenants that belong to another partition now',
  ];
  return titles.map((title) => ({ title, why: null, price: null, sql: [] }));
}

/** Resolves with the LSN of the mark when capture says that it has come to it. Rejects with not_drained. */
async function reached(
  { config, settings, admin, signal, log }: Request,
  mark: string,
  say: (line: string) => void,
): Promise<string> {
  const key = stateKeys.repartition(config.name);
  const topics = config.tables.map(({ topic }) => topic);
  let written = -1n;
  let movedMs = Date.now();
  for (let saidMs = Date.now(); ; await sleep(LOOK_MS)) {
    const state = readState<RepartitionState>(await readStateTopic(settings.kafka, log, config.stateTopic), key);
    if (state?.mark === mark && state.reached !== undefined) return state.reached;
    if (state?.mark !== mark) throw new CdcError('not_drained', 'another repartition was begun in this moment');
    if (signal.aborted) throw new CdcError('not_drained', 'broken off before capture came to the mark');
    const now = (await admin.spans(topics)).reduce((sum, { end }) => sum + end, 0n);
    if (now > written) movedMs = Date.now();
    written = now;
    if (Date.now() - movedMs > CAPTURE_PATIENCE_MS)
      throw new CdcError('not_drained', 'capture does not come to the mark in the WAL', {
        fix: 'Start capture (ventia-cdc run), see why it is not ready, and try again.',
      });
    if (Date.now() - saidMs < SAY_MS) continue;
    say('waiting for capture to write what was committed so far');
    saidMs = Date.now();
  }
}

/** Markers of fences, which a sink that runs passes too, are waited for as records are. Rejects with not_drained. */
async function drained(
  admin: KafkaAdmin,
  readers: readonly Reader[],
  partitions: number,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const ends = new Map<string, bigint>();
  for (const { topics } of readers)
    for (const { topic, partition, end } of await admin.spans(topics)) ends.set(`${topic}/${partition}`, end);
  for (const { groupId, topics } of readers) {
    let least: bigint | null = null;
    let movedMs = Date.now();
    for (let saidMs = 0; ; await sleep(LOOK_MS)) {
      const lags = (await admin.groupLag(groupId, topics)).filter((lag) => lag.partition < partitions);
      const behind = lags.reduce((sum, lag) => sum + behindBy(lag, ends.get(`${lag.topic}/${lag.partition}`)!), 0n);
      if (behind === 0n) break;
      if (signal.aborted) throw new CdcError('not_drained', `broken off while ${groupId} was ${behind} records behind`);
      if (least === null || behind < least) movedMs = Date.now();
      least = behind;
      if (lags.every(({ committed }) => committed === null))
        throw new CdcError('not_drained', `consumer group ${groupId} has no offsets: the sink has never run`);
      if (Date.now() - movedMs > PATIENCE_MS)
        throw new CdcError('not_drained', `consumer group ${groupId} stands still, ${behind} records behind`);
      if (Date.now() - saidMs < SAY_MS) continue;
      say(`waiting for ${groupId}: ${behind} records behind`);
      saidMs = Date.now();
    }
  }
}

function behindBy({ committed, end, lag }: PartitionLag, wanted: bigint): bigint {
  const from = committed ?? end - lag;
  return wanted > from ? wanted - from : 0n;
}
