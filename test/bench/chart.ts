/** One group of bars with an axis of its own. */
export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** As it is written beside the bar. */
  readonly told: string;
  readonly ours: boolean;
}

const WIDTH = 820;
const LABELS = 250;
const VALUES = 110;
const BAR = 16;
const GAP = 6;
const TITLE = 30;
const MARGIN = 14;

/** An SVG of horizontal bars, panel under panel, readable on light and dark ground. */
export function barChart(panels: readonly Panel[]): string {
  let y = MARGIN;
  const parts: string[] = [];
  for (const { title, unit, bars } of panels) {
    parts.push(text(MARGIN, y + 14, `${title} (${unit})`, 'font-weight="bold"'));
    y += TITLE;
    const largest = Math.max(...bars.map(({ value }) => value));
    for (const { label, value, told, ours } of bars) {
      const width = largest > 0 ? (value / largest) * (WIDTH - LABELS - VALUES - MARGIN) : 0;
      parts.push(text(LABELS - 8, y + BAR - 4, label, 'text-anchor="end"'));
      parts.push(
        `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${ours ? '#1f77b4' : '#999999'}"/>`,
      );
      parts.push(text(LABELS + width + 6, y + BAR - 4, told));
      y += BAR + GAP;
    }
    y += MARGIN;
  }
  const box = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} font-family="sans-serif" font-size="12" fill="#777777">\n${parts.join('\n')}\n</svg>\n`;
}

function text(x: number, y: number, content: string, more = ''): string {
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${more && ` ${more}`}>${escaped}</text>`;
}
