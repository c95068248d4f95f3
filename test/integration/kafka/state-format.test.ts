import { silentLogger } from '../../../src/core/ports/log';
import { STATE_FORMAT, STATE_FORMAT_KEY } from '../../../src/core/state-format';
import { readState } from '../../../src/kafka/state-reader';
import { access, closeWriters, createTopics, openWriter, withAdmin } from './support';

afterEach(closeWriters);

/** A state topic that a release with this format has written. */
async function topicsOf(needs: number) {
  const topics = await withAdmin((admin) => createTopics(admin));
  const writer = await openWriter(topics);
  const batch = writer.newBatch();
  batch.appendState(STATE_FORMAT_KEY, JSON.stringify({ format: STATE_FORMAT.format + 1, needs }), 1n);
  await writer.flush(batch);
  return topics;
}

it('the state of the next release is read and written', async () => {
  const topics = await topicsOf(STATE_FORMAT.format);
  expect((await readState(access(), silentLogger, topics.state)).has(STATE_FORMAT_KEY)).toBe(true);
  await openWriter(topics);
});

it('what this release would misread is neither read nor written', async () => {
  const topics = await topicsOf(STATE_FORMAT.format + 1);
  const refused = { kind: 'state_newer', retry: 'manual', fix: expect.stringContaining('newer release') };
  await expect(readState(access(), silentLogger, topics.state)).rejects.toMatchObject(refused);
  await expect(openWriter(topics)).rejects.toMatchObject(refused);
});
