import { readFileSync, writeFileSync } from 'node:fs';
import { vectorPage } from './vector-page';

/** `npm run docs:vectors`: writes docs/vectors.md from the report that jest has just left. */

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

const verdicts = new Map<string, boolean>();
const report = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Report;
for (const { ancestorTitles, title, status } of report.testResults.flatMap((file) => file.assertionResults)) {
  const [, id] = /^([A-Z]\d\d)\b/.exec(title) ?? [];
  const [, profile] = /profile (seed|repo)$/.exec(ancestorTitles.join(' ')) ?? [];
  if (id === undefined || profile === undefined) continue;
  const key = `${id} ${profile}`;
  verdicts.set(key, (verdicts.get(key) ?? true) && status === 'passed');
}
writeFileSync(
  'docs/vectors.md',
  vectorPage((id, profile) => verdicts.get(`${id} ${profile}`)),
);
