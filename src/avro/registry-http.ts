import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { CdcError } from '../core/errors';
import { isTlsTrouble } from '../core/tls-trouble';

export interface RegistryOptions {
  /** May have a path, which is kept: `http://host:8081/apis/ccompat/v7`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** Of one try; default 3 s. */
  readonly timeoutMs?: number;
  /** Tries after the first one failed; default 2. */
  readonly retries?: number;
  /** Wait before the first of them, doubled each time; default 100 ms. */
  readonly backoffMs?: number;
}

export interface RegistryAnswer {
  /** 2xx, or 4xx that the caller knows what to make of. */
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/**
 * One request to the registry, repeated while nobody answers or the server is ill (5xx, 429). Rejects with
 * registry_unreachable when that goes on, with registry_refused on 401, 403 and a certificate that is not right.
 */
export async function callRegistry(
  options: RegistryOptions,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: object,
): Promise<RegistryAnswer> {
  const { retries = 2, backoffMs = 100 } = options;
  for (let attempt = 0; ; attempt++) {
    const answer = await tryOnce(options, method, path, body).catch((error: Error) => error);
    if (!(answer instanceof Error) && answer.status < 500 && answer.status !== 429) {
      if (answer.status === 401 || answer.status === 403)
        throw new CdcError('registry_refused', `the schema registry answered ${answer.status} to ${method} ${path}`);
      return answer;
    }
    if (isTlsTrouble(answer))
      throw new CdcError('registry_refused', `TLS to the schema registry failed: ${(answer as Error).message}`, {
        cause: answer,
        fix: 'Check SCHEMA_REGISTRY_URL and SCHEMA_REGISTRY_SSL_CA, and the certificate of the server.',
      });
    if (attempt >= retries) {
      const what = answer instanceof Error ? answer.message : `it answered ${answer.status}`;
      throw new CdcError('registry_unreachable', `the schema registry at ${hostOf(options.url)}: ${what}`, {
        cause: answer,
      });
    }
    // Jitter, so that several processes do not come back all at once.
    await sleep(backoffMs * 2 ** attempt * (0.5 + Math.random()));
  }
}

function tryOnce(
  { url, username, password, ca, timeoutMs = 3000 }: RegistryOptions,
  method: string,
  path: string,
  body: object | undefined,
): Promise<RegistryAnswer> {
  const target = new URL(url.replace(/\/+$/, '') + path);
  const user = username ?? decodeURIComponent(target.username);
  const secret = password ?? decodeURIComponent(target.password);
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      target,
      {
        method,
        ...(ca === undefined ? {} : { ca }),
        // Also bounds a server that accepts and then says nothing.
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          accept: CONTENT_TYPE,
          ...(payload === undefined
            ? {}
            : { 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(payload) }),
          ...(user === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` }),
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => resolve({ status: incoming.statusCode!, body: parse(Buffer.concat(chunks)) }));
      },
    );
    outgoing.on('error', (error) =>
      reject(
        error.name === 'TimeoutError' || error.name === 'AbortError'
          ? new Error(`no answer in ${timeoutMs} ms`)
          : error,
      ),
    );
    outgoing.end(payload);
  });
}

const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json';

/** Whatever is no JSON object (a proxy's page, a list) is an empty one. */
function parse(bytes: Buffer): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(bytes.toString());
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Without user and password. */
const hostOf = (url: string): string => new URL(url).host;
