import { existsSync, readFileSync } from 'node:fs';
import { Metrics } from '../../../src/telemetry/metrics';
import { alerts, dashboards, queries, RULES_FILE } from '../../support/monitoring';

test('rules and dashboards name only metrics that there are', async () => {
  const { body } = await new Metrics('1').render();
  const known = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!],
  );
  const text = [readFileSync(RULES_FILE, 'utf8'), ...queries().map(({ expr }) => expr)].join('\n');
  const named = [...new Set(text.match(/\b(ventia_cdc|process|nodejs)_\w+/g))];
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

/** As in links to headings of Markdown. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');

test.each(alerts())(
  '$name leads to a section that says what it means, how to see it and what to do',
  ({ name, runbook }) => {
    const [file, wanted] = runbook.split('#') as [string, string];
    expect(existsSync(file)).toBe(true);
    const sections = readFileSync(file, 'utf8').split(/^###? /m);
    const section = sections.find((text) => anchor(text.split('\n', 1)[0]!) === wanted);
    expect(section?.split('\n', 1)[0]).toBe(name);
    for (const part of ['*Means*:', '*See*:', '*Do*:']) expect(section).toContain(part);
  },
);

test('every section of an alert has its alert', () => {
  const sections = [...readFileSync('docs/operations.md', 'utf8').matchAll(/^### (VentiaCdc\w+)$/gm)].map(
    ([, name]) => name,
  );
  expect(sections.sort()).toEqual(
    alerts()
      .map(({ name }) => name)
      .sort(),
  );
});

test('dashboards ask the provisioned data source, and have ids of their own', () => {
  const provisioned = readFileSync('docker/grafana/provisioning/datasources/prometheus.yml', 'utf8');
  const uid = /uid: (\S+)/.exec(provisioned)?.[1];
  const all = dashboards();
  expect(new Set(all.map((one) => one.uid)).size).toBe(all.length);
  for (const { panels } of all) expect(new Set(panels.map(({ datasource }) => datasource.uid))).toEqual(new Set([uid]));
});
