/** Milliseconds that `work` took; also printed, so that a slow machine is told from a slow program. */
export async function timed(what: string, work: () => Promise<unknown>): Promise<number> {
  const begun = Date.now();
  await work();
  const took = Date.now() - begun;
  process.stderr.write(`${what}: ${took} ms\n`);
  return took;
}
