import { CONNECTOR_CLASSES } from '../config/connector';
import { expectation } from '../config/settings';
import { VARIABLES, type Variable, type VariableName } from '../config/variables';
import { ERRORS, type ErrorSpec, type Retry } from '../core/errors';

/** The parts of the documentation that are written from the code, so that they cannot say something else. */

/** Replaces what stands between `<!-- begin name -->` and `<!-- end name -->`. */
export function withSection(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new RangeError(`the page has no section "${name}"`);
  return `${page.slice(0, from + begin.length)}\n${content}\n${page.slice(to)}`;
}

const HUNDREDS: Readonly<Record<string, string>> = {
  1: 'What the user gave us',
  2: 'The source database',
  3: 'Kafka',
  4: 'Schema registry and records',
  5: 'The messaging database',
  9: 'Ourselves',
};

const WHO_ACTS: Readonly<Record<Retry, string>> = {
  timed: 'by itself',
  manual: 'you; it goes on by itself afterwards',
  never: 'you; the command has ended',
};

export function errorsSection(): string {
  const entries: [string, ErrorSpec][] = Object.entries(ERRORS);
  return Object.entries(HUNDREDS)
    .map(([digit, title]) => {
      const rows = entries
        .filter(([, spec]) => spec.code.startsWith(`CDC-${digit}`))
        .map(([kind, spec]) => [`**${spec.code}** \`${kind}\``, spec.meaning, WHO_ACTS[spec.retry], spec.fix]);
      return `## ${digit}xx: ${title}\n\n${table(['error', 'what it means', 'who mends it', 'what to do'], rows)}`;
    })
    .join('\n\n');
}

export function variablesSection(): string {
  const variables = Object.entries(VARIABLES) as [VariableName, Variable<unknown>][];
  const rows = variables.map(([name, variable]) => [
    `\`${name}\`${variable.secret ? ', `_FILE`' : ''}`,
    variable.about,
    expectation(name),
    variable.fallback === null
      ? variable.requiredBy
        ? `required by ${variable.requiredBy}`
        : '-'
      : code(variable.fallback),
  ]);
  return table(['variable', 'meaning', 'form', 'default'], rows);
}

export function connectorKeysSection(): string {
  return Object.entries(CONNECTOR_CLASSES)
    .map(([connectorClass, { 'connector.class': _, ...keys }]) => {
      const rows = Object.entries(keys).map(([key, schema]) => [
        `\`${key}\``,
        schema.meta()?.description ?? '',
        schema.safeParse(null).error?.issues[0]?.message ?? '',
        code(schema.def.defaultValue),
      ]);
      return `### ${connectorClass}\n\n${table(['key', 'meaning', 'form', 'default'], rows)}`;
    })
    .join('\n\n');
}

const code = (value: unknown) => {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text === '' ? '(empty)' : `\`${text}\``;
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replace(/[|<]/g, '\\$&')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
