import type { Element } from './rows';

const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const NULL = Buffer.from('\\N');
const SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Rows in COPY's text format, written as bytes at once: a quarter of the time that strings take, and no garbage. */
export class CopyText {
  private buffer: Buffer;
  private at = 0;

  /** `fields`: about how many there will be. */
  constructor(fields: number) {
    this.buffer = Buffer.allocUnsafe(fields * 16);
  }

  field(value: Element): void {
    if (typeof value === 'string') this.string(value);
    else if (value === null) {
      this.reserve(NULL.length);
      this.at += NULL.copy(this.buffer, this.at);
    } else this.string(String(value));
    this.reserve(1);
    this.buffer[this.at++] = TAB;
  }

  endRow(): void {
    this.buffer[this.at - 1] = NEWLINE;
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.at);
  }

  /** Nearly all values are ASCII without control characters. */
  private string(value: string): void {
    const { length } = value;
    this.reserve(length);
    const { buffer, at } = this;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code < 0x20 || code === BACKSLASH || code > 0x7e) {
        this.escaped(value);
        return;
      }
      buffer[at + i] = code;
    }
    this.at = at + length;
  }

  private escaped(value: string): void {
    const text = value.replace(SPECIAL, (character) => ESCAPES[character]!);
    this.reserve(3 * text.length);
    this.at += this.buffer.write(text, this.at);
  }

  private reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.buffer.length));
    this.buffer.copy(grown, 0, 0, this.at);
    this.buffer = grown;
  }
}
