import fc from 'fast-check';
import { Parser } from 'pg-protocol/dist/parser';
import { mendReceiveBuffer } from '../../../src/postgres/receive-buffer';

interface Message {
  readonly name: string;
  readonly chunk?: Buffer;
}

/** CopyData, and messages without a body. */
const copyData = (body: Buffer) => message(0x64, body);
const copyDone = message(0x63, Buffer.alloc(0));

function message(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes[0] = type;
  bytes.writeUInt32BE(4 + body.length, 1);
  body.copy(bytes, 5);
  return bytes;
}

function received(reads: readonly Buffer[]): Message[] {
  const messages: Message[] = [];
  const parser = new Parser();
  for (const read of reads) parser.parse(read, (found) => messages.push(found as unknown as Message));
  return messages;
}

beforeAll(mendReceiveBuffer);

it('finds the same messages however they are cut, and overwrites none that was kept', () => {
  const body = fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ minLength: 100, maxLength: 400 }));
  const messages = fc.array(fc.option(body), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (bodies, sizes) => {
      const wire = Buffer.concat(bodies.map((bytes) => (bytes ? copyData(Buffer.from(bytes)) : copyDone)));
      const reads: Buffer[] = [];
      for (let at = 0; at < wire.length; at += reads.at(-1)!.length)
        reads.push(Buffer.from(wire.subarray(at, at + sizes[reads.length % sizes.length]!)));
      const found = received(reads);
      expect(found.map(({ name }) => name)).toEqual(bodies.map((bytes) => (bytes ? 'copyData' : 'copyDone')));
      expect(found.map(({ chunk }) => chunk && [...chunk])).toEqual(
        bodies.map((bytes) => (bytes ? [...bytes] : undefined)),
      );
    }),
  );
});

it('a message of many reads gets one buffer of its size, once, and does not keep it from the garbage collector', () => {
  const size = 3_000_000;
  const wire = Buffer.concat([copyData(Buffer.alloc(size, 7)), copyData(Buffer.from('next')).subarray(0, 7)]);
  const reads: Buffer[] = [];
  for (let at = 0; at < wire.length; at += 65_536) reads.push(Buffer.from(wire.subarray(at, at + 65_536)));

  const allocate = jest.spyOn(Buffer, 'allocUnsafe');
  const parser = new Parser();
  const found: Buffer[] = [];
  for (const read of reads) parser.parse(read, (m) => found.push((m as unknown as Message).chunk!));
  const large = allocate.mock.calls.map(([bytes]) => bytes).filter((bytes) => bytes > 65_536);
  allocate.mockRestore();

  expect(large).toEqual([5 + size]);
  expect(found.map((chunk) => chunk.length)).toEqual([size]);
  expect((parser as unknown as { begun: { bytes: Buffer } }).begun.bytes).toHaveLength(5 + 4);
});

it('what claims an impossible size gets no memory', () => {
  const allocate = jest.spyOn(Buffer, 'allocUnsafe');
  expect(received([Buffer.from('HTTP/1.1 400 Bad Request\r\n'), Buffer.from('\r\n')])).toEqual([]);
  expect(allocate.mock.calls.every(([bytes]) => bytes < 1000)).toBe(true);
  allocate.mockRestore();
});
