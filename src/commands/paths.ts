import { resolve } from 'node:path';

/** Files that are shipped with the program, beside `dist` and beside `src`. */
const ROOT = resolve(__dirname, '..', '..');

export const CONTRACTS_FOLDER = resolve(ROOT, 'schemas', 'avro');
export const LEDGER_FOLDER = resolve(ROOT, 'schemas', 'sql', 'ledger');
