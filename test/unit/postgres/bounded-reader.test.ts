import { BoundedReader } from '../../../src/postgres/bounded-reader';

const reading = (bytes: Buffer, at = 0): BoundedReader => {
  const reader = new BoundedReader();
  reader.start(bytes, at);
  return reader;
};

test('reads one value after the other', () => {
  const reader = reading(Buffer.from('00ff0102fffffffe6100ffffffffffffffffabcd', 'hex'), 1);
  expect(reader.uint8()).toBe(255);
  expect(reader.uint16()).toBe(0x102);
  expect(reader.int32()).toBe(-2);
  expect(reader.text()).toBe('a');
  expect(reader.uint64()).toBe(0xffff_ffff_ffff_ffffn);
  expect(() => reader.finish()).toThrow('bytes after its end');
  expect(reader.copy(2)).toEqual(Buffer.from('abcd', 'hex'));
  reader.finish();
});

test.each<[string, (reader: BoundedReader) => unknown]>([
  ['uint16', (reader) => reader.uint16()],
  ['int32', (reader) => reader.int32()],
  ['uint32', (reader) => reader.uint32()],
  ['int64', (reader) => reader.int64()],
  ['uint64', (reader) => reader.uint64()],
  ['a text without an end', (reader) => reader.text()],
  ['more bytes than there are', (reader) => reader.copy(2)],
  ['fewer than no bytes', (reader) => reader.copy(-1)],
])('%s: refused, and the place is kept', (_, read) => {
  const reader = reading(Buffer.from('xyz'), 2);
  expect(() => read(reader)).toThrow('ends too early');
  expect(reader.copy(1).toString()).toBe('z');
});
