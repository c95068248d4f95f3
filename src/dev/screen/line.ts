import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** A piece of a line and how it looks; widths are counted before colours are put in. */
export interface Span {
  readonly text: string;
  readonly style?: Style;
}

export function plain(text: string): Span {
  return { text };
}

export function styled(style: Style, text: string): Span {
  return { text, style };
}

/** The spans as one line of at most `columns` characters; what is cut off is marked by an ellipsis. */
export function toLine(spans: readonly Span[], columns: number, colour: boolean): string {
  let left = columns;
  let line = '';
  const width = spans.reduce((sum, { text }) => sum + text.length, 0);
  if (width > columns) left -= 1;
  for (const { text, style } of spans) {
    const part = text.slice(0, Math.max(0, left));
    left -= part.length;
    line += colour && style !== undefined ? styleText(style, part, { validateStream: false }) : part;
  }
  return width > columns && columns > 0 ? `${line}…` : line;
}

/** A shell command over several lines where it is too long for one; copied as it stands it is the same command. */
export function wrapCommand(command: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of command.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns - 2) {
      lines.push(`${line} \\`);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
