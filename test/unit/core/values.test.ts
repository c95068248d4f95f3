import fc from 'fast-check';
import { readState, stateKeys } from '../../../src/core/capture-state';
import { ERRORS, toCdcError } from '../../../src/core/errors';
import { formatLsn, parseLsn } from '../../../src/core/lsn';
import { murmur2, partitionOf } from '../../../src/core/partition';
import { comparePositions, formatPosition, parsePosition } from '../../../src/core/position';

const lsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const position = fc.record({
  epoch: fc.bigInt({ min: 0n, max: 0xffffffffn }),
  commitLsn: lsn,
  seq: fc.bigInt({ min: 0n, max: 0xffffffffn }),
});

describe('Lsn', () => {
  it('survives its text form', () => {
    fc.assert(fc.property(lsn, (value) => expect(parseLsn(formatLsn(value))).toBe(value)));
  });
  it('reads padded and unpadded text alike', () => {
    expect(parseLsn('00000000/016B3748')).toBe(parseLsn('0/16B3748'));
  });
  it.each(['', '0', '0/', '/0', '0/1/2', 'x/1', '123456789/1'])('refuses "%s"', (text) => {
    expect(() => parseLsn(text)).toThrow(RangeError);
  });
});

describe('Position', () => {
  it('survives its text form, whose order is the order of positions', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        expect(parsePosition(formatPosition(a))).toEqual(a);
        const text = formatPosition(a) < formatPosition(b) ? -1 : formatPosition(a) > formatPosition(b) ? 1 : 0;
        expect(Math.sign(comparePositions(a, b))).toBe(text);
      }),
    );
  });
});

describe('partitionOf', () => {
  // Values of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own UtilsTest.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ])('murmur2("%s")', (text, hash) => {
    const bytes = Buffer.from(text);
    expect(murmur2(bytes, 0, bytes.length)).toBe(hash);
  });
  it('reads only its slice and stays below the number of partitions', () => {
    const bytes = Buffer.from('xxfoobaryy');
    expect(partitionOf(bytes, 2, 8, 6)).toBe((-790332482 & 0x7fffffff) % 6);
  });
});

describe('errors', () => {
  it('have unique codes and a fix each', () => {
    const codes = Object.values(ERRORS).map((e) => e.code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const { fix, meaning } of Object.values(ERRORS)) expect([fix, meaning]).not.toContain('');
  });
  it('keep the cause of what nobody foresaw', () => {
    const cause = new TypeError('boom');
    expect(toCdcError(cause)).toMatchObject({ kind: 'internal', code: 'CDC-900', message: 'boom', cause });
  });
});

describe('capture state', () => {
  const recorded = { systemId: '7', timeline: 1, epoch: 3 };
  it('reads JSON objects and refuses anything else', () => {
    const key = stateKeys.source('ventia-source');
    expect(readState(new Map(), key)).toBeNull();
    expect(readState(new Map([[key, JSON.stringify(recorded)]]), key)).toEqual(recorded);
    for (const text of ['{', '7', 'null'])
      expect(() => readState(new Map([[key, text]]), key)).toThrow('not a JSON object');
  });
});
