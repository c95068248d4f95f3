/** Ends the servers of this run; kept ones stay. */
// biome-ignore lint/style/noDefaultExport: Jest takes a module's default export
export default async function globalTeardown(): Promise<void> {
  const stop = globalThis.stopTestServers;
  globalThis.stopTestServers = undefined;
  await stop?.();
}
