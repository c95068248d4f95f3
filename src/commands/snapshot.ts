import { hostname, userInfo } from 'node:os';
import { CdcError } from '../core/errors';
import type { LoadView } from '../core/load-view';
import type { Desired } from '../core/loads';
import { silentLogger } from '../core/ports/log';
import type { Snapshots } from '../ops/snapshots';
import { type Command, type CommandContext, EXIT, type ExitCode } from './command';
import { confirm } from './confirm';
import { loadSource } from './load-source';
import { loadTable, progressBar, progressLine } from './load-text';
import { openSnapshots, watchLoad } from './wire-snapshots';

export interface SnapshotOptions {
  readonly where?: string;
  readonly detach?: true;
  readonly yes?: true;
}

const STEERS: Readonly<Record<string, Desired>> = { pause: 'pause', resume: 'run', cancel: 'cancel' };
/** So long a capture that runs may take to answer a request. */
const PATIENCE_MS = 5_000;
/** Where there is no terminal, a line as often as this. */
const LINE_MS = 5_000;

export const snapshot: Command<SnapshotOptions> = {
  usage: 'snapshot <what> [id]',
  summary: 'read a table again beside the stream; list, pause, resume, cancel',
  about: `"snapshot <schema.table>" asks for the rows of a table to be read again into its topic, all or those that --where names,
beside the running stream; it shows the progress until all is done, and goes on when this command ends. "snapshot list"
shows all loads, also the first ones; "snapshot pause", "resume" and "cancel" steer one, by its id where there are several.`,
  example: `ventia-cdc snapshot ventia.orders --where "status = 'Pagado'"`,
  options: [
    { flags: '--where <sql>', about: "condition on the table's own columns, as after WHERE" },
    { flags: '--detach', about: 'do not wait until it is done' },
    { flags: '--yes', about: 'cancel without asking' },
  ],
  async action(context, [what, id], options) {
    const { config, settings } = loadSource(context.env);
    const snapshots = openSnapshots(config, settings, silentLogger);
    const say = (text: string, data: object) =>
      context.out.write(context.json ? `${JSON.stringify(data)}\n` : `${text}\n`);
    const desired = STEERS[what!];
    if (id !== undefined && !desired) throw new CdcError('usage', `${what} takes no id`, { fix: HELP });
    if (options.where !== undefined && (what === 'list' || desired))
      throw new CdcError('usage', `${what} takes no condition`, { fix: HELP });
    if (what === 'list') {
      const loads = await snapshots.list();
      context.out.write(context.json ? `${JSON.stringify(loads)}\n` : loadTable(loads));
      return EXIT.done;
    }
    if (desired) {
      const load = id ?? (await onlyOne(snapshots, what!));
      if (desired === 'cancel' && !options.yes) await confirm(context.out, `cancelling ${load}`);
      const view = await snapshots.steer(load, desired, whoAsks());
      say(`${what}  ${load}: asked for; "ventia-cdc snapshot list" shows when it is done`, view);
      return EXIT.done;
    }
    const asked = await snapshots.request(what!, options.where ?? null, whoAsks());
    if (!context.json) context.out.write(`asked for ${asked.id}\n`);
    const last = await watchLoad(config, settings, silentLogger, asked, watching(context, options));
    if (last.status === 'requested') say(NOBODY, last);
    else if (context.json) say('', last);
    return ending(context, last);
  },
};

const HELP = 'ventia-cdc snapshot --help';
const NOBODY = 'no capture has taken it up: it begins when "ventia-cdc run" does';

const whoAsks = () => `${userInfo().username}@${hostname()}`;

/** The load that is meant where none is named. */
async function onlyOne(snapshots: Snapshots, what: string): Promise<string> {
  const open = (await snapshots.list()).filter(({ status }) => !['done', 'failed', 'cancelled'].includes(status));
  if (open.length === 1) return open[0]!.id;
  if (open.length === 0) throw new CdcError('snapshot_unknown', `there is no snapshot to ${what}`);
  const ids = open.map(({ id }) => id).join(', ');
  throw new CdcError('usage', `${what} which one: ${ids}?`, { fix: `ventia-cdc snapshot ${what} ${open[0]!.id}` });
}

/** Shows the progress; a detached one is only waited for until capture has answered. */
function watching({ out, json, signal }: CommandContext, { detach }: SnapshotOptions) {
  const answered = new AbortController();
  signal.addEventListener('abort', () => answered.abort(), { once: true });
  let saidMs = 0;
  const onChange = (load: LoadView) => {
    const over = ['done', 'failed', 'cancelled'].includes(load.status);
    if (detach && load.status !== 'requested') answered.abort();
    if (json || detach || load.status === 'requested') return;
    if (out.isTTY) out.write(`\r\x1b[K${progressBar(load, out.columns)}${over ? '\n' : ''}`);
    else if (over || Date.now() - saidMs >= LINE_MS) {
      out.write(`${progressLine(load)}\n`);
      saidMs = Date.now();
    }
  };
  return { patienceMs: PATIENCE_MS, signal: answered.signal, onChange };
}

function ending({ out, json, signal }: CommandContext, { id, status, error }: LoadView): ExitCode {
  if (status === 'failed')
    throw new CdcError('snapshot_failed', `${error!.code}: ${error!.reason}`, { fix: error!.fix });
  if (status === 'cancelled') throw new CdcError('snapshot_failed', `${id} was cancelled`);
  if (!json && signal.aborted) out.write(`\n${id} goes on; "ventia-cdc snapshot list" shows it\n`);
  return EXIT.done;
}
