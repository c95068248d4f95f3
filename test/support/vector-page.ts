import { SECTIONS, type Vector } from '../fixtures/vectors';

/** What the tests of a vector said in a profile; undefined: none has run. */
export type Verdict = (id: string, profile: 'seed' | 'repo') => boolean | undefined;

/** docs/vectors.md. */
export function vectorPage(verdict: Verdict): string {
  const mark = ({ id, only }: Vector, profile: 'seed' | 'repo') => {
    if (only !== undefined && only !== profile) return 'no case';
    const passed = verdict(id, profile);
    return passed === undefined ? 'not tested' : passed ? 'yes' : '**no**';
  };
  const tables = Object.entries(SECTIONS).map(([section, vectors]) => {
    const rows = vectors.map(
      (v: Vector) => `| ${v.id} | ${v.given} | ${v.expected} | ${mark(v, 'seed')} | ${mark(v, 'repo')} |`,
    );
    return `## ${section}\n\n| id | given | expected | seed | repo |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `${HEAD}\n${tables.join('\n')}`;
}

const HEAD = `# Examples of what becomes what

The rules are in [domain.md](domain.md). Each example has tests of its id, which run through the real sinks on PostgreSQL in both
profiles: \`seed\` (uuids, one database) and \`repo\` (integers, two databases, where examples about an order's phone or customer
id run as in an installation that has these columns). The last two columns say whether they passed when this page was written, by
\`npm run docs:vectors\`.

\`P\` is \`+51987654321\`.
`;
