import { hostname } from 'node:os';
import type { ConnectorConfig } from '../config/connector';
import type { Settings } from '../config/settings';
import { wait } from '../core/backoff';
import type { Logger } from '../core/ports/log';
import type { Outcome } from '../core/ports/sink';
import { type ProcessReport, reportCapture, reportSink, type TaskReport } from '../core/process-report';
import { combineReadiness, type Readiness } from '../core/readiness';
import { type CaptureStats, newCaptureStats, newSinkStats, type SinkStats } from '../core/stats';
import type { StatusView } from '../core/status';
import { VERSION } from '../core/version';
import { createApp, listen } from '../http/server';
import type { SnapshotCalls } from '../http/snapshots';
import { Supervisor } from '../pipeline/supervisor';
import { Metrics } from '../telemetry/metrics';
import { startSummary } from '../telemetry/summary';
import { startReports } from './wire-reports';

/** Connectors running in this process, with their HTTP surface. */
export interface Service {
  readonly captures: ReadonlyMap<string, CaptureStats>;
  readonly sinks: ReadonlyMap<string, SinkStats>;
  /** Where HTTP is served. */
  readonly url: string;
  readiness(): Readiness;
  /** What became of the last changes, oldest first. */
  outcomes(): readonly Outcome[];
  /** Drains what is in hand, leaves the consumer groups, closes HTTP. */
  stop(): Promise<void>;
}

const OUTCOMES_KEPT = 20;
/** Supervisors kill after 10 s at the earliest: one that waits for a server that is away must not keep the others. */
const STOP_MS = 9000;

/** What each kind of connector needs is loaded only where there is one: it is most of the time of a start. */
function loadLives(connectors: readonly ConnectorConfig[], all: readonly ConnectorConfig[]) {
  const capture = connectors.some(({ kind }) => kind === 'source')
    ? (require('./wire-capture') as typeof import('./wire-capture'))
    : null;
  const sinks = connectors.some(({ kind }) => kind !== 'source')
    ? (require('./wire-sinks') as typeof import('./wire-sinks'))
    : null;
  return { captureLife: capture?.captureLife, sinkLife: sinks?.sinkLife, rules: sinks?.rulesOf(all) };
}

/** Of the connector that captures, wherever it runs; loaded when somebody asks. */
function snapshotCalls(all: readonly ConnectorConfig[], settings: Settings, log: Logger): SnapshotCalls | null {
  const config = all.find(({ kind }) => kind === 'source');
  if (config?.kind !== 'source') return null;
  const calls = () =>
    (require('./wire-snapshots') as typeof import('./wire-snapshots')).openSnapshots(config, settings, log);
  return {
    list: () => calls().list(),
    request: (...request) => calls().request(...request),
    steer: (...wish) => calls().steer(...wish),
  };
}

/** Loaded when somebody asks. */
async function readStatusOnce(...given: Parameters<typeof import('./wire-status').openStatus>): Promise<StatusView> {
  const { openStatus } = require('./wire-status') as typeof import('./wire-status');
  const reader = openStatus(...given);
  try {
    return await reader.read();
  } finally {
    await reader.close();
  }
}

/** Starts the `connectors` out of `all`. Throws port_taken and settings_invalid; whatever is wrong with servers shows in `readiness`. */
export async function startService(
  settings: Settings,
  connectors: readonly ConnectorConfig[],
  all: readonly ConnectorConfig[],
  log: Logger,
): Promise<Service> {
  const captures = new Map<string, CaptureStats>();
  const sinks = new Map<string, SinkStats>();
  const supervisors: Supervisor[] = [];
  const reporters: (() => TaskReport)[] = [];
  const outcomes: Outcome[] = [];
  const startedAt = new Date().toISOString();
  const metrics = new Metrics(VERSION);
  const readiness = () => combineReadiness(supervisors.map((supervisor) => supervisor.readiness));

  const { captureLife, sinkLife, rules } = loadLives(connectors, all);
  const snapshots = snapshotCalls(all, settings, log);
  const report = (): ProcessReport => ({
    process: `${hostname()}:${process.pid}`,
    version: VERSION,
    url,
    startedAt,
    at: new Date().toISOString(),
    tasks: reporters.map((task) => task()),
  });
  const status = () => readStatusOnce(all, settings, log, report);
  const app = createApp({ readiness, metrics: () => metrics.render(), snapshots, status, ...settings.http });
  const url = await listen(app, settings.http.host, settings.http.port);
  log.info({ url }, 'listening');

  for (const config of connectors) {
    const { name } = config;
    const ownLog = log.child({ connector: name });
    if (config.kind === 'source') {
      const stats = newCaptureStats();
      captures.set(name, stats);
      const observers = metrics.addCapture(name, stats, () => supervisor.readiness);
      const life = captureLife!(config, settings, stats, observers, ownLog);
      const supervisor = new Supervisor(life, stats, ownLog);
      supervisors.push(supervisor);
      reporters.push(() => reportCapture(name, stats, supervisor.readiness));
    } else {
      const stats = newSinkStats();
      sinks.set(name, stats);
      const observers = metrics.addSink(name, stats, () => supervisor.readiness);
      const life = sinkLife!(config, rules!, settings, stats, observers, ownLog, (last) => {
        outcomes.push(...last);
        outcomes.splice(0, outcomes.length - OUTCOMES_KEPT);
      });
      const supervisor = new Supervisor(life, stats, ownLog);
      supervisors.push(supervisor);
      reporters.push(() => reportSink(name, stats, supervisor.readiness));
    }
  }
  const stopping = new AbortController();
  const running = Promise.all(supervisors.map((supervisor) => supervisor.run(stopping.signal)));
  const stopSummary = startSummary(log, { captures, sinks });
  const stopReports = startReports(settings, all[0]!.stateTopic, log, report);
  return {
    captures,
    sinks,
    url,
    readiness,
    outcomes: () => outcomes,
    stop: async () => {
      stopping.abort();
      const lastWord = stopReports();
      const patience = new AbortController();
      const ended = running.then(() => patience.abort());
      await Promise.race([ended, wait(STOP_MS, patience.signal)]);
      if (!patience.signal.aborted) log.warn({}, 'a connector did not end in time; what it had in hand comes again');
      await lastWord;
      stopSummary();
      await app.close();
      log.info({}, 'stopped');
    },
  };
}
