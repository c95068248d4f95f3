import { createInterface } from 'node:readline/promises';
import { CdcError } from '../core/errors';

/** Asks at the terminal. Throws confirmation_needed when nobody can be asked, or the answer is not yes. */
export async function confirm(out: NodeJS.WriteStream, what: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CdcError('confirmation_needed', `${what} changes something, and nobody can be asked`);
  const terminal = createInterface({ input: process.stdin, output: out });
  const answer = await terminal.question('Do it? [y/N] ');
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new CdcError('confirmation_needed', 'nothing was done');
}
