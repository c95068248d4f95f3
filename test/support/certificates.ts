import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key and the certificate for it, as PEM and as files. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly certFile: string;
}

/** An authority of the test's own, made with openssl in a temporary folder. */
export class Authority {
  private readonly dir = mkdtempSync(join(tmpdir(), 'authority-'));
  private serial = 0;

  constructor() {
    this.openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      'ca.key',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=Authority of a test',
      '-days',
      '2',
    );
  }

  get certFile(): string {
    return join(this.dir, 'ca.pem');
  }

  get cert(): string {
    return readFileSync(this.certFile, 'utf8');
  }

  /** `names` as in subjectAltName: `IP:127.0.0.1`. `days`: negative = it has ended already. */
  issue(subject: string, { names = 'IP:127.0.0.1', days = 2 }: { names?: string; days?: number } = {}): Certificate {
    const name = String(++this.serial);
    const [keyFile, certFile] = [join(this.dir, `${name}.key`), join(this.dir, `${name}.pem`)];
    this.openssl('req', ...NEW_KEY, keyFile, '-out', 'request', '-subj', `/CN=${subject}`);
    writeFileSync(join(this.dir, 'extensions'), `subjectAltName=${names}`);
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions'];
    this.openssl('x509', '-req', '-in', 'request', ...signing, '-days', String(days), '-out', certFile);
    const [key, cert] = [readFileSync(keyFile, 'utf8'), readFileSync(certFile, 'utf8')];
    return { key, cert, keyFile, certFile };
  }

  drop(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.dir, stdio: 'pipe' });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout'];
