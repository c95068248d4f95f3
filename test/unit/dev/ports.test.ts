import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { choosePorts } from '../../../src/dev/stack/ports';

test('a wanted port that is free is taken, one that is not is replaced by another', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: taken } = server.address() as AddressInfo;
  const { free } = await choosePorts({ free: 0 });

  const ports = await choosePorts({ free, taken });

  expect(ports.free).toBe(free);
  expect(ports.taken).not.toBe(taken);
  expect(ports.taken).toBeGreaterThan(0);
  server.close();
});

test('a port that is taken on all addresses is taken on loopback too', async () => {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect((await choosePorts({ port })).port).not.toBe(port);
  server.close();
});

test('two that want the same get two', async () => {
  const { one } = await choosePorts({ one: 0 });
  const ports = await choosePorts({ first: one, second: one, third: 0, fourth: 0 });
  expect(new Set(Object.values(ports)).size).toBe(4);
});
