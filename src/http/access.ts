import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface AccessRules {
  /** Null = none set: loopback only. */
  readonly adminToken: string | null;
  /** Lets read, not change. */
  readonly viewerToken: string | null;
}

/** What monitors ask for: served to everybody, holds no personal data and no secret. */
const PUBLIC = new Set(['/health', '/ready', '/metrics']);

const LOOPBACK_ADDRESS = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
/** A name that a page of another site has made lead here is none of these. */
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/** Hook for every request: null = go on, else the answer has been sent. */
export function guard({ adminToken, viewerToken }: AccessRules) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (PUBLIC.has(request.url.split('?', 1)[0]!)) return undefined;
    if (fromOtherPage(request)) return refuse(reply, 403, 'A page of another site may not ask');
    if (adminToken === null && isLocal(request)) return undefined;
    if (adminToken === null && viewerToken === null) {
      return refuse(reply, 403, 'Without ADMIN_TOKEN only loopback is served');
    }
    const token = tokenOf(request);
    if (same(token, adminToken)) return undefined;
    if (!same(token, viewerToken)) return refuse(reply.header('www-authenticate', 'Bearer'), 401, 'A token is needed');
    const reads = request.method === 'GET' || request.method === 'HEAD';
    return reads ? undefined : refuse(reply, 403, 'This token may only read');
  };
}

/** The token lets read only, and what it is shown holds no personal data. */
export function readsOnly({ adminToken, viewerToken }: AccessRules, request: FastifyRequest): boolean {
  if (adminToken === null && isLocal(request)) return false;
  const token = tokenOf(request);
  return !same(token, adminToken) && same(token, viewerToken);
}

const tokenOf = ({ headers }: FastifyRequest) => /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';

const isLocal = ({ ip, headers }: FastifyRequest) =>
  LOOPBACK_ADDRESS.test(ip) && LOOPBACK_HOST.test(headers.host ?? '');

/**
 * A page of another site can make a browser send requests here, with whatever rights the person's machine has. Browsers say
 * so; programs that are no browser send neither header.
 */
function fromOtherPage({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host } = headers;
  return origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host);
}

/** Takes as long for a nearly right token as for any other of its length. */
function same(token: string, expected: string | null): boolean {
  if (expected === null) return false;
  const [a, b] = [Buffer.from(token), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ error_code: status, message });
}
