import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { parse } from 'yaml';
import { loadConnectors } from '../../../src/config/connector-files';
import { VARIABLES } from '../../../src/config/variables';
import { VERSION } from '../../../src/core/version';
import { APICURIO, KAFKA } from '../../../src/dev/stack/download';

/** The parts of docker-compose.yml that are looked at here. */
interface Service {
  readonly image: string;
  readonly build?: unknown;
  readonly command?: readonly string[];
  readonly profiles: readonly string[];
  readonly restart: string;
  readonly user?: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly mem_limit: string;
  readonly pids_limit: number;
  readonly stop_grace_period?: string;
  readonly logging: { readonly options: Readonly<Record<string, string>> };
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: unknown };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const text = readFileSync('docker-compose.yml', 'utf8');
const file: ComposeFile = parse(text, { merge: true });
const example = readFileSync('.env.example', 'utf8');
const dockerfile = readFileSync('docker/Dockerfile', 'utf8');

const services = Object.entries(file.services);
const ours = services.filter(([, { build }]) => build !== undefined);
/** Those that work until somebody stops them. */
const lasting = services.filter(([name]) => name !== 'setup');
const megabytes = (size: string) => Number.parseFloat(size) * (size.endsWith('g') ? 1024 : 1);

test('the services are those that are documented', () => {
  const of = (profile: string) => services.filter(([, s]) => s.profiles.includes(profile)).map(([name]) => name);
  const service = ['setup', 'capture', 'sink', 'console'];
  expect(of('bundled')).toEqual([...service, 'postgres', 'kafka', 'registry']);
  expect(of('external')).toEqual(service);
  expect(of('monitoring')).toEqual(['prometheus', 'grafana']);
  expect(of('demo')).toEqual(['demo']);
  expect(ours.map(([name]) => name)).toEqual([...service, 'demo']);
});

describe.each(services)('%s', (_name, service) => {
  test('has no right that it does not need', () => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service).not.toHaveProperty('cap_add');
    expect(service.security_opt).toContain('no-new-privileges:true');
    for (const key of ['privileged', 'network_mode', 'pid', 'ipc', 'devices', 'userns_mode'])
      expect(service).not.toHaveProperty(key);
    expect(service.user ?? '').not.toMatch(/^(root|0)\b/);
  });

  test('has limits: memory, processes, log', () => {
    expect(megabytes(service.mem_limit)).toBeGreaterThan(0);
    expect(service.pids_limit).toBeGreaterThan(0);
    expect(service.logging.options).toEqual({ 'max-size': expect.anything(), 'max-file': expect.anything() });
  });

  test('is published on loopback only, at a port that can be chosen', () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+$/);
  });

  test('has an image of a fixed version', () => {
    expect(service.image).toMatch(/^[a-z/-]+:[^:]+/);
    expect(service.image).not.toMatch(/:latest/);
  });

  test('is given its secrets as files, and no others than those it reads', () => {
    const { secrets = [], environment = {}, volumes = [] } = service;
    const read = `${JSON.stringify(environment)}${volumes.some((v) => v.includes('init.sh')) ? readFileSync('docker/postgres/init.sh', 'utf8') : ''}`;
    for (const secret of secrets) expect(read).toContain(secret);
    for (const [, named] of JSON.stringify(environment).matchAll(/\/run\/secrets\/(\w+)/g))
      expect(secrets).toContain(named);
    for (const secret of secrets) expect(file.secrets).toHaveProperty(secret);
  });

  test('changes no file of the machine', () => {
    for (const volume of service.volumes ?? []) {
      const [from = '', , mode] = volume.split(':');
      if (!from.startsWith('.')) expect(file.volumes).toHaveProperty(from);
      else expect([existsSync(from), mode]).toEqual([true, 'ro']);
    }
  });
});

test.each(lasting)('%s starts again by itself, and its health is looked at', (name, { restart, healthcheck }) => {
  expect(restart).toBe('unless-stopped');
  // Ours have that of their image.
  if (name !== 'demo') expect(healthcheck?.disable ?? false).toBe(false);
  if (!ours.some(([other]) => other === name)) expect(healthcheck?.test).toBeDefined();
});

describe('the service', () => {
  test('begins after set-up, which ends', () => {
    expect(file.services.setup).toMatchObject({ restart: 'no', command: ['setup', '--yes'] });
    for (const name of ['capture', 'sink', 'console'])
      expect(file.services[name]!.depends_on).toMatchObject({ setup: { condition: 'service_completed_successfully' } });
    for (const server of ['postgres', 'kafka', 'registry'])
      expect(file.services.setup!.depends_on).toMatchObject({ [server]: { condition: 'service_healthy' } });
  });

  test('runs each connector once', () => {
    const run = ['capture', 'sink'].flatMap((name) => file.services[name]!.command!.slice(1));
    expect(run.sort()).toEqual(loadConnectors('connectors', {}).map(({ name }) => name));
  });

  test.each(ours)('%s has time to finish, a heap below its limit, and settings that exist', (_name, service) => {
    expect(service.stop_grace_period).toBe('15s');
    const options = String(service.environment?.NODE_OPTIONS ?? /NODE_OPTIONS=(\S+)/.exec(dockerfile)?.[1]);
    const heap = Number(/--max-old-space-size=(\d+)/.exec(options)?.[1]);
    expect(heap).toBeGreaterThan(0);
    expect(heap).toBeLessThan(0.6 * megabytes(service.mem_limit));
    for (const name of Object.keys(service.environment ?? {}))
      expect([...Object.keys(VARIABLES), 'NODE_OPTIONS']).toContain(name.replace(/_FILE$/, ''));
  });

  test('holds the memory that was measured', () => {
    expect(file.services.sink!.mem_limit).toBe('256m');
    expect(file.services.capture!.mem_limit).toBe('512m');
  });

  test("Kafka's heap is below its limit, and 1 GB at most", () => {
    const [heap, direct] = /-Xmx(\d+)m -XX:MaxDirectMemorySize=(\d+)m/
      .exec(String(file.services.kafka!.environment!.KAFKA_HEAP_OPTS))!
      .slice(1)
      .map(Number);
    expect(heap).toBeLessThanOrEqual(1024);
    expect(heap! + direct!).toBeLessThan(megabytes(file.services.kafka!.mem_limit));
  });
});

test('versions are those that the code is tested with', () => {
  const image = (name: string) => file.services[name]!.image;
  expect(image('kafka')).toBe(`apache/kafka:${KAFKA}`);
  expect(image('registry')).toBe(`apicurio/apicurio-registry-mem:${APICURIO}`);
  expect(image('postgres')).toBe('postgres:17');
  for (const [, service] of ours) expect(service.image).toBe(`ventia-cdc:\${VENTIA_CDC_VERSION:-${VERSION}}`);
  const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const node = devDependencies.node.split('.')[0];
  expect([...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)).toEqual(
    Array(2).fill(`node:${node}-bookworm-slim`),
  );
});

describe('variables', () => {
  const used = [...text.replaceAll('$$', '').matchAll(/\$\{(\w+)(?:(:?[-+])([^}]*))?\}/g)];
  const explained = [...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value] as const);

  test('each is explained in .env.example, and no other', () => {
    const names = new Set(used.map(([, name]) => name!));
    expect(
      explained
        .map(([name]) => name)
        .filter((name) => name !== 'COMPOSE_PROFILES')
        .sort(),
    ).toEqual([...names].sort());
  });

  test('what .env.example shows is the default', () => {
    for (const [, name, operator, fallback] of used) {
      expect([name, operator]).not.toEqual([name, undefined]);
      if (operator!.endsWith('-') && fallback !== '/dev/null') expect(explained).toContainEqual([name, fallback]);
    }
  });

  test('none is a secret', () => {
    for (const [, name] of used)
      expect([name, VARIABLES[name as keyof typeof VARIABLES]?.secret === true && !name!.endsWith('URL')]).toEqual([
        name,
        false,
      ]);
  });
});

describe('the image', () => {
  test('is built from the lock, runs no script of a package, and not as root', () => {
    expect(dockerfile.match(/npm ci/g)).toHaveLength(2);
    expect(dockerfile.match(/npm ci .*--ignore-scripts/g)).toHaveLength(2);
    const last = dockerfile.slice(dockerfile.lastIndexOf('FROM '));
    expect(last).toContain('npm ci --omit=dev --ignore-scripts');
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^HEALTHCHECK /m);
  });

  test('needs nothing but the npm registry, and names none', () => {
    expect(dockerfile).not.toMatch(/https?:|curl|wget|apt-get|registry=/);
  });

  test('nothing but what it copies is sent to the engine', () => {
    const sent = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, from]) => from!.split(' '));
    expect([...new Set(copied)].sort()).toEqual([...sent].sort());
    for (const path of sent) expect([path, existsSync(path)]).toEqual([path, true]);
  });

  test('scripts can be run', () => {
    for (const script of ['docker/healthcheck.sh', 'docker/secrets.sh', 'docker/postgres/init.sh'])
      expect(statSync(script).mode & 0o111).toBe(0o111);
  });
});

test('secrets are ignored by git, and docker/secrets.sh makes those that must be there', () => {
  expect(readFileSync('.gitignore', 'utf8')).toMatch(/^secrets\/$/m);
  const needed = Object.entries(file.secrets).filter(([, { file: from }]) => !from.startsWith('$'));
  expect(readFileSync('docker/secrets.sh', 'utf8')).toContain(`for name in ${needed.map(([name]) => name).join(' ')};`);
  for (const [name, { file: from }] of needed) expect(from).toBe(`./secrets/${name}`);
});

test('the bundled database is made of the files that the tests use', () => {
  const init = readFileSync('docker/postgres/init.sh', 'utf8');
  for (const system of ['ventia', 'messaging']) {
    expect(init).toContain(system);
    expect(readdirSync(`schemas/sql/${system}/seed`)).not.toEqual([]);
  }
});
