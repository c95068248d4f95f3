import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findProgram } from '../../src/dev/stack/process';

/** A program that is not ours and that npm does not bring. */
export interface Tool {
  readonly name: string;
  /** Undefined: it is not there. */
  readonly path: string | undefined;
  /** How to get it. */
  readonly install: string;
  /** Not asked for by REQUIRE_TOOLS=1. */
  readonly optional?: boolean;
}

const INSTALL = {
  chromium: 'apt-get install chromium',
  kcat: 'apt-get install kcat',
  pg_dump: 'apt-get install postgresql-client',
  pg_recvlogical: 'apt-get install postgresql',
  prometheus: 'apt-get install prometheus',
  promtool: 'apt-get install prometheus',
  psql: 'apt-get install postgresql-client',
  tmux: 'apt-get install tmux',
  docker: 'a container engine',
} as const;

export type ToolName = keyof typeof INSTALL;

export function tool(name: ToolName): Tool {
  return { name, path: findProgram(name), install: INSTALL[name], optional: name === 'docker' };
}

const OLDEST = '/usr/lib/postgresql/15/bin';

/** Binaries of the oldest server that is supported, or of the one that is asked for. */
export const OLDEST_POSTGRES: Tool = {
  name: 'PostgreSQL 15',
  path: process.env.POSTGRES_BINARIES ?? (existsSync(join(OLDEST, 'postgres')) ? OLDEST : undefined),
  install: 'apt-get install postgresql-15',
  optional: true,
};

/** Of the servers that tests start for themselves and share. */
export function postgresMajor(): number {
  const { POSTGRES_BINARIES } = process.env;
  if (POSTGRES_BINARIES === undefined) return 18;
  const text = execFileSync(join(POSTGRES_BINARIES, 'postgres'), ['--version'], { encoding: 'utf8' });
  return Number(/(\d+)/.exec(text)![1]);
}

/** A test of what the servers can do from a version on; on older ones it is listed as not run. */
export const itSince = (major: number) => (postgresMajor() >= major ? it : it.skip);

/** A Python that can import the packages (named as for pip): of the folder .dev/venv where there is one, else python3. */
export function requirePython(packages: readonly string[]): Tool {
  const venv = join('.dev', 'venv');
  const local = resolve(__dirname, '..', '..', venv, 'bin', 'python');
  const path = existsSync(local) ? local : findProgram('python3');
  return {
    name: `Python with ${packages.join(' and ')}`,
    path: path !== undefined && imports(path, packages) ? path : undefined,
    install: `python3 -m venv ${venv} && ${venv}/bin/pip install ${packages.join(' ')}`,
  };
}

/**
 * A `describe` that needs a tool and is given its path. Without the tool its tests are listed as not run, with what to
 * install; REQUIRE_TOOLS=1 makes that a failure.
 */
export function describeWithTool(needed: ToolName | Tool, title: string, body: (path: string) => void): void {
  const { name, path, install, optional } = typeof needed === 'string' ? tool(needed) : needed;
  const missing = `${title} (needs ${name}: ${install})`;
  if (path !== undefined) {
    describe(title, () => body(path));
  } else if (process.env.REQUIRE_TOOLS === '1' && optional !== true) {
    test(missing, () => {
      throw new Error(`${name} is not installed: ${install}`);
    });
  } else {
    // biome-ignore lint/suspicious/noSkippedTests: this is how it is listed as not run
    describe.skip(missing, () => body(name));
  }
}

function imports(python: string, packages: readonly string[]): boolean {
  const modules = packages.map((name) => name.replace(/[[=<>~!].*$/, '').replaceAll('-', '_'));
  try {
    execFileSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
