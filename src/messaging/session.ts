/**
 * Settings of every session in which a sink writes. A process that froze in the middle of a batch, or whose machine is gone without
 * a word, would keep its tenants locked for whoever has its partitions now: the server ends its transaction. Between two
 * statements of ours there are milliseconds.
 */
export const SINK_SESSION = { idle_in_transaction_session_timeout: '10s' } as const;
