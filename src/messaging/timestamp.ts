const INFINITY = 2n ** 63n - 1n;
const MINUS_INFINITY = -(2n ** 63n);
const DAY_US = 86_400_000_000n;

/**
 * Microseconds since 1970 UTC as PostgreSQL reads them into a `timestamp` (or, in a session at UTC, a `timestamptz`): no
 * Date is built of the time of day, which has microseconds.
 */
export function timestampText(us: bigint): string {
  if (us >= INFINITY) return 'infinity';
  if (us <= MINUS_INFINITY) return '-infinity';
  let days = us / DAY_US;
  let rest = us % DAY_US;
  if (rest < 0n) {
    days -= 1n;
    rest += DAY_US;
  }
  const seconds = Number(rest / 1_000_000n);
  const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => two(Math.floor(part))).join(':');
  const { year, month, day } = civil(Number(days));
  const date = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  return `${date} ${time}.${String(rest % 1_000_000n).padStart(6, '0')}${year > 0 ? '' : ' BC'}`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Date of a day since 1970-01-01 in the proleptic Gregorian calendar; PostgreSQL's years go beyond those of Date. */
function civil(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}
