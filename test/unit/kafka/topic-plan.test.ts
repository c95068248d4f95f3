import { planTopics, replicasOfAnAck, type TopicDescription, type TopicSpec } from '../../../src/kafka/topic-plan';

const DAY = 86_400_000;
const changes: TopicSpec = { name: 'ventia.orders', purpose: 'changes', partitions: 6 };
const state: TopicSpec = { name: '_ventia_cdc_state', purpose: 'state', partitions: 1 };
const deadLetters: TopicSpec = { name: '_ventia_cdc_dlq', purpose: 'dead-letters', partitions: 1 };

/** A topic as set-up makes it, with differences. */
function topic(
  spec: TopicSpec,
  differences: Record<string, string> = {},
  shape: Partial<Pick<TopicDescription, 'partitions' | 'replicationFactor' | 'minInsyncReplicas'>> = {},
): TopicDescription {
  const [step] = planTopics([spec], [], 1).steps;
  const made = { ...step!.settings, 'message.timestamp.after.max.ms': '9223372036854775807', ...differences };
  const settings = new Map(Object.entries(made).map(([name, value]) => [name, { value, own: true }]));
  settings.set('max.message.bytes', { value: '1048588', own: false });
  const { name, partitions } = spec;
  return { name, partitions, replicationFactor: 1, minInsyncReplicas: 1, maxBatchBytes: 1048588, ...shape, settings };
}

const alteration = (spec: TopicSpec, found: TopicDescription) => {
  const { steps } = planTopics([spec], [found], 1);
  return steps.length === 0 ? null : (steps[0] as Extract<(typeof steps)[number], { do: 'alter' }>);
};

describe('planTopics', () => {
  it('makes what is missing, with a week of history', () => {
    const { steps, findings } = planTopics([changes, state, deadLetters], [], 1);
    expect(findings).toEqual([]);
    expect(steps[0]).toEqual({
      do: 'create',
      topic: 'ventia.orders',
      partitions: 6,
      replicationFactor: 1,
      settings: {
        'cleanup.policy': 'compact',
        'min.compaction.lag.ms': '604800000',
        'max.compaction.lag.ms': '691200000',
        'delete.retention.ms': '604800000',
        'segment.ms': '86400000',
        'message.timestamp.type': 'CreateTime',
        'unclean.leader.election.enable': 'false',
        'compression.type': 'producer',
        'flush.ms': '10000',
        'min.insync.replicas': '1',
      },
    });
    expect(steps[1]).toMatchObject({
      do: 'create',
      topic: '_ventia_cdc_state',
      partitions: 1,
      settings: { 'cleanup.policy': 'compact' },
    });
    expect(steps[2]).toMatchObject({
      topic: '_ventia_cdc_dlq',
      settings: { 'cleanup.policy': 'delete', 'retention.ms': '2592000000' },
    });
  });

  it.each([
    [1, 1, '1', '10000'],
    [2, 2, '1', '10000'],
    [3, 3, '2', undefined],
    [9, 3, '2', undefined],
  ])('on %d brokers: %d replicas, %s of them in sync, flush.ms %s', (brokers, replicationFactor, inSync, flushMs) => {
    const [step] = planTopics([changes], [], brokers).steps;
    expect(step).toMatchObject({ replicationFactor, settings: { 'min.insync.replicas': inSync } });
    expect(step!.settings['flush.ms']).toBe(flushMs);
  });

  it.each([changes, state, deadLetters])('does nothing for $name as it made it', (spec) => {
    expect(planTopics([spec], [topic(spec)], 1)).toEqual({ steps: [], findings: [] });
  });

  it('mends only what is worse than needed and keeps everything else that was set', () => {
    const found = topic(changes, {
      'cleanup.policy': 'delete',
      'segment.ms': '604800000',
      'max.message.bytes': '5000000',
    });
    const step = alteration(changes, found)!;
    expect(step.changes).toEqual([
      { name: 'cleanup.policy', from: 'delete', to: 'compact' },
      { name: 'segment.ms', from: '604800000', to: '86400000' },
    ]);
    expect(step.settings).toMatchObject({
      'cleanup.policy': 'compact',
      'segment.ms': '86400000',
      'min.compaction.lag.ms': '604800000',
    });
    // The broker's own defaults are not written down as the topic's.
    expect(step.settings).not.toHaveProperty('max.message.bytes');
  });

  it('leaves a longer history and shorter segments as they are, and moves the maximum with it', () => {
    const longer = {
      'min.compaction.lag.ms': String(30 * DAY),
      'delete.retention.ms': String(30 * DAY),
      'segment.ms': '3600000',
    };
    expect(alteration(changes, topic(changes, longer))!.changes).toEqual([
      { name: 'max.compaction.lag.ms', from: String(8 * DAY), to: String(31 * DAY) },
    ]);
    expect(alteration(changes, topic(changes, { ...longer, 'max.compaction.lag.ms': String(31 * DAY) }))).toBeNull();
    expect(alteration(deadLetters, topic(deadLetters, { 'retention.ms': '-1' }))).toBeNull();
  });

  it('wants acknowledged records on a disk where one replica answers alone', () => {
    const defaults = { 'flush.ms': '9223372036854775807' };
    const replicated = { replicationFactor: 3, minInsyncReplicas: 2 };
    expect(alteration(changes, topic(changes, defaults))!.changes).toEqual([
      { name: 'flush.ms', from: defaults['flush.ms'], to: '10000' },
    ]);
    expect(alteration(changes, topic(changes, defaults, { ...replicated, minInsyncReplicas: 1 }))).not.toBeNull();
    expect(alteration(changes, topic(changes, defaults, replicated))).toBeNull();
    expect(replicasOfAnAck(replicated)).toBe(2);
  });

  it('skips what an older broker does not know', () => {
    const found = topic(changes);
    (found.settings as Map<string, unknown>).delete('message.timestamp.after.max.ms');
    expect(alteration(changes, found)).toBeNull();
  });

  it('finds wrong numbers of partitions and does not touch them', () => {
    const found = [topic(changes, {}, { partitions: 12 }), topic(state, {}, { partitions: 2 })];
    const { steps, findings } = planTopics([changes, state], found, 1);
    expect(steps).toEqual([]);
    expect(findings.map(({ kind }) => kind)).toEqual(['partitions_changed', 'topic_settings']);
  });
});

describe('replicas of a new topic', () => {
  const made = (replicationFactor: number | null, brokers: number) =>
    planTopics([{ ...changes, replicationFactor }], [], brokers);

  it.each([
    [1, 1, '1'],
    [2, 2, '1'],
    [3, 3, '2'],
    [5, 3, '2'],
  ])('with %i brokers are %i, of which %s must be in sync', (brokers, replicas, inSync) => {
    expect(made(null, brokers).steps).toMatchObject([
      { do: 'create', replicationFactor: replicas, settings: { 'min.insync.replicas': inSync } },
    ]);
  });

  it('are as many as the connector file says', () => {
    expect(made(1, 3).steps).toMatchObject([{ replicationFactor: 1, settings: { 'flush.ms': '10000' } }]);
    expect(made(5, 5).steps).toMatchObject([{ replicationFactor: 5, settings: { 'min.insync.replicas': '2' } }]);
  });

  it('cannot be more than there are brokers', () => {
    const { steps, findings } = made(3, 2);
    expect([steps, findings.map(({ kind }) => kind)]).toEqual([[], ['topic_settings']]);
  });
});
