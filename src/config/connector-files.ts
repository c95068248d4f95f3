import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CdcError } from '../core/errors';
import { CONNECTOR_CLASSES, type ConnectorConfig, connectorFile } from './connector';
import { readText, Unreadable } from './formats';
import { nearest } from './nearest';
import { describeProblems, type Problem, show } from './problems';
import type { Environment } from './settings';

/**
 * All connectors of a folder, in order of their names. Files are `*.json`, except `*.schema.json`. Every problem of every
 * file is reported at once in one `connector_invalid`, with file, key, what was found and what is expected.
 */
export function loadConnectors(directory: string, env: Environment): ConnectorConfig[] {
  const problems: Problem[] = [];
  const connectors = new Map<string, ConnectorConfig>();
  for (const file of connectorFiles(directory)) {
    const connector = readConnector(join(directory, file), file, env, problems);
    if (!connector) continue;
    if (connectors.has(connector.name)) {
      problems.push({ where: `${file}: name`, found: `found ${show(connector.name)}`, expected: 'a name used once' });
    }
    connectors.set(connector.name, connector);
  }
  if (problems.length > 0) throw new CdcError('connector_invalid', describeProblems(directory, problems));
  return [...connectors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Those of the given names, all when none is given. Throws `usage` for a name that no file has. */
export function selectConnectors(all: readonly ConnectorConfig[], names: readonly string[]): ConnectorConfig[] {
  const known = all.map((connector) => connector.name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    throw new CdcError('usage', `there is no connector "${name}"${meant ? `; did you mean "${meant}"?` : ''}`, {
      fix: `Connectors here: ${known.join(', ')}`,
    });
  }
  return all.filter((connector) => names.length === 0 || names.includes(connector.name));
}

function connectorFiles(directory: string): string[] {
  let files: string[];
  try {
    files = readdirSync(directory);
  } catch (error) {
    throw new CdcError('connector_invalid', `the folder ${resolve(directory)} cannot be read`, {
      fix: 'Set CONNECTORS_DIR to the folder of the connector files.',
      cause: error,
    });
  }
  const found = files.filter((file) => file.endsWith('.json') && !file.endsWith('.schema.json')).sort();
  if (found.length > 0) return found;
  throw new CdcError('connector_invalid', `the folder ${resolve(directory)} holds no connector file (*.json)`, {
    fix: 'Set CONNECTORS_DIR to the folder of the connector files.',
  });
}

function readConnector(path: string, file: string, env: Environment, problems: Problem[]): ConnectorConfig | null {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const found =
      error instanceof SyntaxError ? `found no JSON (${error.message})` : 'found a file that cannot be read';
    problems.push({ where: file, found, expected: 'a JSON object' });
    return null;
  }
  return parseConnector(json, file, env, problems);
}

/** Checks one connector's JSON and gives its typed form; adds to `problems` and returns null when something is wrong. */
export function parseConnector(
  json: unknown,
  file: string,
  env: Environment,
  problems: Problem[],
): ConnectorConfig | null {
  const known = problems.length;
  const result = connectorFile.safeParse(expand(json, [], file, env, problems));
  for (const issue of result.error?.issues ?? []) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) problems.push(unknownKey(file, key, issue.path, json));
      continue;
    }
    const where = `${file}: ${keyOf(issue.path)}`;
    if (problems.some((problem) => problem.where === where)) continue;
    const written = valueAt(json, issue.path);
    const found = written === undefined ? 'not there' : `found ${show(written)}`;
    problems.push({ where, found, expected: issue.message });
  }
  if (!result.success || problems.length > known) return null;
  return { name: result.data.name, ...result.data.config };
}

/** The key as written: what is inside a list or map belongs to its key. */
function keyOf(path: readonly PropertyKey[]): string {
  const [first = 'the file', second = first] = path;
  return String(first === 'config' ? second : first);
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path
    .slice(0, path[0] === 'config' ? 2 : 1)
    .reduce((value: unknown, part) => (value as Record<PropertyKey, unknown> | null)?.[part], json);
}

function unknownKey(file: string, key: string, path: readonly PropertyKey[], json: unknown): Problem {
  const connectorClass = valueAt(json, ['config', 'connector.class']) as keyof typeof CONNECTOR_CLASSES;
  const keys = path.length === 0 ? ['name', 'config'] : Object.keys(CONNECTOR_CLASSES[connectorClass]);
  const meant = nearest(key, keys);
  return {
    where: `${file}: ${key}`,
    found: 'unknown key',
    expected: meant ? `perhaps ${meant}` : `one of ${keys.join(', ')}`,
  };
}

const PLACEHOLDER = /\$\{(\w+):([^}]*)\}/g;

/**
 * Replaces `${env:NAME}` and `${file:/path}` in all texts. What is reported about the expanded values shows the file's own
 * text, so a secret that came in this way is not printed.
 */
function expand(value: unknown, path: readonly string[], file: string, env: Environment, problems: Problem[]): unknown {
  if (typeof value === 'string') {
    return value.replace(PLACEHOLDER, (placeholder, provider: string, argument: string) => {
      const expansion = lookUp(provider, argument, env);
      if (!(expansion instanceof Unreadable)) return expansion;
      const where = `${file}: ${keyOf(path)}`;
      problems.push({ where, found: `found ${placeholder}, ${expansion.reason}`, expected: 'something to put in' });
      return placeholder;
    });
  }
  if (Array.isArray(value)) return value.map((item) => expand(item, path, file, env, problems));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, expand(item, [...path, key], file, env, problems)]),
    );
  }
  return value;
}

function lookUp(provider: string, argument: string, env: Environment): string | Unreadable {
  if (provider === 'env') return env[argument] ?? new Unreadable('which is not set');
  if (provider !== 'file') return new Unreadable('which names neither env nor file');
  const content = readText(argument);
  return content instanceof Unreadable ? content : content.replace(/\r?\n$/, '');
}
