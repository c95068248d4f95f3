import type { Logger } from '../core/ports/log';
import { createKafkajsLogger, type KafkajsLogger, type KafkajsLogLine } from './internals';

/** kafkajs's own number for its level WARN. */
const WARN = 2;

/** What may be said about a line; everything else kafkajs adds stays out (Invariant 7). */
const FIELDS = ['broker', 'groupId', 'topic', 'partition', 'nodeId', 'error', 'retryCount', 'retryTime'];

/**
 * kafkajs's warnings and errors become debug lines: every failure also rejects a promise, and whoever handles it logs it
 * with code and fix. Below WARN kafkajs does not even build the line.
 */
export function bridgeLog(log: Logger): KafkajsLogger {
  const write = ({ namespace, log: line }: KafkajsLogLine) => {
    const fields: Record<string, unknown> = { kafkajs: namespace };
    for (const name of FIELDS) if (typeof line[name] !== 'object') fields[name] = line[name];
    log.debug(fields, line.message);
  };
  return createKafkajsLogger({ level: WARN, logCreator: () => write });
}
