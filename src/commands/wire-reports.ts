import type { Settings } from '../config/settings';
import { toCdcError } from '../core/errors';
import { type Logger, silentLogger } from '../core/ports/log';
import { forgotten, type ProcessReport, processKey, readProcesses } from '../core/process-report';
import { readState } from '../kafka/state-reader';
import { writeState } from '../kafka/state-writer';

const EVERY_MS = 10_000;
/** How soon it is written that a connector is ready, or no longer. */
const LOOK_MS = 1_000;
/** A process that ends does not wait for a Kafka that is away. */
const LAST_WORD_MS = 1_000;

/**
 * Writes what this process says of itself to the state topic, again and again. Returns the function that ends it, and the
 * record with it. That Kafka is away is said by those who need it for more.
 */
export function startReports(
  { kafka }: Settings,
  stateTopic: string,
  log: Logger,
  report: () => ProcessReport,
): () => Promise<void> {
  const { process: name } = report();
  let said: string | null = null;
  let last: Promise<void> = Promise.resolve();
  const write = async (key: string, value: ProcessReport | null) => {
    try {
      await writeState(kafka, silentLogger, stateTopic, key, value);
      said = null;
    } catch (error) {
      const { code, kind, message, fix } = toCdcError(error);
      if (kind === 'kafka_refused' && message !== said)
        log.warn({ code, fix }, `"ventia-cdc status" does not see this process: ${message}`);
      said = message;
    }
  };
  /** One after the other: the last word must be the last. */
  const inTurn = (work: () => Promise<void>) => {
    last = last.then(work);
    return last;
  };
  const forget = async () => {
    const state = await readState(kafka, silentLogger, stateTopic).catch(() => new Map<string, string>());
    for (const other of forgotten(readProcesses(state), Date.now())) await write(processKey(other), null);
  };
  let told = '';
  let quietMs = 0;
  let busy = false;
  const tell = async () => {
    quietMs += LOOK_MS;
    const news = report();
    const mark = JSON.stringify(news.tasks.map(({ readiness }) => readiness));
    if (busy || (mark === told && quietMs < EVERY_MS)) return;
    busy = true;
    told = mark;
    quietMs = 0;
    await inTurn(() => write(processKey(name), news));
    busy = false;
  };
  void tell().then(() => inTurn(forget));
  const timer = setInterval(() => void tell(), LOOK_MS);
  return async () => {
    clearInterval(timer);
    let patience: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      patience = setTimeout(resolve, LAST_WORD_MS);
    });
    await Promise.race([inTurn(() => write(processKey(name), null)), late]);
    clearTimeout(patience);
  };
}
