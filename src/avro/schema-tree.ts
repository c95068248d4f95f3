import type { FieldValue } from '../core/change';
import { type Input, malformed } from './input';

/**
 * An Avro schema as a tree that can be walked over the bytes: all of Avro, because a topic's history may hold schemas
 * other than today's, and what one does not want must still be skipped.
 */
export type Node =
  | { readonly kind: 'record'; fields: readonly { readonly name: string; readonly node: Node }[] }
  | { readonly kind: 'union'; readonly branches: readonly Node[] }
  | { readonly kind: 'array' | 'map'; readonly items: Node }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'decimal'; readonly scale: number }
  | { readonly kind: Primitive };

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const;
type Primitive = (typeof PRIMITIVES)[number];

/** Throws record_malformed when the text is no Avro schema. */
export function parseSchema(text: string): Node {
  try {
    return parse(JSON.parse(text), '', new Map());
  } catch (error) {
    throw malformed(`not an Avro schema: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
}

function parse(json: unknown, namespace: string, names: Map<string, Node>): Node {
  if (Array.isArray(json)) return { kind: 'union', branches: json.map((branch) => parse(branch, namespace, names)) };
  if (typeof json === 'string') return primitive(json) ?? known(json, namespace, names);
  const schema = json as Record<string, unknown>;
  const { type } = schema;
  switch (type) {
    case 'record':
      return parseRecord(schema, namespace, names);
    case 'enum':
      return name(schema, namespace, names, { kind: 'enum', symbols: schema.symbols as string[] });
    case 'fixed':
      return name(schema, namespace, names, { kind: 'fixed', size: schema.size as number });
    case 'array':
      return { kind: 'array', items: parse(schema.items, namespace, names) };
    case 'map':
      return { kind: 'map', items: parse(schema.values, namespace, names) };
    case 'bytes':
      if (schema.logicalType === 'decimal') return { kind: 'decimal', scale: Number(schema.scale ?? 0) };
  }
  return parse(type, namespace, names);
}

/** Known before its fields are: they may refer to it. */
function parseRecord(schema: Record<string, unknown>, namespace: string, names: Map<string, Node>): Node {
  const record: Node = { kind: 'record', fields: [] };
  name(schema, namespace, names, record);
  const inner = fullName(schema, namespace).replace(/\.?[^.]*$/, '');
  record.fields = (schema.fields as { name: string; type: unknown }[]).map((field) => ({
    name: field.name,
    node: parse(field.type, inner, names),
  }));
  return record;
}

function name(schema: Record<string, unknown>, namespace: string, names: Map<string, Node>, node: Node): Node {
  names.set(fullName(schema, namespace), node);
  return node;
}

function fullName(schema: Record<string, unknown>, enclosing: string): string {
  const own = String(schema.name);
  const { namespace = enclosing } = schema;
  return own.includes('.') || namespace === '' ? own : `${namespace}.${own}`;
}

function known(reference: string, namespace: string, names: Map<string, Node>): Node {
  const node = names.get(reference.includes('.') || namespace === '' ? reference : `${namespace}.${reference}`);
  if (!node) throw new Error(`unknown type ${reference}`);
  return node;
}

const primitive = (word: string): Node | undefined =>
  PRIMITIVES.includes(word as Primitive) ? { kind: word as Primitive } : undefined;

/** The record under a node, also as a branch of a union; null when there is none. */
export function recordIn(node: Node): Extract<Node, { kind: 'record' }> | null {
  if (node.kind === 'record') return node;
  if (node.kind !== 'union') return null;
  return node.branches.map(recordIn).find((record) => record !== null) ?? null;
}

/** The branch that comes next. */
export function branchOf(node: Node, input: Input): Node {
  if (node.kind !== 'union') return node;
  const branch = node.branches[input.int()];
  if (!branch) throw malformed('a union branch that does not exist');
  return branch;
}

/** A column's value; what no column of a contract can be is skipped and reads as null. */
export function readValue(node: Node, input: Input): FieldValue {
  switch (node.kind) {
    case 'union':
      return readValue(branchOf(node, input), input);
    case 'string':
      return input.string();
    case 'long':
      return input.long();
    case 'int':
      return BigInt(input.int());
    case 'boolean':
      return input.boolean();
    case 'double':
      return input.double();
    case 'float':
      return input.float();
    case 'decimal':
      return decimalText(input.unscaled(), node.scale);
    case 'bytes':
      return input.buffer();
    case 'enum':
      return node.symbols[input.int()] ?? null;
    default:
      skipValue(node, input);
      return null;
  }
}

export function skipValue(node: Node, input: Input): void {
  switch (node.kind) {
    case 'null':
      break;
    case 'boolean':
      input.skip(1);
      break;
    case 'int':
    case 'long':
    case 'enum':
      input.skipLong();
      break;
    case 'float':
      input.skip(4);
      break;
    case 'double':
      input.skip(8);
      break;
    case 'string':
    case 'bytes':
    case 'decimal':
      input.skip(input.int());
      break;
    case 'fixed':
      input.skip(node.size);
      break;
    case 'union':
      skipValue(branchOf(node, input), input);
      break;
    case 'record':
      for (const field of node.fields) skipValue(field.node, input);
      break;
    default:
      skipBlocks(node, input);
  }
}

/** Blocks of items; a negative count is followed by the block's size in bytes. */
function skipBlocks(node: Extract<Node, { kind: 'array' | 'map' }>, input: Input): void {
  for (let count = input.int(); count !== 0; count = input.int()) {
    if (count < 0) input.skip(input.int());
    else
      for (let i = 0; i < count; i++) {
        if (node.kind === 'map') input.skip(input.int());
        skipValue(node.items, input);
      }
  }
}

/** `-12.30`: as many digits after the point as the scale says. */
function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return unscaled.toString();
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  return `${negative ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
