import { phoneVectors } from '../../fixtures/phone-vectors';
import { ventiaToday } from '../../support/old-way';

it.each(phoneVectors)('P row $row, as Ventia normalizes today: $raw', ({ raw, ventiaToday: today }) => {
  expect(ventiaToday(raw)).toBe(today);
});
