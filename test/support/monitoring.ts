import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PROJECT = resolve(__dirname, '..', '..');
export const RULES_FILE = join(PROJECT, 'docker/prometheus/rules.yml');
export const CONFIG_FILE = join(PROJECT, 'docker/prometheus/prometheus.yml');
const DASHBOARDS = join(PROJECT, 'docker/grafana/dashboards');

export interface Alert {
  readonly name: string;
  /** As its annotation says: file and anchor. */
  readonly runbook: string;
}

/** Those of the rules file, in its order. */
export function alerts(): Alert[] {
  const blocks = readFileSync(RULES_FILE, 'utf8').split(/^ {6}- alert: /m);
  return blocks.slice(1).map((block) => ({
    name: /^\w+/.exec(block)![0],
    runbook: /^ +runbook: (\S+)$/m.exec(block)?.[1] ?? '',
  }));
}

export interface Query {
  readonly dashboard: string;
  readonly panel: string;
  readonly expr: string;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly { title: string; datasource: { uid: string }; targets: readonly { expr: string }[] }[];
}

export const dashboards = (): Dashboard[] =>
  readdirSync(DASHBOARDS)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard);

/** Every query of every panel; Grafana's own variable is filled in. */
export const queries = (): Query[] =>
  dashboards().flatMap(({ title: dashboard, panels }) =>
    panels.flatMap(({ title: panel, targets }) =>
      targets.map(({ expr }) => ({ dashboard, panel, expr: expr.replaceAll('$__rate_interval', '1m') })),
    ),
  );
