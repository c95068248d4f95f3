import { type ColumnWriter, int32At, requireWidth, unencodable } from './column-writer';
import { MAX_EXACT, writeLong, writeLong64, writeMagnitude } from './long';

/**
 * date, time, timestamp and timestamptz as days and microseconds, proleptic Gregorian like PostgreSQL's own.
 *
 * The infinities are the largest and smallest integer of the type. PostgreSQL's finite timestamps reach further (the year
 * 294276) than microseconds since 1970 do in 64 bits: what does not fit is refused rather than bent.
 */

const SECONDS_A_DAY = 86_400;
const MICROS = 1_000_000;
/** Days from 1970-01-01 to 2000-01-01, from where PostgreSQL counts. */
const EPOCH_DAYS = 10_957;
const EPOCH_MICROS_HIGH = Math.floor((EPOCH_DAYS * SECONDS_A_DAY * MICROS) / 0x100000000);
const EPOCH_MICROS_LOW = (EPOCH_DAYS * SECONDS_A_DAY * MICROS) % 0x100000000;

const INT_MAX = 0x7fffffff;
const INT_MIN = -0x80000000;

/** Where the reading of a text stands, and its end: module state, because a parser object would be one a row. */
let cursor = 0;
let stop = 0;

export const dateFromText: ColumnWriter = (out, at, bytes, start, end) => {
  if (isInfinity(bytes, start, end)) return writeLong(out, at, bytes[start] === 0x2d ? INT_MIN : INT_MAX);
  begin(bytes, start, end);
  const days = readDate(bytes);
  requireEnd('date');
  return writeLong(out, at, days);
};

export const dateFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 4);
  const days = int32At(bytes, start);
  if (days === INT_MAX || days === INT_MIN) return writeLong(out, at, days);
  if (days >= INT_MAX - EPOCH_DAYS) throw unencodable('not a date');
  return writeLong(out, at, days + EPOCH_DAYS);
};

/** Up to 24:00:00, which PostgreSQL admits. */
export const timeFromText: ColumnWriter = (out, at, bytes, start, end) => {
  begin(bytes, start, end);
  const seconds = readTime(bytes);
  const micros = readFraction(bytes);
  requireEnd('time');
  return writeLong(out, at, seconds * MICROS + micros);
};

export const timeFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 8);
  return writeLong64(out, at, int32At(bytes, start), int32At(bytes, start + 4));
};

/** `2024-01-02 03:04:05.678901+00`, `0044-03-15 12:00:00 BC`: DateStyle ISO; the offset, where there is one, is obeyed. */
export const timestampFromText: ColumnWriter = (out, at, bytes, start, end) => {
  const common = commonMicros(bytes, start, end);
  if (common >= 0) return writeLong(out, at, common);
  if (isInfinity(bytes, start, end))
    return bytes[start] === 0x2d ? writeLong64(out, at, INT_MIN, 0) : writeLong64(out, at, INT_MAX, -1);
  begin(bytes, start, end);
  const days = readDate(bytes);
  expect(bytes, 0x20);
  const time = readTime(bytes);
  const micros = readFraction(bytes);
  const seconds = days * SECONDS_A_DAY + time - readOffset(bytes);
  requireEnd('timestamp');
  return writeMicros(out, at, seconds, micros);
};

/**
 * Microseconds of the form that nearly all timestamps have, `YYYY-MM-DD HH:MM:SS[.ffffff][+00]` from 1970 to 2099, read at
 * fixed places; -1 for any other.
 */
function commonMicros(bytes: Buffer, start: number, end: number): number {
  const utc = bytes[end - 3] === 0x2b && bytes[end - 2] === 0x30 && bytes[end - 1] === 0x30;
  const stop = utc ? end - 3 : end;
  const length = stop - start;
  if (length < 19 || length === 20 || length > 26) return -1;
  const separators =
    (bytes[start + 4]! ^ 0x2d) |
    (bytes[start + 7]! ^ 0x2d) |
    (bytes[start + 10]! ^ 0x20) |
    (bytes[start + 13]! ^ 0x3a) |
    (bytes[start + 16]! ^ 0x3a);
  const year = pair(bytes, start) * 100 + pair(bytes, start + 2);
  const month = pair(bytes, start + 5);
  const day = pair(bytes, start + 8);
  const hour = pair(bytes, start + 11);
  const minute = pair(bytes, start + 14);
  const second = pair(bytes, start + 17);
  if (separators !== 0 || year < 1970 || year > 2099 || month < 1 || month > 12 || day < 1 || day > 31) return -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return -1;
  let micros = 0;
  if (length > 19) {
    if (bytes[start + 19] !== 0x2e) return -1;
    for (let i = start + 20; i < start + 26; i++) {
      const digit = i < stop ? bytes[i]! - 0x30 : 0;
      if (digit < 0 || digit > 9) return -1;
      micros = micros * 10 + digit;
    }
  }
  const leapDays = ((year - 1969) >> 2) + ((year & 3) === 0 && month > 2 ? 1 : 0);
  const days = (year - 1970) * 365 + leapDays + DAYS_BEFORE_MONTH[month]! + day - 1;
  return (days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second) * MICROS + micros;
}

const DAYS_BEFORE_MONTH = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/** Two digits; far below zero for anything else. */
function pair(bytes: Buffer, at: number): number {
  const tens = bytes[at]! - 0x30;
  const ones = bytes[at + 1]! - 0x30;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1_000_000 : tens * 10 + ones;
}

export const timestampFromBinary: ColumnWriter = (out, at, bytes, start, end) => {
  requireWidth(start, end, 8);
  const high = int32At(bytes, start);
  const low = int32At(bytes, start + 4);
  if ((high === INT_MAX && low === -1) || (high === INT_MIN && low === 0)) return writeLong64(out, at, high, low);
  const sum = (low >>> 0) + EPOCH_MICROS_LOW;
  const sumLow = sum >>> 0;
  const sumHigh = high + EPOCH_MICROS_HIGH + (sum - sumLow) / 0x100000000;
  refuseOverflow(sumHigh, sumLow);
  return writeLong64(out, at, sumHigh, sumLow);
};

function refuseOverflow(high: number, low: number): void {
  if (high > INT_MAX || (high === INT_MAX && low === 0xffffffff))
    throw unencodable('a timestamp beyond the microseconds of 64 bits');
}

function writeMicros(out: Buffer, at: number, seconds: number, micros: number): number {
  const total = seconds * MICROS + micros;
  if (total > -MAX_EXACT && total < MAX_EXACT) return writeLong(out, at, total);
  const negative = seconds < 0;
  const magnitude = Math.abs(seconds);
  const magnitudeLow = magnitude % 0x100000000;
  const product = magnitudeLow * MICROS + (negative ? -micros : micros);
  const low = product >>> 0;
  const high = ((magnitude - magnitudeLow) / 0x100000000) * MICROS + (product - low) / 0x100000000;
  refuseOverflow(high, low);
  return writeMagnitude(out, at, negative, high, low);
}

function isInfinity(bytes: Buffer, start: number, end: number): boolean {
  const last = bytes[end - 1];
  if (last !== 0x79 || end - start < 8) return false;
  const text = bytes.toString('latin1', start, end);
  return text === 'infinity' || text === '-infinity';
}

let beforeChrist = false;

function begin(bytes: Buffer, start: number, end: number): void {
  cursor = start;
  stop = end;
  beforeChrist = end - start > 3 && bytes[end - 1] === 0x43 && bytes[end - 2] === 0x42 && bytes[end - 3] === 0x20;
  if (beforeChrist) stop -= 3;
}

function requireEnd(what: string): void {
  if (cursor !== stop) throw unencodable(`not a ${what} in ISO form`);
}

function expect(bytes: Buffer, letter: number): void {
  if (cursor >= stop || bytes[cursor++] !== letter) throw unencodable('not a date or time in ISO form');
}

function readDigits(bytes: Buffer, least: number, most: number): number {
  let n = 0;
  let count = 0;
  while (cursor < stop && count < most) {
    const digit = bytes[cursor]! - 0x30;
    if (digit < 0 || digit > 9) break;
    n = n * 10 + digit;
    cursor++;
    count++;
  }
  if (count < least) throw unencodable('not a date or time in ISO form');
  return n;
}

/** Days since 1970-01-01. */
function readDate(bytes: Buffer): number {
  const year = readDigits(bytes, 4, 7);
  expect(bytes, 0x2d);
  const month = readDigits(bytes, 2, 2);
  expect(bytes, 0x2d);
  const day = readDigits(bytes, 2, 2);
  if (month < 1 || month > 12 || day < 1 || day > 31 || year < 1) throw unencodable('not a date');
  // There is no year 0: 1 BC is the year before 1.
  return daysFromCivil(beforeChrist ? 1 - year : year, month, day);
}

/** Howard Hinnant's days_from_civil: years begin in March, so that the leap day is the last. */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Whole seconds of `HH:MM:SS`. */
function readTime(bytes: Buffer): number {
  const hours = readDigits(bytes, 2, 2);
  expect(bytes, 0x3a);
  const minutes = readDigits(bytes, 2, 2);
  expect(bytes, 0x3a);
  const seconds = readDigits(bytes, 2, 2);
  if (hours > 24 || minutes > 59 || seconds > 59) throw unencodable('not a time');
  return hours * 3600 + minutes * 60 + seconds;
}

function readFraction(bytes: Buffer): number {
  if (cursor >= stop || bytes[cursor] !== 0x2e) return 0;
  const first = ++cursor;
  let micros = readDigits(bytes, 1, 6);
  for (let digits = cursor - first; digits < 6; digits++) micros *= 10;
  return micros;
}

/** Seconds east of UTC of `+HH`, `+HH:MM` or `+HH:MM:SS`; 0 where there is none. */
function readOffset(bytes: Buffer): number {
  const sign = bytes[cursor];
  if (cursor >= stop || (sign !== 0x2b && sign !== 0x2d)) return 0;
  cursor++;
  let seconds = readDigits(bytes, 2, 2) * 3600;
  for (let unit = 60; unit >= 1 && cursor < stop; unit = unit === 60 ? 1 : 0) {
    expect(bytes, 0x3a);
    seconds += readDigits(bytes, 2, 2) * unit;
  }
  return sign === 0x2d ? -seconds : seconds;
}
