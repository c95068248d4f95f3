import { Parser } from 'pg-protocol/dist/parser';

/** What of pg-protocol 1.16.1's Parser is relied on: bytes it could not use yet are at [bufferOffset, bufferOffset + bufferLength). */
interface Receiving {
  buffer: Buffer;
  bufferOffset: number;
  bufferLength: number;
  /** Ours: the message that has come in part, or as much of its header. */
  begun?: { bytes: Buffer; filled: number } | undefined;
}
type Parse = (this: Receiving, read: Buffer, onMessage: (message: unknown) => void) => void;

/** Type and length; the length counts itself, not the type. */
const HEADER_BYTES = 5;
/** PostgreSQL sends none that is larger: what says so is no PostgreSQL, and gets no buffer of that size. */
const MAX_BYTES = 1 << 30;
const NOTHING = Buffer.alloc(0);

let mended = false;

/**
 * Mends how pg-protocol gathers a message that comes in several reads. It doubles a buffer as the message grows, so that a
 * row of 100 MB is copied again and again and takes up to three times its size, and it keeps that buffer as long as the
 * connection is busy, moving what is unread to its beginning. Here such a message, which says its length, gets a buffer of
 * that size and leaves with it; all others lie in the read they came with.
 *
 * So nothing that was handed over is ever overwritten: a message may be kept without a copy. Once a process, before the
 * first connection.
 */
export function mendReceiveBuffer(): void {
  if (mended) return;
  mended = true;
  const prototype = Parser.prototype as unknown as { parse: Parse };
  const { parse } = prototype;
  prototype.parse = function (read, onMessage) {
    let at = 0;
    while (this.begun && at < read.length) {
      at += fill(this.begun, read, at);
      const { bytes, filled } = this.begun;
      if (filled < bytes.length) continue;
      const length = lengthOf(bytes);
      if (length > bytes.length && length <= MAX_BYTES) this.begun = gather(bytes, length);
      else {
        this.begun = undefined;
        parse.call(this, bytes, onMessage);
      }
    }
    if (at === read.length) return;
    parse.call(this, read.subarray(at), onMessage);
    if (this.bufferLength === 0) return;
    const rest = this.buffer.subarray(this.bufferOffset, this.bufferOffset + this.bufferLength);
    const length = rest.length < HEADER_BYTES ? HEADER_BYTES : lengthOf(rest);
    if (length > MAX_BYTES) return;
    this.begun = gather(rest, length);
    this.buffer = NOTHING;
    this.bufferOffset = 0;
    this.bufferLength = 0;
  };
}

function gather(beginning: Buffer, length: number): { bytes: Buffer; filled: number } {
  const bytes = Buffer.allocUnsafe(length);
  return { bytes, filled: beginning.copy(bytes) };
}

/** Returns how many bytes of `read` it took. */
function fill(begun: { bytes: Buffer; filled: number }, read: Buffer, at: number): number {
  const taken = read.copy(begun.bytes, begun.filled, at);
  begun.filled += taken;
  return taken;
}

function lengthOf(message: Buffer): number {
  return 1 + message.readUInt32BE(1);
}
