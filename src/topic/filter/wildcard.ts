// Patterns with `*`, which stands for any run of characters, or none. The pieces between the stars are looked for from left to
// right, each where it first occurs after the one before: if the text fits at all, it fits so. Nothing is tried twice, so the
// time is that of reading the text once a star, whatever pattern and text are.

export interface WildcardPattern {
  /** As it was written, with its escapes. */
  readonly written: string;
  /** What stands between the stars; one more than there are stars. */
  readonly pieces: readonly string[];
}

export type ParsedWildcard =
  | { readonly kind: "pattern"; readonly pattern: WildcardPattern }
  | { readonly kind: "malformed"; readonly description: string };

export function parseWildcard(written: string): ParsedWildcard {
  const pieces: string[] = [];
  let piece = "";
  for (let at = 0; at < written.length; at += 1) {
    const character = written.charAt(at);
    if (character === "\\") {
      const escaped = written.charAt(at + 1);
      if (escaped !== "*" && escaped !== "\\") {
        return { kind: "malformed", description: 'after "\\" may stand "*" or "\\" only' };
      }
      piece += escaped;
      at += 1;
    } else if (character !== "*") piece += character;
    else if (written.charAt(at + 1) === "*") {
      return { kind: "malformed", description: '"**" means no more than "*"; write one' };
    } else {
      pieces.push(piece);
      piece = "";
    }
  }
  return { kind: "pattern", pattern: { written, pieces: [...pieces, piece] } };
}

export const starsOf = ({ pieces }: WildcardPattern): number => pieces.length - 1;

export function fitsWildcard({ pieces }: WildcardPattern, text: string): boolean {
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return text === first;
  const last = pieces[pieces.length - 1] ?? "";
  const end = text.length - last.length;
  if (first.length > end || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = find(piece, text, from);
    if (found < 0) return false;
    from = found + piece.length;
  }
  return from <= end;
}

/**
 * Longest piece that is looked for by `indexOf`. For long ones V8 goes back over what it compared (it remembers 250 characters
 * of the piece), which takes the product of both lengths on texts like "aaaa…".
 */
const plainSearchMax = 64;

function find(piece: string, text: string, from: number): number {
  return piece.length <= plainSearchMax ? text.indexOf(piece, from) : findLong(piece, text, from);
}

/** Knuth, Morris and Pratt: no character of the text is looked at again after one behind it. */
function findLong(piece: string, text: string, from: number): number {
  if (piece.length > text.length - from) return -1;
  const borders = bordersOf(piece);
  let matched = 0;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    while (matched > 0 && piece.charCodeAt(matched) !== code) matched = borders[matched - 1] ?? 0;
    if (piece.charCodeAt(matched) === code) matched += 1;
    if (matched === piece.length) return at - matched + 1;
  }
  return -1;
}

/** For each beginning of the piece, how long the longest shorter beginning is that it also ends with. */
function bordersOf(piece: string): Uint32Array {
  const borders = new Uint32Array(piece.length);
  let length = 0;
  for (let at = 1; at < piece.length; at += 1) {
    const code = piece.charCodeAt(at);
    while (length > 0 && piece.charCodeAt(length) !== code) length = borders[length - 1] ?? 0;
    if (piece.charCodeAt(length) === code) length += 1;
    borders[at] = length;
  }
  return borders;
}
