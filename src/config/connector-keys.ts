import { z } from 'zod';

/**
 * Kinds of values in connector files: JSON types, or text as in Kafka Connect. The message of every issue is what was
 * expected. `fallback` is what stands when the key is absent, as it would be written.
 */
export function text(pattern: RegExp, expected: string) {
  return z.string({ error: expected }).regex(pattern, { error: expected });
}

/** What needs no quoting in SQL and in replication commands, so that nothing is ever pasted unchecked. */
export const identifier = text(/^[a-z_][a-z0-9_]{0,62}$/, 'a name of at most 63 lower-case letters, digits and _');

export const slotName = text(/^[a-z0-9_]{1,63}$/, 'a slot name of at most 63 lower-case letters, digits and _');

export const tableName = text(
  /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/,
  'schema.table, both of lower-case letters, digits and _; several separated by commas',
);

export const topicName = text(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, 'a topic name of letters, digits, ., _ and -');

export const anyName = text(/^[A-Za-z0-9._-]{1,100}$/, 'a name of letters, digits, ., _ and -');

export const anyWord = text(/\S/, 'a text that is not blank; several separated by commas');

export function choice<const T extends readonly [string, ...string[]]>(...values: T) {
  return z.enum(values, { error: `one of ${values.join(', ')}` });
}

export function flag() {
  return z
    .union([z.boolean(), z.enum(['true', 'false'])], { error: 'true or false' })
    .transform((value) => value === true || value === 'true');
}

export function integer(min: number, max: number) {
  const expected = `an integer from ${min} to ${max}`;
  return z
    .union(
      [
        z.int().min(min, { error: expected }).max(max, { error: expected }),
        z.string().regex(/^\d{1,15}$/, { error: expected }),
      ],
      {
        error: expected,
      },
    )
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error: expected });
}

/** The word auto is null. */
export function integerOrAuto(min: number, max: number) {
  return z.union([z.literal('auto').transform(() => null), integer(min, max)], {
    error: `auto, or an integer from ${min} to ${max}`,
  });
}

/** A JSON list, or text with commas. */
export function list<T extends z.ZodType<string, string>>(item: T) {
  return z
    .union([z.array(z.string()), z.string()], { error: 'a list' })
    .transform((value) => (typeof value === 'string' ? value.split(',') : value))
    .transform((values) => values.map((value) => value.trim()).filter((value) => value !== ''))
    .pipe(z.array(item))
    .refine((values) => new Set(values).size === values.length, { error: 'no value twice' });
}

export const topicMap = z
  .union([z.record(z.string(), z.string()), z.string()], { error: 'a map of tables to topics, or table:topic,…' })
  .transform((value) => (typeof value === 'string' ? entries(value) : value))
  .pipe(z.record(identifier, topicName))
  .refine((map) => new Set(Object.values(map)).size === Object.keys(map).length, {
    error: 'a topic of its own for each',
  });

/** `orders:ventia.orders,tenants:ventia.tenants`; without a colon the topic is empty, which is refused as such. */
function entries(value: string): Record<string, string> {
  return Object.fromEntries(
    value.split(',').map((entry) => {
      const [table = '', topic = ''] = entry.split(':', 2);
      return [table.trim(), topic.trim()];
    }),
  );
}
