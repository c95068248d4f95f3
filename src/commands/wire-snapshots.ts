import { randomInt } from 'node:crypto';
import type { SourceConfig } from '../config/connector';
import { needed, type Settings } from '../config/settings';
import { stateKeys } from '../core/capture-state';
import { type LoadView, viewLoad } from '../core/load-view';
import { isOver, readLoads } from '../core/loads';
import type { Logger } from '../core/ports/log';
import { followState } from '../kafka/state-follower';
import { readState } from '../kafka/state-reader';
import { writeState } from '../kafka/state-writer';
import { createSnapshots, type Snapshots } from '../ops/snapshots';
import { withQueries } from './wire-capture';
import { tablesOf } from './wire-writer';

/** Snapshots of the connector that captures, wherever it runs. */
export function openSnapshots(config: SourceConfig, settings: Settings, log: Logger): Snapshots {
  const { name: connector, stateTopic } = config;
  return createSnapshots({
    connector,
    tables: tablesOf(config),
    mode: modeOf(config),
    readState: () => readState(settings.kafka, log, stateTopic),
    writeState: (key, value) => writeState(settings.kafka, log, stateTopic, key, value),
    checkCondition: (table, where) => {
      const { url } = needed(settings.source, 'VENTIA_SOURCE_URL');
      const [schema, name] = table.split('.') as [string, string];
      return withQueries(url, `ventia-cdc ${connector}`, (queries) => queries.checkCondition(schema, name, where));
    },
    newId: (table) =>
      `${table.slice(table.indexOf('.') + 1)}-${Date.now().toString(36)}${randomInt(36 ** 2).toString(36)}`,
    clock: () => new Date(),
  });
}

export const modeOf = ({ snapshotMode }: SourceConfig) => (snapshotMode === 'never' ? 'never' : 'initial');

/**
 * Tells of a load until it is over, capture has not taken it up within `patienceMs`, or the signal aborts. Resolves with
 * what was told last.
 */
export function watchLoad(
  config: SourceConfig,
  settings: Settings,
  log: Logger,
  first: LoadView,
  options: { readonly patienceMs: number; readonly signal: AbortSignal; onChange(view: LoadView): void },
): Promise<LoadView> {
  const { name, stateTopic } = config;
  const keys = [stateKeys.loadRequest(name, first.id), stateKeys.load(name, first.id)];
  const state = new Map<string, string>();
  let last = first;
  return new Promise((resolve) => {
    const stop = followState(settings.kafka, log, stateTopic, 0n, (key, value) => {
      if (!keys.includes(key) || value === null) return;
      state.set(key, value);
      const load = readLoads(state, name, tablesOf(config), modeOf(config)).find(({ id }) => id === first.id);
      if (!load) return;
      last = viewLoad(load);
      options.onChange(last);
      if (isOver(load)) end();
    });
    const timer = setTimeout(() => {
      if (last.status === 'requested') end();
    }, options.patienceMs);
    const end = () => {
      clearTimeout(timer);
      stop();
      resolve(last);
    };
    options.signal.addEventListener('abort', end, { once: true });
    if (options.signal.aborted) end();
  });
}
