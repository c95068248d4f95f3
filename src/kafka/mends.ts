import { isTlsTrouble } from '../core/tls-trouble';
import { decodeFetchResponse } from './fetch-response';
import {
  type Connection,
  KafkajsConnection,
  KafkajsOffsetManager,
  KafkajsRequestQueue,
  type OffsetManager,
  type RequestQueue,
  requests,
} from './internals';

/** The event of an offset that was out of range: `{ topic, partition, offset }`, where the consumer goes on. */
export const OFFSET_RESET = 'ventia.offset_reset';

/** The newest version kafkajs speaks. */
const FETCH_VERSION = 11;

let mended = false;

/** Mends kafkajs 2.2.4 where it wastes time, hangs or forgets. Once a process, before the first client. */
export function mendKafkajs(): void {
  if (mended) return;
  mended = true;
  checkPendingOnlyWhenThereAre();
  checkTimeoutsSeldom();
  connectOnce();
  forgetDeadSockets();
  cutSilentConnections();
  decodeFetchesOurselves();
  resetToRealOffsets();
}

/**
 * kafkajs re-arms a timer of 1 ms on every connection for ever, whether something is pending or not, with a negative time
 * that Node 24 warns about (tulios/kafkajs#1604, #1751): 1.3 % of a core for an idle connection. Pending there is something
 * only while the broker throttles us; fulfilled requests check by themselves.
 */
function checkPendingOnlyWhenThereAre(): void {
  KafkajsRequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    const wait = Math.max(1, this.throttledUntil - Date.now());
    this.throttleCheckTimeoutId = setTimeout(() => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    }, wait);
  };
}

/** Every 100 ms and connection costs as much as everything else that is idle; a time limit of seconds is not that exact. */
function checkTimeoutsSeldom(): void {
  KafkajsRequestQueue.prototype.scheduleRequestTimeoutCheck = function (this: RequestQueue) {
    this.destroy();
    const check = () => {
      const now = Date.now();
      for (const request of this.inflight.values())
        if (now - request.sentAt > request.requestTimeout) request.timeoutRequest();
      if (!this.isConnected()) this.destroy();
    };
    this.requestTimeoutIntervalId = setInterval(check, Math.min(1000, this.requestTimeout / 4)).unref();
  };
}

/**
 * Two requests that find a connection closed would open a socket each, and one of them would never be closed. And a wrong
 * certificate is tried again by kafkajs as if it could become right.
 */
function connectOnce(): void {
  const { connect } = KafkajsConnection.prototype;
  const connecting = new WeakMap<Connection, Promise<boolean>>();
  KafkajsConnection.prototype.connect = function (this: Connection) {
    const known = connecting.get(this);
    if (known) return known;
    const attempt = connect
      .call(this)
      .catch((error: Error) => {
        throw isTlsTrouble(error) ? Object.assign(error, { retriable: false }) : error;
      })
      .finally(() => connecting.delete(this));
    connecting.set(this, attempt);
    return attempt;
  };
}

/** Told to disconnect again, kafkajs leaves one more listener on a socket that is gone, until Node warns of a leak. */
function forgetDeadSockets(): void {
  const { disconnect } = KafkajsConnection.prototype;
  KafkajsConnection.prototype.disconnect = function (this: Connection) {
    if (this.socket?.destroyed) this.socket = undefined;
    return disconnect.call(this);
  };
}

/** A connection that left a request without an answer is dead: kafkajs would go on using it. */
function cutSilentConnections(): void {
  const { send } = KafkajsConnection.prototype;
  KafkajsConnection.prototype.send = async function (this: Connection, request) {
    try {
      return await send.call(this, request);
    } catch (error) {
      if (error instanceof Error && error.name === 'KafkaJSRequestTimeoutError') cutConnection(this, error);
      throw error;
    }
  };
}

/** Ends a connection at once; all that wait for an answer on it are rejected. The next request makes a new one. */
export function cutConnection(connection: Connection, why: Error): void {
  connection.socket?.destroy(why);
}

function decodeFetchesOurselves(): void {
  const { protocol } = requests.Fetch;
  requests.Fetch.protocol = ({ version }) => {
    const fetch = protocol({ version });
    if (version !== FETCH_VERSION) return fetch;
    return (options) => {
      const { response, ...rest } = fetch(options);
      return { ...rest, response: { ...response, decode: decodeFetchResponse } };
    };
  };
}

/** kafkajs would commit the number -2 for "earliest", which every other tool shows and some choke on. */
function resetToRealOffsets(): void {
  KafkajsOffsetManager.prototype.setDefaultOffset = async function (this: OffsetManager, { topic, partition }) {
    const request = { topic, partitions: [{ partition }], fromBeginning: true };
    const [found] = await this.cluster.fetchTopicsOffset([request]);
    const offset = found!.partitions[0]!.offset;
    const coordinator = await this.getCoordinator();
    const { groupId, memberId, generationId: groupGenerationId } = this;
    const topics = [{ topic, partitions: [{ partition, offset }] }];
    await coordinator.offsetCommit({ groupId, memberId, groupGenerationId, topics });
    this.clearOffsets({ topic, partition });
    this.instrumentationEmitter.emit(OFFSET_RESET, { topic, partition, offset });
  };
}
