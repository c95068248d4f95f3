import type { ReplicationMessage } from '../../src/core/replication-message';
import { KIND_BINARY, KIND_NULL, KIND_TEXT, KIND_UNCHANGED, type Tuple } from '../../src/core/tuple';
import type { FrameColumn } from './pgoutput-frames';

export type PlainMessage = Record<string, unknown> & { readonly type: ReplicationMessage['type'] };

/** A copy that outlives the decoder's reused objects: tuples become lists of columns. */
export function plainMessage(message: ReplicationMessage): PlainMessage {
  switch (message.type) {
    case 'insert':
      return { ...message, after: plainTuple(message.after) };
    case 'update':
      return {
        ...message,
        before: message.beforeKind === null ? null : plainTuple(message.before),
        after: plainTuple(message.after),
      };
    case 'delete':
      return { ...message, before: plainTuple(message.before) };
    default:
      return { ...message };
  }
}

export function plainTuple(tuple: Tuple): FrameColumn[] {
  const columns: FrameColumn[] = [];
  for (let i = 0; i < tuple.count; i++) {
    const bytes = tuple.bytes.subarray(tuple.starts[i], tuple.ends[i]);
    switch (tuple.kinds[i]) {
      case KIND_NULL:
        columns.push(null);
        break;
      case KIND_UNCHANGED:
        columns.push('unchanged');
        break;
      case KIND_TEXT:
        columns.push({ text: bytes.toString() });
        break;
      case KIND_BINARY:
        columns.push({ binary: Buffer.from(bytes) });
        break;
      default:
        throw new Error(`column kind ${tuple.kinds[i]}`);
    }
  }
  return columns;
}
