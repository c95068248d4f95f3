import { CdcError } from '../core/errors';
import { partitionsChanged } from '../core/partition';

/** What a topic is for decides its settings. */
export type TopicPurpose = 'changes' | 'state' | 'dead-letters';

export interface TopicSpec {
  readonly name: string;
  readonly purpose: TopicPurpose;
  readonly partitions: number;
  /** Of a topic that is made; absent or null = three, or as many as there are brokers. */
  readonly replicationFactor?: number | null;
}

export interface TopicDescription {
  readonly name: string;
  readonly partitions: number;
  /** Of the partition that has the fewest. */
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  /** Size of the largest record batch it takes. */
  readonly maxBatchBytes: number;
  /** In force, by name; `own` = set on the topic itself. */
  readonly settings: ReadonlyMap<string, { readonly value: string; readonly own: boolean }>;
}

export type TopicStep =
  | {
      readonly do: 'create';
      readonly topic: string;
      readonly partitions: number;
      readonly replicationFactor: number;
      readonly settings: Readonly<Record<string, string>>;
    }
  | {
      readonly do: 'alter';
      readonly topic: string;
      readonly changes: readonly { readonly name: string; readonly from: string; readonly to: string }[];
      /** Everything the topic itself shall have: what is not named here would fall back to the broker's default. */
      readonly settings: Readonly<Record<string, string>>;
    };

export interface TopicPlan {
  readonly steps: readonly TopicStep[];
  /** What set-up does not mend by itself. */
  readonly findings: readonly CdcError[];
}

interface Rule {
  readonly name: string;
  readonly wanted: string;
  accepts(value: string): boolean;
  /** Newer brokers only: left out when a topic is made, mended on topics that tell it. */
  readonly optional?: true;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Full history for a week: what a sink may be behind without missing a delete. */
const HISTORY_MS = 7 * DAY_MS;
const DEAD_LETTER_MS = 30 * DAY_MS;
const FOREVER = '9223372036854775807';
const FLUSH_MS = 10_000;
const STATE_SEGMENT_BYTES = 8 * 1024 * 1024;
const MOST_REPLICAS = 3;

const exactly = (name: string, wanted: string): Rule => ({ name, wanted, accepts: (value) => value === wanted });
const atLeast = (name: string, least: number): Rule => ({
  name,
  wanted: String(least),
  accepts: (value) => Number(value) >= least,
});
const atMost = (name: string, most: number): Rule => ({
  name,
  wanted: String(most),
  accepts: (value) => Number(value) <= most,
});

/**
 * Replicas that surely have an acknowledged record. With fewer than two an acknowledgement is not on a disk: a power cut
 * takes what the page cache held.
 */
export function replicasOfAnAck(topic: {
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
}): number {
  return Math.min(topic.replicationFactor, topic.minInsyncReplicas);
}

function rulesOf(purpose: TopicPurpose, acknowledged: number, minLagMs: number): Rule[] {
  const common: Rule[] = [
    // Record times are the source's commit times, also when the source's clock is ahead.
    exactly('message.timestamp.type', 'CreateTime'),
    { ...exactly('message.timestamp.after.max.ms', FOREVER), optional: true },
    exactly('unclean.leader.election.enable', 'false'),
    // What any client can read; kafkajs knows no other codecs.
    {
      name: 'compression.type',
      wanted: 'producer',
      accepts: (value) => ['producer', 'uncompressed', 'gzip'].includes(value),
    },
    ...(acknowledged < 2 ? [atMost('flush.ms', FLUSH_MS)] : []),
  ];
  switch (purpose) {
    case 'changes':
      return [
        exactly('cleanup.policy', 'compact'),
        atLeast('min.compaction.lag.ms', HISTORY_MS),
        {
          name: 'max.compaction.lag.ms',
          wanted: String(minLagMs + DAY_MS),
          accepts: (value) => Number(value) >= minLagMs && Number(value) <= minLagMs + DAY_MS,
        },
        atLeast('delete.retention.ms', HISTORY_MS),
        atMost('segment.ms', DAY_MS),
        ...common,
      ];
    case 'state':
      // Read whole at every start, and rewritten all day long: kept short.
      return [
        exactly('cleanup.policy', 'compact'),
        exactly('min.compaction.lag.ms', '0'),
        atMost('segment.ms', HOUR_MS),
        atMost('segment.bytes', STATE_SEGMENT_BYTES),
        atMost('min.cleanable.dirty.ratio', 0.1),
        ...common,
      ];
    case 'dead-letters':
      return [
        exactly('cleanup.policy', 'delete'),
        {
          name: 'retention.ms',
          wanted: String(DEAD_LETTER_MS),
          accepts: (value) => value === '-1' || Number(value) >= DEAD_LETTER_MS,
        },
        ...common,
      ];
  }
}

/**
 * What has to be done so that the topics are as the pipeline needs them. Settings that are better than needed (longer
 * retention, shorter segments) stay. Pure: `found` are those that exist, `brokers` the number of brokers.
 */
export function planTopics(
  specs: readonly TopicSpec[],
  found: readonly TopicDescription[],
  brokers: number,
): TopicPlan {
  const steps: TopicStep[] = [];
  const findings: CdcError[] = [];
  for (const spec of specs) {
    const topic = found.find(({ name }) => name === spec.name);
    if (!topic) {
      const replicas = spec.replicationFactor ?? Math.min(MOST_REPLICAS, brokers);
      if (replicas > brokers) findings.push(tooManyReplicas(spec, replicas, brokers));
      else steps.push(planCreation(spec, replicas));
      continue;
    }
    const finding = wrongPartitions(spec, topic);
    if (finding) findings.push(finding);
    const alteration = planAlteration(spec, topic);
    if (alteration) steps.push(alteration);
  }
  return { steps, findings };
}

function planCreation({ name, purpose, partitions }: TopicSpec, replicationFactor: number): TopicStep {
  const minInsyncReplicas = replicationFactor >= 3 ? 2 : 1;
  const rules = rulesOf(purpose, minInsyncReplicas, HISTORY_MS).filter(({ optional }) => !optional);
  const settings = Object.fromEntries(rules.map((rule) => [rule.name, rule.wanted]));
  settings['min.insync.replicas'] = String(minInsyncReplicas);
  return { do: 'create', topic: name, partitions, replicationFactor, settings };
}

function planAlteration({ name, purpose }: TopicSpec, topic: TopicDescription): TopicStep | null {
  const inForce = (setting: string) => topic.settings.get(setting)?.value;
  const minLagMs = Math.max(HISTORY_MS, Number(inForce('min.compaction.lag.ms') ?? 0));
  const changes = rulesOf(purpose, replicasOfAnAck(topic), minLagMs).flatMap((rule) => {
    const from = inForce(rule.name);
    return from === undefined || rule.accepts(from) ? [] : [{ name: rule.name, from, to: rule.wanted }];
  });
  if (changes.length === 0) return null;
  const own = [...topic.settings].filter(([, { own }]) => own).map(([setting, { value }]) => [setting, value]);
  const settings = Object.fromEntries([...own, ...changes.map((change) => [change.name, change.to])]);
  return { do: 'alter', topic: name, changes, settings };
}

function tooManyReplicas({ name }: TopicSpec, replicas: number, brokers: number): CdcError {
  return new CdcError(
    'topic_settings',
    `topic ${name} shall have ${replicas} replicas, and there are ${brokers} brokers`,
    {
      fix: 'Set replication.factor to the number of brokers at most, or start more of them.',
    },
  );
}

function wrongPartitions(spec: TopicSpec, topic: TopicDescription): CdcError | null {
  if (topic.partitions === spec.partitions) return null;
  if (spec.purpose === 'changes') return partitionsChanged(topic, spec.partitions);
  const what = `topic ${spec.name} has ${topic.partitions} partitions, not ${spec.partitions}`;
  return new CdcError('topic_settings', what, {
    fix: `Delete topic ${spec.name} while nothing runs and run ventia-cdc setup, or name another one.`,
  });
}
