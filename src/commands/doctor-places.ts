import type { ConnectorConfig, SourceConfig } from '../config/connector';
import type { Settings } from '../config/settings';
import { capturedBefore, confirmedAtMost, judgeHistory } from '../core/capture-state';
import { CdcError, type ErrorKind } from '../core/errors';
import { type Logger, silentLogger } from '../core/ports/log';
import type { Sql } from '../core/ports/sql';
import { readProcesses } from '../core/process-report';
import { VERSION } from '../core/version';
import { slotDanger } from '../core/wal-budget';
import { readState } from '../kafka/state-reader';
import { type CatalogWarning, readCatalog } from '../messaging/catalog';
import { checkPrivacyKey } from '../messaging/erasures';
import { privacyKey } from '../messaging/privacy';
import { missingRights } from '../messaging/rights';
import { zonesWithoutRegion } from '../messaging/zones';
import {
  advice,
  type Check,
  type Finding,
  judgeClock,
  judgeVersions,
  type OpenPlace,
  type Place,
  problem,
} from '../ops/doctor';
import { openDatabase } from '../postgres/database';
import { SOURCE_CHECKS } from '../postgres/preflight';
import { readIdentity } from '../postgres/slot';
import { readSourceCatalog } from '../postgres/source-catalog';
import { planLedger, planRegistry, planTopics, type SetupPart } from './setup-parts';
import { contractsFor, expectedSource, withQueries } from './wire-capture';
import { trailFor } from './wire-trail';

const SESSION = { applicationName: 'ventia-cdc doctor', max: 2 };

/** Everything that is looked at, place by place. What set-up plans or capture checks at its start is asked by the same code. */
export function doctorPlaces(connectors: readonly ConnectorConfig[], settings: Settings): Place[] {
  const source = connectors.find((connector) => connector.kind === 'source');
  const sinks = connectors.flatMap((connector) => (connector.kind === 'source' ? [] : [connector]));
  return [
    ...(source
      ? [
          { title: 'Source database', open: () => openSource(source, settings) },
          { title: 'Kafka', open: () => openKafka(source, settings) },
          { title: 'Schema registry', open: () => openRegistryPlace(source, settings) },
        ]
      : []),
    ...(sinks[0]
      ? [{ title: 'Messaging database', open: () => openMessaging(sinks[0]!.messagingSchema, settings) }]
      : []),
    { title: 'Processes', open: () => openProcesses(connectors[0]!.stateTopic, settings) },
  ];
}

async function openSource(config: SourceConfig, settings: Settings): Promise<OpenPlace | null> {
  if (!settings.source) return null;
  const { url } = settings.source;
  const database = openDatabase(url, 'source', SESSION);
  try {
    const contracts = await withQueries(url, SESSION.applicationName, (queries) =>
      contractsFor(config, settings, queries),
    );
    // Without Kafka the rest can be told all the same; that it is away is told there.
    const state = await readState(settings.kafka, silentLogger, config.stateTopic).catch(
      () => new Map<string, string>(),
    );
    const expected = {
      ...expectedSource(config, contracts, capturedBefore(state, config.name)),
      confirmedAtMost: confirmedAtMost(state, config.name),
    };
    const catalog = await readSourceCatalog(database, expected);
    const { slot } = catalog;
    return {
      checks: [
        ...SOURCE_CHECKS.map(({ title, judge }) => ({ title, ask: () => judge(catalog, expected).map(problem) })),
        {
          title: 'it tells the history that was captured',
          ask: async () => {
            if (!slot?.confirmedLsn) return [];
            const found = { ...(await readIdentity(database)), confirmedLsn: slot.confirmedLsn };
            return findingOf(judgeHistory(state, config.name, found));
          },
        },
        { title: 'the slot keeps what it needs', ask: () => findingOf(slot && slotDanger(slot, null)) },
        {
          title: 'the slot cannot fill the disk',
          ask: () => (slot && slot.safeWalBytes === null ? [NO_LIMIT] : []),
        },
        clockOf('the source', database),
      ],
      close: () => database.close(),
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

const NO_LIMIT = advice(
  'max_slot_wal_keep_size is not set: while capture is down the server keeps all WAL',
  "A capture that stays down would fill the source's disk and stop the application.",
  "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf();",
);

const findingOf = (error: CdcError | null): Finding[] => (error ? [problem(error)] : []);

async function openKafka(config: SourceConfig, settings: Settings): Promise<OpenPlace> {
  const part = await planTopics({ settings, log: silentLogger }, config);
  return {
    checks: [
      { title: 'the topics are as the pipeline needs them', ask: () => findingsOf(part, 'topic_settings') },
      {
        title: 'an acknowledged record survives a power cut',
        ask: () => warnings((log) => trailFor({ ...config, confirmTrailMs: null }, settings, log), POWER_CUT),
      },
    ],
    close: () => part.close(),
  };
}

const POWER_CUT = 'What one broker acknowledged lies in its memory until it is written to its disk.';

/** What a look says to the log, as advice. */
async function warnings(look: (log: Logger) => Promise<unknown>, why: string): Promise<Finding[]> {
  const found: Finding[] = [];
  const warn = (fields: object, message: string) =>
    void found.push(advice(message, why, (fields as { fix: string }).fix));
  await look({ ...silentLogger, warn });
  return found;
}

/** What set-up would do is missing now. */
function findingsOf({ steps, problems }: SetupPart, kind: ErrorKind): Finding[] {
  const missing = steps.map(({ title }) =>
    problem(new CdcError(kind, `set-up is not done: ${title}`, { fix: SET_UP })),
  );
  return [...problems.map(problem), ...missing];
}

const SET_UP = 'ventia-cdc setup';

async function openRegistryPlace(config: SourceConfig, settings: Settings): Promise<OpenPlace | null> {
  if (!settings.source) return null; // which contracts hold, the source tells
  const part = await planRegistry({ settings }, config);
  return {
    checks: [
      { title: 'it has the contracts, and takes what is compatible only', ask: () => findingsOf(part, 'setup_needed') },
    ],
    close: () => part.close(),
  };
}

async function openMessaging(schema: string, settings: Settings): Promise<OpenPlace | null> {
  if (!settings.messaging) return null;
  const database = openDatabase(settings.messaging.url, 'messaging', SESSION);
  const ledger = await planLedger({ settings }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const catalog = readCatalog(database, schema);
  /** What else there is to ask makes no sense where the tables are not what they should be; that is told once. */
  const known = () => catalog.catch(() => null);
  const warned = async (kind: CatalogWarning['kind'], why: string, severity: Finding['severity']) => {
    const { warnings = [] } = (await known()) ?? {};
    return warnings
      .filter((warning) => warning.kind === kind)
      .map(({ what, fix }): Finding => ({ severity, code: null, what, why, fix }));
  };
  const inLedger = async (ask: () => Promise<Finding[]>) =>
    ledger.steps.some(({ sql }) => sql.some((text) => !text.startsWith('GRANT'))) ? [] : ask();
  return {
    checks: [
      { title: 'the tables are as the sinks need them', ask: () => catalog.then(() => []) },
      {
        title: 'the optional columns are there',
        ask: () => warned('column_absent', 'What the column tells is not kept in step.', 'advice'),
      },
      {
        title: 'look-ups have their indexes, also lower(email)',
        ask: () =>
          warned('index_absent', 'Without it a batch reads whole tables, or persons may be made twice.', 'problem'),
      },
      {
        title: 'accounts have no trigger that needs more than the sinks may',
        ask: () => warned('sequence_trigger', 'A tenant that is new could not be written, or only in part.', 'problem'),
      },
      {
        title: "the sinks' role may write what it must",
        ask: async () => {
          const tables = await known();
          return tables ? rights(await missingRights(database, tables)) : [];
        },
      },
      {
        title: "the ledger is this release's, and the role may write it",
        ask: () => findingsOf(ledger, 'ledger_missing'),
      },
      {
        title: 'erased persons are recognised',
        ask: () =>
          inLedger(async () => {
            await checkPrivacyKey(database, settings.privacyKey === null ? null : privacyKey(settings.privacyKey));
            return [];
          }),
      },
      {
        title: "tenants' time zones tell their country",
        ask: () => inLedger(async () => zones(await zonesWithoutRegion(database))),
      },
      clockOf("Messaging's database", database),
    ],
    close: async () => {
      await Promise.all([database.close(), ledger.close()]);
    },
  };
}

const rights = (grants: readonly string[]): Finding[] =>
  grants.map((fix) => problem(new CdcError('messaging_permission', "the sinks' role lacks a right", { fix })));

function zones({ zones, region }: { readonly zones: readonly string[]; readonly region: string }): Finding[] {
  if (zones.length === 0) return [];
  const what = `tenants have time zones of no known country: ${zones.join(', ')}`;
  const why = `Phone numbers of their customers without a country code are read as those of ${region}.`;
  return [advice(what, why, 'Correct ventia.tenants.timezone, where it is wrong.')];
}

async function openProcesses(stateTopic: string, settings: Settings): Promise<OpenPlace> {
  const before = Date.now();
  const reports = readProcesses(await readState(settings.kafka, silentLogger, stateTopic));
  const running = reports.filter(({ at }) => before - Date.parse(at) < RUNNING_MS);
  return {
    checks: [
      { title: 'they are of this release', ask: () => judgeVersions(VERSION, running) },
      {
        title: 'no clock is ahead',
        ask: () => running.flatMap(({ process, at }) => judgeClock(process, Date.parse(at), 0, Date.now())),
      },
      { title: 'Node.js is new enough', ask: () => runtime(process.versions.node) },
    ],
    close: async () => {},
  };
}

/** Whoever has said nothing for longer has ended. */
const RUNNING_MS = 60_000;
const OLDEST_NODE = 20;

function runtime(version: string): Finding[] {
  if (Number.parseInt(version, 10) >= OLDEST_NODE) return [];
  const what = `this is Node.js ${version}`;
  return [
    {
      severity: 'problem',
      code: null,
      what,
      why: 'Older ones lack what it uses.',
      fix: `Install Node.js ${OLDEST_NODE} or newer.`,
    },
  ];
}

function clockOf(whose: string, sql: Sql): Check {
  return {
    title: 'its clock agrees with the one here',
    ask: async () => {
      await sql.query('SELECT 1'); // connected: what follows is the way there and back only
      const before = Date.now();
      const [row] = await sql.query<{ ms: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
      );
      return judgeClock(whose, row!.ms, before, Date.now());
    },
  };
}
