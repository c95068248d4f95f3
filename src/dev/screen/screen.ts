import { renderPlainLine, renderScreen } from './render';
import type { DevView } from './view';

const REDRAW_MS = 500;
const PLAIN_MS = 10_000;

const ALTERNATE_SCREEN = '\x1b[?1049h\x1b[?25l';
const NORMAL_SCREEN = '\x1b[?25h\x1b[?1049l';

/**
 * Shows the view until the returned function is called: in a terminal a screen that is drawn over twice a second (each frame
 * in one write, without clearing first, so that nothing flickers), else a line every 10 seconds.
 */
export function showView(out: NodeJS.WriteStream, view: () => DevView): () => void {
  return out.isTTY ? showScreen(out, view) : showLines(out, view);
}

function showScreen(out: NodeJS.WriteStream, view: () => DevView): () => void {
  const colour = !process.env.NO_COLOR && out.hasColors();
  const draw = () => {
    const lines = renderScreen(view(), { columns: out.columns, rows: out.rows, colour });
    out.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
  };
  const restore = () => out.write(NORMAL_SCREEN);

  out.write(ALTERNATE_SCREEN);
  process.once('exit', restore);
  out.on('resize', draw);
  const timer = setInterval(draw, REDRAW_MS);
  draw();
  return () => {
    clearInterval(timer);
    out.off('resize', draw);
    process.off('exit', restore);
    restore();
  };
}

function showLines(out: NodeJS.WriteStream, view: () => DevView): () => void {
  const write = () => out.write(`${new Date().toISOString()} ${renderPlainLine(view())}\n`);
  const timer = setInterval(write, PLAIN_MS);
  return () => clearInterval(timer);
}
