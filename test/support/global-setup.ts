import { keptStack, startTestServers } from './servers';
import { STACK_VARIABLE } from './stack';

declare global {
  var stopTestServers: (() => Promise<void>) | undefined;
}

/** Once per run, whichever projects need it: the servers left running by `npm run test:stack`, else servers of this run. */
// biome-ignore lint/style/noDefaultExport: Jest takes a module's default export
export default async function globalSetup(): Promise<void> {
  if (process.env[STACK_VARIABLE] !== undefined) return;
  const kept = await keptStack();
  const servers = kept ?? (await startTestServers());
  if ('stop' in servers) globalThis.stopTestServers = servers.stop;
  const { postgresUrl, kafkaBrokers, registryUrl, kafkaLibs } = servers;
  process.env[STACK_VARIABLE] = JSON.stringify({ postgresUrl, kafkaBrokers, registryUrl, kafkaLibs });
}
