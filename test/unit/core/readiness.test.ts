import { CdcError } from '../../../src/core/errors';
import { combineReadiness, notReady, READY, STARTING } from '../../../src/core/readiness';

const away = notReady(new CdcError('kafka_unreachable', 'no broker'));
const refused = notReady(new CdcError('source_refused', 'wrong password'));

test.each([
  ['ready when all are', [READY, READY], READY],
  ['the one that is not says why', [READY, away], away],
  ['the first speaks for the others', [away, refused], { ...away, reason: 'no broker (and 1 more not ready)' }],
  [
    'what is known comes before what only starts',
    [STARTING, refused],
    { ...refused, reason: 'wrong password (and 1 more not ready)' },
  ],
  ['nothing known yet', [STARTING, READY], STARTING],
])('%s', (_, parts, whole) => {
  expect(combineReadiness(parts)).toEqual(whole);
});
