import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A link between a client and a server that a test can break. */
export interface TcpProxy {
  readonly port: number;
  /** Connections open now, and all there ever were. */
  readonly open: number;
  readonly accepted: number;
  /** The URL, leading through the proxy. */
  through(url: string): string;
  /** Nothing passes any more, in either direction, and nobody is told: half-open. New connections are accepted and as dead. */
  freeze(): void;
  /** Freezes when clients have sent so many bytes more: what they were sending then has arrived in part. */
  freezeAfter(bytes: number): void;
  readonly frozen: boolean;
  /** What is frozen passes again, nothing lost. */
  pass(): void;
  /** No more than so many bytes a second, on each connection and in each direction; Infinity = as fast as it goes. */
  throttle(bytesPerSecond: number): void;
  /** Resets the connections there are (RST to both sides); new ones pass. */
  cut(): void;
  /** Cuts, and refuses new connections, as where no server runs. */
  refuse(): Promise<void>;
  /** Takes connections again, on the same port. */
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** Changes what the server answers on one connection, piece by piece. */
export type Rewrite = (chunk: Buffer) => Buffer;

/** Listens on a free port of 127.0.0.1 and connects each client to host and port of `target` (any URL). */
export async function startTcpProxy(target: string, rewrite?: (proxyPort: number) => Rewrite): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  let frozen = false;
  let accepted = 0;
  let budget = Number.POSITIVE_INFINITY;
  let rate = Number.POSITIVE_INFINITY;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted++;
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    relay(client, upstream, (chunk) => spend(client, chunk));
    relay(upstream, client, rewrite?.(address.port));
    const end = () => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on('error', end).on('close', end);
    if (frozen) for (const socket of pair) socket.pause();
  });

  function relay(from: Socket, to: Socket, change: Rewrite = (chunk) => chunk): void {
    from.on('data', (chunk: Buffer) => {
      const room = to.write(change(chunk));
      if (room && rate === Number.POSITIVE_INFINITY) return;
      from.pause();
      const goOn = () => {
        if (!frozen) from.resume();
      };
      const later = () => setTimeout(goOn, (chunk.length / rate) * 1000);
      if (room) later();
      else to.once('drain', later);
    });
    from.on('end', () => to.end());
  }

  /** What of the chunk may pass; the rest comes again when the socket is read again. */
  function spend(client: Socket, chunk: Buffer): Buffer {
    const passed = chunk.subarray(0, Math.min(chunk.length, budget));
    budget -= passed.length;
    if (budget > 0) return passed;
    freeze();
    if (passed.length < chunk.length) client.unshift(chunk.subarray(passed.length));
    return passed;
  }

  function freeze(): void {
    frozen = true;
    budget = Number.POSITIVE_INFINITY;
    for (const pair of pairs) for (const socket of pair) socket.pause();
  }

  function cut(): void {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as { port: number };
  return {
    port: address.port,
    get open() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    through(url) {
      const rerouted = new URL(url);
      rerouted.hostname = '127.0.0.1';
      rerouted.port = String(address.port);
      return rerouted.href;
    },
    freeze,
    freezeAfter(bytes) {
      budget = bytes;
    },
    get frozen() {
      return frozen;
    },
    throttle(bytesPerSecond) {
      rate = bytesPerSecond;
    },
    pass() {
      frozen = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    cut,
    async refuse() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
    async accept() {
      server.listen(address.port, '127.0.0.1');
      await once(server, 'listening');
    },
    async close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
