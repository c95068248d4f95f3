/** What OpenSSL and Node say of certificates and handshakes: somebody has to mend them, waiting does not help. */
const CODES = /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** Whether an error is about TLS, by its `code`. */
export function isTlsTrouble(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && CODES.test(code);
}
