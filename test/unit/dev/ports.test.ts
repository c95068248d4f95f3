import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { choosePorts } from '../../../src/dev/stack/ports';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A port that somebody listens on until the test ends. */
async function takenPort(host?: string): Promise<number> {
  const server = createServer().listen(0, host);
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('a wanted port that is free is taken, one that is not is replaced by another', async () => {
  const taken = await takenPort('127.0.0.1');
  const { free } = await choosePorts({ free: 0 });

  const ports = await choosePorts({ free, taken });

  expect(ports.free).toBe(free);
  expect(ports.taken).not.toBe(taken);
  expect(ports.taken).toBeGreaterThan(0);
});

test('a port that is taken on all addresses is taken on loopback too', async () => {
  const port = await takenPort();
  expect((await choosePorts({ port })).port).not.toBe(port);
});

test('two that want the same get two', async () => {
  const { one } = await choosePorts({ one: 0 });
  const ports = await choosePorts({ first: one, second: one, third: 0, fourth: 0 });
  expect(new Set(Object.values(ports)).size).toBe(4);
});
