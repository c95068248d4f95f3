import { EventEmitter } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { wrapCommand } from '../../../src/dev/screen/line';
import { renderPlainLine, renderScreen } from '../../../src/dev/screen/render';
import { showView } from '../../../src/dev/screen/screen';
import type { DevView } from '../../../src/dev/screen/view';

const VIEW: DevView = {
  profile: 'seed',
  upSeconds: 192.4,
  readiness: { ready: true },
  stages: [
    { name: 'shop', perSecond: 20.12, total: 1_204, behind: null, p50Ms: null, p99Ms: null, until: '' },
    {
      name: 'ventia-source',
      perSecond: 18,
      total: 1_190,
      behind: '0 bytes',
      p50Ms: 4.12,
      p99Ms: 1_530,
      until: 'Kafka',
    },
    {
      name: 'contacts-sink',
      perSecond: 1_234,
      total: 1_184,
      behind: '3 records',
      p50Ms: 11,
      p99Ms: 31,
      until: 'messaging',
    },
  ],
  changes: Array.from({ length: 10 }, (_, i) => ({
    atMs: Date.UTC(2026, 10, 24, 20, 15, 59 - i, 120),
    table: i === 2 ? 'tenants' : 'orders',
    op: i % 2 ? 'update' : 'insert',
    id: i === 1 ? '41' : '6f1c2a34-1b2c-4d5e-8f90-a1b2c3d4e5f6',
    became: 'contact created',
  })),
  totals: [
    { label: 'published', count: 1_190 },
    { label: 'rows written', count: 1_002 },
    { label: 'dead letters', count: 0 },
  ],
  hints: [
    { label: 'psql', command: 'psql postgresql://postgres:postgres@127.0.0.1:5432/ventia_db' },
    {
      label: 'records',
      command: 'kcat -b 127.0.0.1:9092 -t ventia.orders -C -o -3 -e -s avro -r http://127.0.0.1:8081/apis',
    },
  ],
};

const NOT_READY: DevView = {
  ...VIEW,
  readiness: { ready: false, code: 'CDC-300', reason: 'Kafka does not answer', fix: 'Check KAFKA_BROKERS.' },
};

test('80 by 24', () => {
  expect(renderScreen(VIEW, { columns: 80, rows: 24, colour: false })).toEqual([
    ' ventia-cdc dev   profile seed   up 3 min 12 s                          ● ready ',
    '',
    '                      now     total        behind      p50      p99   commit to',
    ' shop              20.1/s     1,204',
    ' ventia-source     18.0/s     1,190       0 bytes   4.1 ms    1.5 s   Kafka',
    ' contacts-sink    1,234/s     1,184     3 records    11 ms    31 ms   messaging',
    '',
    ' Last changes (UTC)',
    ' 20:15:59.120  orders   insert   6f1c2a34-1b2…  contact created',
    ' 20:15:58.120  orders   update   41             contact created',
    ' 20:15:57.120  tenants  insert   6f1c2a34-1b2…  contact created',
    ' 20:15:56.120  orders   update   6f1c2a34-1b2…  contact created',
    ' 20:15:55.120  orders   insert   6f1c2a34-1b2…  contact created',
    ' 20:15:54.120  orders   update   6f1c2a34-1b2…  contact created',
    ' 20:15:53.120  orders   insert   6f1c2a34-1b2…  contact created',
    ' 20:15:52.120  orders   update   6f1c2a34-1b2…  contact created',
    '',
    ' Totals   1,190 published · 1,002 rows written · 0 dead letters',
    '',
    ' psql     psql postgresql://postgres:postgres@127.0.0.1:5432/ventia_db',
    ' records  kcat -b 127.0.0.1:9092 -t ventia.orders -C -o -3 -e -s avro -r \\',
    '          http://127.0.0.1:8081/apis',
  ]);
});

test('what is wrong stands on top, with code and fix', () => {
  const lines = renderScreen(NOT_READY, { columns: 80, rows: 24, colour: false });
  expect(lines[0]).toMatch(/○ not ready $/);
  expect(lines.slice(1, 3)).toEqual([' CDC-300 Kafka does not answer', ' fix     Check KAFKA_BROKERS.']);
});

test('before the first change it says so', () => {
  const lines = renderScreen({ ...VIEW, changes: [] }, { columns: 80, rows: 24, colour: false });
  expect(lines).toContain('  none yet');
});

test('fits every size, and colours change nothing but colours', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.nat(60), fc.constantFrom(VIEW, NOT_READY), (columns, rows, view) => {
      const lines = renderScreen(view, { columns, rows, colour: false });
      expect(lines.length).toBeLessThanOrEqual(rows);
      expect(Math.max(0, ...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      const coloured = renderScreen(view, { columns, rows, colour: true });
      expect(coloured.map(stripVTControlCharacters)).toEqual(lines);
    }),
  );
});

test('a command broken over lines is still the same command', () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z0-9:/.-]{1,30}$/), { minLength: 1 }),
      fc.integer({ min: 20, max: 100 }),
      (words, columns) => {
        const lines = wrapCommand(words.join(' '), columns);
        expect(lines.join('\n').replaceAll(' \\\n', ' ')).toBe(words.join(' '));
      },
    ),
  );
});

test('one line for a pipe', () => {
  expect(renderPlainLine(VIEW)).toBe(
    'ready | shop 20.1/s | ventia-source 18.0/s, 0 bytes behind, p50 4.1 ms, p99 1.5 s' +
      ' | contacts-sink 1,234/s, 3 records behind, p50 11 ms, p99 31 ms',
  );
  expect(renderPlainLine(NOT_READY)).toMatch(/^not ready \(CDC-300 Kafka does not answer; Check KAFKA_BROKERS.\) \| /);
});

describe('shown', () => {
  class FakeTerminal extends EventEmitter {
    written = '';
    columns = 100;
    rows = 30;
    constructor(readonly isTTY: boolean) {
      super();
    }
    hasColors = () => true;
    write(text: string): boolean {
      this.written += text;
      return true;
    }
    get stream(): NodeJS.WriteStream {
      return this as unknown as NodeJS.WriteStream;
    }
  }

  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  test('a terminal is drawn over twice a second, never cleared first, and given back', () => {
    const terminal = new FakeTerminal(true);
    const hide = showView(terminal.stream, () => VIEW);
    expect(terminal.written).toContain('Last changes');

    terminal.written = '';
    jest.advanceTimersByTime(1_000);
    expect(terminal.written.split('\x1b[H')).toHaveLength(3);
    expect(terminal.written).not.toContain('\x1b[2J');

    terminal.written = '';
    terminal.columns = 40;
    terminal.emit('resize');
    const widths = terminal.written.split('\r\n').map((line) => stripVTControlCharacters(line).length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(40);

    hide();
    expect(terminal.written.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    terminal.written = '';
    jest.advanceTimersByTime(5_000);
    terminal.emit('resize');
    expect(terminal.written).toBe('');
  });

  test('a pipe gets a line every ten seconds', () => {
    const pipe = new FakeTerminal(false);
    const hide = showView(pipe.stream, () => VIEW);
    jest.advanceTimersByTime(25_000);
    hide();
    const lines = pipe.written.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z ready \| shop/);
    expect(pipe.written).not.toContain('\x1b');
  });
});
