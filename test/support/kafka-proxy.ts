import { startTcpProxy, type TcpProxy } from './tcp-proxy';

/**
 * A proxy to the one broker at `address` (`127.0.0.1:port`). A broker names itself in its answers: there the proxy's port is
 * put in, so that clients stay on this link.
 */
export function startKafkaProxy(address: string): Promise<TcpProxy> {
  const brokerPort = Number(address.split(':')[1]);
  return startTcpProxy(`kafka://${address}`, (proxyPort) => {
    const from = named(brokerPort);
    const to = named(proxyPort);
    let pending: Buffer = Buffer.alloc(0);
    return (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      const whole = wholeAnswers(pending);
      const answers = Buffer.from(pending.subarray(0, whole));
      pending = pending.subarray(whole);
      for (let at = answers.indexOf(from); at >= 0; at = answers.indexOf(from, at + from.length)) to.copy(answers, at);
      return answers;
    };
  });
}

/** Host and port as Kafka's protocol writes them. What else an answer holds does not look like this by chance. */
function named(port: number): Buffer {
  const host = '127.0.0.1';
  const bytes = Buffer.alloc(2 + host.length + 4);
  bytes.writeInt16BE(host.length);
  bytes.write(host, 2);
  bytes.writeInt32BE(port, 2 + host.length);
  return bytes;
}

/** Each begins with its length. */
function wholeAnswers(bytes: Buffer): number {
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4 + bytes.readInt32BE(at)) {
    if (at + 4 + bytes.readInt32BE(at) > bytes.length) break;
  }
  return at;
}
