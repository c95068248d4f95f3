import { createServer, type Server } from 'node:net';

/**
 * Chooses loopback ports by name: the wanted one where it is free, else any free one; 0 asks for any. All differ, because
 * every chosen port is held until the last is found.
 */
export async function choosePorts<K extends string>(wanted: Readonly<Record<K, number>>): Promise<Record<K, number>> {
  const held: Server[] = [];
  const chosen: Partial<Record<K, number>> = {};
  try {
    for (const [name, port] of Object.entries(wanted) as [K, number][]) {
      const server = (await listen(port)) ?? (await listen(0));
      if (server === undefined) throw new Error('no free port on 127.0.0.1');
      held.push(server);
      chosen[name] = (server.address() as { port: number }).port;
    }
  } finally {
    await Promise.all(held.map((server) => new Promise((done) => server.close(done))));
  }
  return chosen as Record<K, number>;
}

/** A server that holds the port, or undefined when somebody else does (or it is a privileged one). */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ host: '127.0.0.1', port }, () => resolve(server));
  });
}
