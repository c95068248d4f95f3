import { type ColumnWriter, requireWidth, unencodable } from './column-writer';
import { MAX_LONG_BYTES, writeVarint } from './long';

/** Text, uuid, bytea and jsonb: bytes that are copied rather than read. */

/** Below this a loop is faster than a call into the runtime. */
const SHORT = 40;

export function copyBytes(out: Buffer, at: number, bytes: Buffer, start: number, end: number): number {
  if (end - start >= SHORT) return at + bytes.copy(out, at, start, end);
  let to = at;
  for (let i = start; i < end; i++) out[to++] = bytes[i]!;
  return to;
}

/** The server sends valid UTF-8 (client_encoding), which is what Avro wants. */
export const stringFromText: ColumnWriter = (out, at, bytes, start, end) => {
  return copyBytes(out, writeVarint(out, at, (end - start) << 1), bytes, start, end);
};

/** A version byte, then the text. */
export const stringFromJsonb: ColumnWriter = (out, at, bytes, start, end) => {
  if (bytes[start] !== 1 || end <= start) throw unencodable('a binary jsonb of an unknown version');
  return stringFromText(out, at, bytes, start + 1, end);
};

const UUID_TEXT = 36;

export const uuidFromText: ColumnWriter = (out, at, bytes, start, end) => {
  if (end - start !== UUID_TEXT) throw unencodable('not a uuid');
  return stringFromText(out, at, bytes, start, end);
};

export const uuidFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  out[at] = UUID_TEXT << 1;
  return formatUuid(out, at + 1, bytes, start, end);
};

/** Lower case with dashes; returns the position after its 36 bytes. */
export function formatUuid(out: Uint8Array, at: number, bytes: Buffer, start: number, end: number): number {
  requireWidth(start, end, 16);
  let to = at;
  for (let i = 0; i < 16; i++) {
    const byte = bytes[start + i]!;
    out[to++] = HEX[byte >> 4]!;
    out[to++] = HEX[byte & 15]!;
    if (i === 3 || i === 5 || i === 7 || i === 9) out[to++] = 0x2d;
  }
  return to;
}

const HEX = Buffer.from('0123456789abcdef');

export const bytesFromBinary: ColumnWriter = stringFromText;

/** bytea_output = hex, PostgreSQL's default: `\x` and two digits a byte. */
export const bytesFromText: ColumnWriter = (out, at, bytes, start, end) => {
  const length = (end - start - 2) >> 1;
  if (length < 0 || end - start !== 2 + 2 * length || bytes[start] !== 0x5c || bytes[start + 1] !== 0x78)
    throw unencodable('bytea is not in hexadecimal form');
  let to = writeVarint(out, at, length << 1);
  for (let i = start + 2; i < end; i += 2) {
    const byte = (nibble(bytes[i]!) << 4) | nibble(bytes[i + 1]!);
    if (byte < 0) throw unencodable('bytea is not in hexadecimal form');
    out[to++] = byte;
  }
  return to;
};

/** -1 for what is no digit; it survives the or above as a sign. */
function nibble(letter: number): number {
  if (letter >= 0x30 && letter <= 0x39) return letter - 0x30;
  const lower = letter | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A string of ours, encoded once. */
export function avroString(value: string): Buffer {
  const bytes = Buffer.from(value);
  const out = Buffer.alloc(bytes.length + MAX_LONG_BYTES);
  return out.subarray(0, stringFromText(out, 0, bytes, 0, bytes.length));
}
