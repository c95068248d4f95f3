import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { CdcError } from '../../core/errors';
import { findProgram } from './process';

/** Told one short line whenever something goes on. */
export type Progress = (line: string) => void;

export const KAFKA = '4.1.1';
export const APICURIO = '2.6.13.Final';

/** Throws `tool_missing` with the package to install, unless a Java of at least 17 is on the PATH. */
export async function requireJava(): Promise<void> {
  const java = findProgram('java');
  const version = java === undefined ? undefined : await javaVersion(java);
  if (version !== undefined && version >= 17) return;
  const found = version === undefined ? 'no Java is on the PATH' : `the Java on the PATH is version ${version}`;
  throw new CdcError('tool_missing', `Kafka and the schema registry need Java 17 or newer, and ${found}`, {
    fix: 'Install it (Debian: apt-get install openjdk-17-jre-headless), or use docker compose up.',
  });
}

async function javaVersion(java: string): Promise<number | undefined> {
  try {
    const { stderr, stdout } = await promisify(execFile)(java, ['-version']);
    const version = /version "(?:1\.)?(\d+)/.exec(stderr + stdout)?.[1];
    return version === undefined ? undefined : Number(version);
  } catch {
    return undefined;
  }
}

/** Folder with Kafka's jars and command-line tools, fetched by Maven into `cache` when it is not there yet. */
export async function kafkaLibs(cache: string, progress: Progress, version = KAFKA): Promise<string> {
  return fetchJars(cache, `kafka-${version}`, `Kafka ${version} (54 MB)`, progress, [
    { group: 'org.apache.kafka', artifact: 'kafka_2.13', version },
    { group: 'org.apache.kafka', artifact: 'kafka-tools', version },
    { group: 'org.slf4j', artifact: 'slf4j-simple', version: '1.7.36' },
  ]);
}

export interface Artifact {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
}

/** Folder `name` of `cache` with the jars of the artifacts and all they need at run time, fetched when it is not there yet. */
export function fetchJars(
  cache: string,
  name: string,
  what: string,
  progress: Progress,
  artifacts: readonly Artifact[],
): Promise<string> {
  return fillOnce(join(cache, name), async (folder) => {
    const pom = join(folder, 'pom.xml');
    writeFileSync(pom, pomFor(name, artifacts));
    await maven(what, progress, [
      '-f',
      pom,
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${folder}`,
    ]);
  });
}

/** Folder with the registry's runner jar, fetched by Maven into `cache` when it is not there yet. */
export async function registryHome(cache: string, progress: Progress): Promise<string> {
  return fillOnce(join(cache, `apicurio-${APICURIO}`), async (folder) => {
    await maven(`the schema registry ${APICURIO} (142 MB)`, progress, [
      'dependency:copy',
      `-Dartifact=io.apicurio:apicurio-registry-app:${APICURIO}:tar.gz:all`,
      `-DoutputDirectory=${folder}`,
    ]);
    const archive = join(folder, `apicurio-registry-app-${APICURIO}-all.tar.gz`);
    await promisify(execFile)('tar', ['-xzf', archive, '-C', folder]);
    rmSync(archive);
  });
}

export const REGISTRY_JAR = `apicurio-registry-app-${APICURIO}-runner.jar`;

/** Fills a folder beside its place and moves it there when it is whole; of two that do so at once the first wins. */
async function fillOnce(target: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(target)) return target;
  const folder = `${target}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  try {
    await fill(folder);
    if (!existsSync(target)) renameSync(folder, target);
    return target;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function maven(what: string, progress: Progress, args: readonly string[]): Promise<void> {
  const mvn = findProgram('mvn');
  if (mvn === undefined) {
    throw new CdcError('tool_missing', `fetching ${what} needs Maven, and no mvn is on the PATH`, {
      fix: 'Install it (Debian: apt-get install maven), or use docker compose up.',
    });
  }
  progress(`fetching ${what}`);
  const child = spawn(mvn, ['-B', '-Dstyle.color=never', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[code: number | null]>;
  const complaints: string[] = [];
  let files = 0;
  createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line));
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('[ERROR]')) complaints.push(line);
    if (/^(\[INFO\] )?Downloaded from /.test(line) && ++files % 50 === 0) progress(`${files} files so far`);
  });
  const [code] = await ended;
  if (code !== 0) {
    throw new CdcError('stack_failed', `Maven could not fetch ${what}\n${complaints.slice(0, 3).join('\n')}`, {
      fix: 'Check the network and Maven settings and try again, or use docker compose up.',
    });
  }
}

const pomFor = (
  name: string,
  artifacts: readonly Artifact[],
): string => `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>ventia</groupId><artifactId>${name}</artifactId><version>1</version><packaging>pom</packaging><dependencies>
${artifacts.map(dependency).join('\n')}
</dependencies></project>
`;

const dependency = ({ group, artifact, version }: Artifact): string =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
