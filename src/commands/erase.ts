import { loadConnectors } from '../config/connector-files';
import { loadSettings } from '../config/settings';
import { CdcError } from '../core/errors';
import { type ErasureReport, erase as eraseNow, previewErasure } from '../messaging/erase/erase';
import type { ErasureRequest } from '../messaging/erase/person';
import { type Command, EXIT } from './command';
import { confirm } from './confirm';
import { asJson, describe } from './erase-report';
import { keepingOf, sourcePosition, tombstoneOrders, withEraser } from './wire-erase';

export interface EraseOptions {
  readonly tenant?: string;
  readonly email?: string;
  readonly phone?: string;
  readonly customerId?: string;
  readonly tombstones?: true;
  readonly yes?: true;
}

export const erase: Command<EraseOptions> = {
  usage: 'erase',
  summary: "take a person's data out of Messaging and the ledger",
  about: `Shows what is known of a person in one tenant and, with --yes or after asking, takes it: what the sinks wrote into
contacts, and the person's values in facts, parked orders, aliases and dead letters. What agents wrote is told and stays.
Replays do not bring it back: hashes by PRIVACY_KEY tell the person's earlier changes. It says what the topics still hold,
and until when. Nothing is erased in Ventia: do that first.`,
  example: 'ventia-cdc erase --tenant 42 --email ana@correo.pe',
  options: [
    { flags: '--tenant <id>', about: 'whose customer the person is' },
    { flags: '--email <address>', about: 'the person, by e-mail' },
    { flags: '--phone <number>', about: 'by phone, as a customer of that tenant would write it' },
    { flags: '--customer-id <id>', about: "by the shop's customer id" },
    {
      flags: '--tombstones',
      about:
        "also take the person's orders out of the topic, those too that Ventia still has; fences a running capture",
    },
    { flags: '--yes', about: 'do it, do not ask' },
  ],
  async action({ env, out, json }, _args, options) {
    const request = requestOf(options);
    const { connectorsDir } = loadSettings(env);
    const connectors = loadConnectors(connectorsDir, env);
    const settings = loadSettings(env, ['capture', 'sinks']);
    const source = connectors.find((connector) => connector.kind === 'source');
    if (!source) throw new CdcError('connector_invalid', `no file in ${connectorsDir} is of ventia.PostgresSource`);
    const tombstones = options.tombstones ?? false;
    return withEraser(connectors, settings, async (eraser) => {
      const keeping = await keepingOf(source, settings);
      const show = (report: ErasureReport, done: boolean, written: number) => {
        const shown = { report, keeping, done, tombstones, written, nowMs: Date.now() };
        out.write(json ? `${JSON.stringify(asJson(request, shown))}\n` : describe(shown));
      };
      const interactive = process.stdin.isTTY && !json;
      if (!options.yes) {
        show(await previewErasure(eraser, request), false, 0);
        if (!interactive) return EXIT.done;
        await confirm(out, 'the erasure');
      }
      let written = 0;
      const upto = await sourcePosition(source, settings);
      const report = await eraseNow(eraser, request, upto, async ({ orders }, tenantId) => {
        const ids = orders.map(({ id }) => id);
        if (tombstones && ids.length > 0) written = await tombstoneOrders(source, settings, tenantId, ids);
      });
      show(report, true, written);
      return EXIT.done;
    });
  },
};

function requestOf({ tenant, email, phone, customerId }: EraseOptions): ErasureRequest {
  const given = (['email', 'phone', 'customer_id'] as const)
    .map((kind) => ({ kind, value: { email, phone, customer_id: customerId }[kind]?.trim() ?? '' }))
    .filter(({ value }) => value !== '');
  if (!tenant?.trim()) throw usage('--tenant is missing');
  if (given.length !== 1) throw usage('a person is named by one of --email, --phone and --customer-id');
  return { tenantId: tenant, ...given[0]! };
}

const usage = (what: string) => new CdcError('usage', what, { fix: 'ventia-cdc erase --help' });
