import { PassThrough } from 'node:stream';
import { GatheringReader, GatherPolicy } from '../../../src/postgres/gather';

/** Feeds reads of `bytes`, each `gap` ms after the one before or after the pause it caused; how many caused one. */
function pauses(policy: GatherPolicy, reads: number, gap: number, bytes: number): number {
  let now = 0;
  let paused = 0;
  for (let i = 0; i < reads; i++) {
    now += gap;
    if (!policy.afterRead(bytes, now)) continue;
    paused++;
    now += 1;
    policy.reopened(now);
  }
  return paused;
}

describe('policy', () => {
  test('an idle or slow stream is never paused', () => {
    expect(pauses(new GatherPolicy(0), 10_000, 2, 300)).toBe(0);
  });

  test('a lone transaction is never paused, though its messages follow each other closely', () => {
    const policy = new GatherPolicy(0);
    let now = 0;
    for (let transaction = 0; transaction < 100; transaction++) {
      now += 10;
      for (let message = 0; message < 16; message++, now += 0.05) expect(policy.afterRead(300, now)).toBe(false);
    }
  });

  test('a stream under load is paused after each small read', () => {
    expect(pauses(new GatherPolicy(0), 1_000, 0.05, 300)).toBe(1_000 - 15);
  });

  test('reads that gathered by themselves are not paused', () => {
    expect(pauses(new GatherPolicy(0), 1_000, 0.05, 65_536)).toBe(0);
  });

  test('load that ends is forgotten', () => {
    const policy = new GatherPolicy(0);
    pauses(policy, 100, 0.05, 300);
    expect(policy.afterRead(300, 100)).toBe(false);
  });
});

describe('reader', () => {
  const settle = () => new Promise((resolve) => setTimeout(resolve, 10));

  test('held: nothing is read until released, then everything, in order', async () => {
    const socket = new PassThrough();
    const read: string[] = [];
    socket.on('data', (chunk: Buffer) => read.push(chunk.toString()));
    let reads = 0;
    const reader = new GatheringReader(socket, () => reads++);
    reader.hold();
    reader.hold();
    for (let i = 0; i < 100; i++) socket.write(`${i};`);
    await settle();
    expect(reads).toBe(0);
    reader.release();
    await settle();
    expect(read.join('')).toBe(Array.from({ length: 100 }, (_, i) => `${i};`).join(''));
    expect(reads).toBe(read.length);
  });

  /** A reader in the middle of a pause that it made by itself. */
  const pausing = () => {
    const socket = new PassThrough();
    const read: string[] = [];
    socket.on('data', (chunk: Buffer) => read.push(chunk.toString()));
    const reader = new GatheringReader(socket, () => {});
    for (let i = 0; i < 40 && !socket.isPaused(); i++) socket.emit('data', Buffer.from('x'));
    expect(socket.isPaused()).toBe(true);
    read.length = 0;
    return { socket, reader, read };
  };

  test('what came during a pause is read in one piece after it', async () => {
    const { socket, read } = pausing();
    for (const piece of ['a', 'b', 'c']) socket.write(piece);
    await settle();
    expect(read).toEqual(['abc']);
    expect(socket.isPaused()).toBe(false);
  });

  test('a release by the consumer does not cut a pause short', async () => {
    const { socket, reader, read } = pausing();
    socket.write('a');
    reader.release();
    expect(read).toEqual([]);
    await settle();
    expect(read).toEqual(['a']);
  });

  test('the end of a pause does not undo a hold', async () => {
    const { socket, reader, read } = pausing();
    reader.hold();
    socket.write('a');
    await settle();
    expect(read).toEqual([]);
    reader.release();
    expect(read).toEqual(['a']);
  });

  test('a consumer who holds again at the first piece after a pause gets no second', async () => {
    const { socket, reader, read } = pausing();
    socket.once('data', () => reader.hold());
    socket.write('a');
    await settle();
    socket.write('b');
    await settle();
    expect(read).toEqual(['a']);
    expect(socket.isPaused()).toBe(true);
  });

  test('closed: no timer and no listener is left', async () => {
    const socket = new PassThrough();
    const reader = new GatheringReader(socket, () => {});
    for (let i = 0; i < 40; i++) socket.emit('data', Buffer.alloc(10));
    reader.close();
    await settle();
    expect(socket.isPaused()).toBe(true);
    expect(socket.listenerCount('data')).toBe(0);
  });
});
