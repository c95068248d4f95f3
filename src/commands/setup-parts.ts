import { COMPATIBILITY, ensureSubjects, planSubjects, type SubjectPlan } from '../avro/subjects';
import type { ConnectorConfig, SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import {
  capturedBefore,
  confirmedAtMost,
  readState as readRecord,
  stateKeys,
  type TopicsState,
} from '../core/capture-state';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import { openAdmin } from '../kafka/admin';
import { readState } from '../kafka/state-reader';
import type { TopicSpec, TopicStep } from '../kafka/topic-plan';
import { openDatabase } from '../postgres/database';
import { applyMigrations, planMigrations, readMigrations } from '../postgres/migrations';
import { openSourceSetup } from '../postgres/source-setup';
import { LEDGER_FOLDER } from './paths';
import { planLedgerGrants } from './setup-grants';
import { contractsFor, expectedSource, withQueries } from './wire-capture';
import { openRegistry } from './wire-registry';

/** One thing set-up would do, as it is shown. */
export interface ShownStep {
  readonly title: string;
  readonly why: string | null;
  readonly price: string | null;
  /** What is run, where it is SQL. */
  readonly sql: readonly string[];
}

/** One place that is set up. */
export interface SetupPart {
  readonly place: string;
  readonly steps: readonly ShownStep[];
  /** What set-up cannot mend: nothing is applied while there is any. */
  readonly problems: readonly CdcError[];
  /** `say` hears of each thing done, and of what is waited for. */
  apply(say: (line: string) => void): Promise<void>;
  close(): Promise<void>;
}

export interface SetupRequest {
  readonly connectors: readonly ConnectorConfig[];
  readonly settings: Settings;
  readonly identity: 'auto' | 'full' | 'index';
  readonly log: Logger;
}

const APPLICATION = 'ventia-cdc setup';

/** Looks at all places; changes nothing. In the order in which they are to be applied. */
export async function planSetup(request: SetupRequest): Promise<SetupPart[]> {
  const parts: SetupPart[] = [];
  const source = request.connectors.find((connector) => connector.kind === 'source');
  if (source)
    parts.push(
      await planSource(request, source),
      await planTopics(request, source),
      await planRegistry(request, source),
    );
  if (request.connectors.some(({ kind }) => kind !== 'source')) parts.push(await planLedger(request));
  return parts;
}

/** All of it, without asking. Rejects with the first problem. */
export async function setUp(request: SetupRequest): Promise<void> {
  const parts = await planSetup(request);
  try {
    for (const { problems } of parts) if (problems[0]) throw problems[0];
    for (const { place, steps, apply } of parts)
      if (steps.length > 0) await apply((line) => request.log.info({ place }, `set-up: ${line}`));
  } finally {
    await Promise.all(parts.map((part) => part.close()));
  }
}

async function planSource({ settings, identity, log }: SetupRequest, config: SourceConfig): Promise<SetupPart> {
  const { url, adminUrl } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const contracts = await withQueries(adminUrl, APPLICATION, (queries) => contractsFor(config, settings, queries));
  const state = await readState(settings.kafka, log, config.stateTopic);
  const expected = {
    ...expectedSource(config, contracts, capturedBefore(state, config.name)),
    confirmedAtMost: confirmedAtMost(state, config.name),
    role: decodeURIComponent(new URL(url).username),
  };
  const setup = openSourceSetup(url, adminUrl);
  const columns = config.publicationColumns === 'contract' ? 'contract' : 'all';
  const plan = await setup.plan(expected, { identity, columns });
  return {
    place: 'Source database',
    steps: plan.steps,
    problems: plan.problems,
    apply: (say) =>
      setup.apply(plan, expected, {
        onStep() {},
        onSql() {},
        onWaiting: (who) => say(`waiting for ${who}`),
        onDone: ({ title }) => say(title),
      }),
    close: () => setup.close(),
  };
}

export async function planTopics(
  { settings, log }: Pick<SetupRequest, 'settings' | 'log'>,
  config: SourceConfig,
): Promise<SetupPart> {
  const { replicationFactor } = config;
  // The file says how many a new topic has; how many there are by now says the state topic.
  const state = await readState(settings.kafka, log, config.stateTopic);
  const recorded = readRecord<TopicsState>(state, stateKeys.topics(config.name));
  const partitions = recorded?.partitions ?? config.partitions;
  const specs: TopicSpec[] = [
    ...config.tables.map(
      ({ topic }): TopicSpec => ({ name: topic, purpose: 'changes', partitions, replicationFactor }),
    ),
    { name: config.stateTopic, purpose: 'state', partitions: 1, replicationFactor },
    { name: config.deadLetterTopic, purpose: 'dead-letters', partitions: 1, replicationFactor },
  ];
  const admin = await openAdmin(settings.kafka, log);
  const { steps, findings } = await admin.planTopics(specs);
  return {
    place: 'Kafka',
    steps: steps.map(showTopicStep),
    problems: findings,
    apply: async (say) => {
      const done = await admin.ensureTopics(specs);
      for (const step of done.steps) say(showTopicStep(step).title);
    },
    close: () => admin.close(),
  };
}

function showTopicStep(step: TopicStep): ShownStep {
  const nothing = { price: null, sql: [] };
  if (step.do === 'alter') {
    const changes = step.changes.map(({ name, from, to }) => `${name}: ${from} -> ${to}`).join(', ');
    return { title: `topic ${step.topic}: ${changes}`, why: null, ...nothing };
  }
  const settings = Object.entries(step.settings).map(([name, value]) => `${name}=${value}`);
  const title = `topic ${step.topic}: ${step.partitions} partitions, ${step.replicationFactor} replicas`;
  return { title, why: settings.join(', '), ...nothing };
}

export async function planRegistry(
  { settings }: Pick<SetupRequest, 'settings'>,
  config: SourceConfig,
): Promise<SetupPart> {
  const { adminUrl } = needed(settings.source, 'VENTIA_SOURCE_URL');
  const contracts = await withQueries(adminUrl, APPLICATION, (queries) => contractsFor(config, settings, queries));
  const registry = openRegistry(settings);
  const plans = await planSubjects(registry, contracts);
  const open = plans.filter(({ id, compatibility }) => id === null || compatibility !== COMPATIBILITY);
  const titleOf = ({ subject, id, compatibility }: SubjectPlan) =>
    id === null
      ? `subject ${subject}`
      : `subject ${subject}: compatibility ${compatibility ?? 'unset'} -> ${COMPATIBILITY}`;
  return {
    place: 'Schema registry',
    steps: open.map((plan) => ({ title: titleOf(plan), why: null, price: null, sql: [] })),
    problems: plans
      .filter(({ incompatible }) => incompatible !== null)
      .map(({ subject, incompatible }) => new CdcError('schema_incompatible', `subject ${subject}: ${incompatible}`)),
    apply: async (say) => {
      await ensureSubjects(registry, contracts);
      for (const plan of open) say(titleOf(plan));
    },
    close: async () => {},
  };
}

export async function planLedger({ settings }: Pick<SetupRequest, 'settings'>): Promise<SetupPart> {
  const { url, adminUrl } = needed(settings.messaging, 'MESSAGING_URL');
  const database = openDatabase(adminUrl, 'messaging', { applicationName: APPLICATION });
  const migrations = await planMigrations(database, await readMigrations(LEDGER_FOLDER));
  const role = decodeURIComponent(new URL(url).username);
  const grants = await planLedgerGrants(database, role, migrations.length > 0);
  return {
    place: 'Messaging database',
    steps: [
      ...migrations.map(({ file, sql }) => ({
        title: `ledger: ${file}`,
        why: "tables of the sinks' own, in schema cdc",
        price: null,
        sql: [sql],
      })),
      ...(grants.length > 0
        ? [{ title: `ledger: rights of ${role}`, why: 'the sinks write it', price: null, sql: grants }]
        : []),
    ],
    problems: [],
    apply: async (say) => {
      await applyMigrations(database, migrations, ({ file }) => say(`ledger: ${file}`));
      for (const grant of grants) await database.execute(grant);
      if (grants.length > 0) say(`ledger: rights of ${role}`);
    },
    close: () => database.close(),
  };
}
