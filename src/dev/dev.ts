import { once } from 'node:events';
import { join } from 'node:path';
import type { Environment } from '../config/settings';
import { connectorsFor } from './connectors';
import { type DevDatabases, prepareDatabases } from './databases';
import type { Profile } from './demo-schema';
import { DevMeter, type ServiceState } from './meter';
import { renderPlainLine } from './screen/render';
import { showView } from './screen/screen';
import type { DevView } from './screen/view';
import { openShop } from './shop/open';
import { choosePorts } from './stack/ports';
import { type Stack, startStack, USUAL_PORTS } from './stack/stack';

export interface DevRunOptions {
  readonly profile: Profile;
  readonly demo: boolean;
  /** The shop's actions per second. */
  readonly rate: number;
  readonly reset: boolean;
  /** Holds `cache`, what was fetched, and for each profile its data and logs. */
  readonly home: string;
}

export interface DevService extends ServiceState {
  stop(): Promise<void>;
}

export interface DevRunDeps {
  /** Aborted = end everything in good order. */
  readonly signal: AbortSignal;
  readonly out: NodeJS.WriteStream;
  /**
   * Sets up and starts all connectors with this environment; resolves when they run. Its log goes to the file: the terminal
   * is taken.
   */
  startService(env: Environment, logFile: string): Promise<DevService>;
}

const USUAL_HTTP_PORT = 8083;

/** The whole pipeline on this machine until the signal aborts. */
export async function runDev(options: DevRunOptions, deps: DevRunDeps): Promise<void> {
  const { profile, home } = options;
  const { signal, out } = deps;
  const dir = join(home, profile);
  const startedMs = performance.now();
  const progress = (line: string) => {
    out.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} s  ${line}\n`);
  };

  const toStop: (() => Promise<void>)[] = [];
  try {
    const cache = join(home, 'cache');
    const stack = await startStack({ dir, cache, ports: USUAL_PORTS, reset: options.reset, progress });
    toStop.push(stack.stop);
    const databases = await prepareDatabases(stack.postgres.url, profile);
    const { http } = await choosePorts({ http: USUAL_HTTP_PORT });
    if (signal.aborted) return;

    const env = environment(stack, databases, { http, connectors: connectorsFor(profile, dir) });
    const service = await deps.startService(env, join(dir, 'service.log'));
    toStop.push(() => service.stop());
    const shop = options.demo ? await openShop(databases.sourceAdminUrl, databases.messagingAdminUrl, options) : null;
    if (shop !== null) toStop.push(() => shop.stop());
    progress('ready');

    const hints = commandsToTry(stack, databases, { http, profile });
    if (!out.isTTY) for (const { label, command } of hints) out.write(`${label.padEnd(8)} ${command}\n`);
    const meter = new DevMeter({ profile, service, shop, hints });
    const hide = showView(out, () => meter.view());
    if (!signal.aborted) await once(signal, 'abort');
    hide();
    out.write(`${renderPlainLine(meter.view())}\n`);
  } finally {
    if (toStop.length > 0) progress(`stopping; the data stay in ${dir}`);
    await stopAll(toStop.reverse());
  }
}

/** The shop before the service, the service before its servers; one that fails keeps none of the others running. */
async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const stop of stops) await stop().catch((error) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

function environment(
  stack: Stack,
  databases: DevDatabases,
  { http, connectors }: { readonly http: number; readonly connectors: string },
): Environment {
  return {
    VENTIA_SOURCE_URL: databases.sourceUrl,
    VENTIA_ADMIN_URL: databases.sourceAdminUrl,
    MESSAGING_URL: databases.messagingUrl,
    MESSAGING_ADMIN_URL: databases.messagingAdminUrl,
    KAFKA_BROKERS: stack.kafka.brokers,
    SCHEMA_REGISTRY_URL: stack.registry.url,
    HTTP_PORT: String(http),
    CONNECTORS_DIR: connectors,
    PRIVACY_KEY: 'only-for-this-development-stack-never-elsewhere',
  };
}

function commandsToTry(
  { kafka, registry }: Stack,
  { sourceAdminUrl, messagingAdminUrl }: DevDatabases,
  { http, profile }: { readonly http: number; readonly profile: Profile },
): DevView['hints'] {
  const databases =
    profile === 'seed'
      ? [{ label: 'psql', command: `psql ${sourceAdminUrl}` }]
      : [
          { label: 'ventia', command: `psql ${sourceAdminUrl}` },
          { label: 'messages', command: `psql ${messagingAdminUrl}` },
        ];
  // Debian's kcat is built without Avro: it shows that the records come, the registry what is in them.
  const format = `-f 'partition=%p,offset=%o,ms=%T,bytes=%S\\n'`;
  return [
    ...databases,
    { label: 'records', command: `kcat -b ${kafka.brokers} -t ventia.orders -C -o -3 -e -q ${format}` },
    { label: 'schema', command: `curl ${registry.url}/subjects/ventia.orders-value/versions/latest` },
    { label: 'ready?', command: `curl http://127.0.0.1:${http}/ready` },
    { label: 'metrics', command: `curl http://127.0.0.1:${http}/metrics` },
    { label: 'end', command: 'Ctrl-C' },
  ];
}
