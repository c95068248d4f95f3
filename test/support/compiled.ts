import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Options, transformFileSync } from '@swc/core';

const ROOT = join(__dirname, '../..');

const OPTIONS: Options = {
  jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
  module: { type: 'commonjs' },
};

/**
 * The sources as they are now, as JavaScript in a folder of its own: for tests that start processes, so that they never
 * run a stale build. To be called where the tests are described; the folder goes when they are done.
 */
export function compileSources(): string {
  mkdirSync(join(ROOT, '.dev'), { recursive: true });
  const target = mkdtempSync(join(ROOT, '.dev', 'compiled-'));
  afterAll(() => rmSync(target, { recursive: true }));
  for (const file of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const path = join(target, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, transformFileSync(join(ROOT, 'src', file), OPTIONS).code);
  }
  return target;
}
