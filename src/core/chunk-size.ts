/** A chunk should take this long, reading and Kafka's acknowledgement together: the live stream waits for a part of it. */
const TARGET_MS = 300;
/** Where the table is narrow and the machine slow, smaller chunks would only cost more watermarks. */
const LEAST_ROWS = 100;
/** The first chunk of a load, and of each life of capture: soon done, so that frequent deaths do not keep a load from moving. */
const FIRST_ROWS = 2_000;
/** Rows of the next chunk should fill this part of the bytes that a chunk may have: they vary. */
const FILL = 0.75;

export interface ChunkBounds {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** What a chunk was. */
export interface MeasuredChunk {
  /** Rows it might have had. */
  readonly limit: number;
  /** Rows it had, and their bytes. */
  readonly rows: number;
  readonly bytes: number;
  /** Reading and acknowledgement, without waiting for the watermarks to come by. */
  readonly ms: number;
}

export function firstChunkRows({ maxRows }: ChunkBounds): number {
  return Math.min(maxRows, FIRST_ROWS);
}

/**
 * Rows of the chunk after `chunk`: towards the target time, at most doubled and at least quartered, so that one slow
 * moment is not taken for the rule; and never more than its bytes allow, if the next rows are as wide.
 */
export function nextChunkRows({ limit, rows, bytes, ms }: MeasuredChunk, { maxRows, maxBytes }: ChunkBounds): number {
  const inTime = limit * Math.min(2, Math.max(0.25, TARGET_MS / Math.max(1, ms)));
  const inBytes = bytes > 0 ? (maxBytes * FILL * rows) / bytes : maxRows;
  return Math.max(1, Math.floor(Math.min(maxRows, Math.max(LEAST_ROWS, inTime), inBytes)));
}
