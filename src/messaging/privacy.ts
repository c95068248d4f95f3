import { createHmac } from 'node:crypto';

/** What PRIVACY_KEY makes: hashes that stand for an erased person's values, and tell them to nobody who lacks the key. */
export interface PrivacyKey {
  /** Tells one key from another, and nothing of it. */
  readonly id: string;
  hash(kind: string, value: string): string;
}

export function privacyKey(secret: string): PrivacyKey {
  const hmac = (text: string) => createHmac('sha256', secret).update(text).digest('base64url');
  return { id: hmac('id').slice(0, 12), hash: (kind, value) => hmac(`${kind} ${value}`) };
}
