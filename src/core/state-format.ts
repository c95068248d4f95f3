import { readState } from './capture-state';
import { CdcError } from './errors';

/**
 * What the records of the state topic look like. A release whose records an older one would misread raises `format`, and sets
 * `needs` to the format of the release before: that one goes on with them, so that upgrades can be taken back; older ones refuse.
 */
export interface StateFormat {
  readonly format: number;
  /** Which format a program must know at least. */
  readonly needs: number;
}

export const STATE_FORMAT: StateFormat = { format: 1, needs: 1 };

export const STATE_FORMAT_KEY = 'format';

type State = ReadonlyMap<string, string>;

/** Throws state_newer when the topic's records are of a release that this one does not understand. */
export function requireKnownFormat(state: State, known = STATE_FORMAT.format): void {
  const found = readState<StateFormat>(state, STATE_FORMAT_KEY);
  if (found === null || found.needs <= known) return;
  throw new CdcError('state_newer', `the state topic is of format ${found.format}, this release knows ${known}`);
}

/** What is to be recorded: our format, unless a newer release's is there, which is not taken back by our being run again. */
export function formatToRecord(state: State, ours = STATE_FORMAT): StateFormat {
  const found = readState<StateFormat>(state, STATE_FORMAT_KEY);
  return found !== null && found.format > ours.format ? found : ours;
}
