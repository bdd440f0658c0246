// Patterns of channel names, with the signs that Redis has: `*` any text, `?` one character, `[a-c]` one of these, `[^a-c]` any other
// one, `\` the sign after it as itself. Characters are code points.
//
// A match goes back to the last `*` only, so it costs at most the product of both lengths, whoever wrote the pattern.

type Token =
  | { readonly kind: "any_text" }
  | { readonly kind: "any_character" }
  | { readonly kind: "character"; readonly point: number }
  | { readonly kind: "set"; readonly isNegated: boolean; readonly ranges: readonly PointRange[] };

interface PointRange {
  readonly from: number;
  readonly to: number;
}

export interface Glob {
  /** Of the code points of a name. */
  matches(points: readonly number[]): boolean;
}

export const codePointsOf = (text: string): readonly number[] =>
  Array.from(text, (character) => character.codePointAt(0) ?? 0);

/** A pattern, or what is wrong with it. */
export type ParsedGlob =
  | { readonly kind: "glob"; readonly glob: Glob }
  | { readonly kind: "problem"; readonly problem: string };

const sign = (character: string): number => character.codePointAt(0) ?? 0;
const [star, question, open, close, caret, hyphen, backslash] = [
  "*",
  "?",
  "[",
  "]",
  "^",
  "-",
  "\\",
].map(sign);

export function parseGlob(text: string): ParsedGlob {
  const points = codePointsOf(text);
  const tokens: Token[] = [];
  let at = 0;
  while (at < points.length) {
    const point = points[at] as number;
    at += 1;
    if (point === star) {
      if (tokens.at(-1)?.kind !== "any_text") tokens.push({ kind: "any_text" });
    } else if (point === question) tokens.push({ kind: "any_character" });
    else if (point === open) {
      const set = readSet(points, at);
      if (set === undefined) {
        return { kind: "problem", problem: "has a [ without characters and a ] after it" };
      }
      tokens.push(set.token);
      at = set.next;
    } else if (point === backslash) {
      const escaped = points[at];
      if (escaped === undefined) return { kind: "problem", problem: "ends with a \\" };
      tokens.push({ kind: "character", point: escaped });
      at += 1;
    } else tokens.push({ kind: "character", point });
  }
  return { kind: "glob", glob: { matches: (name) => matches(tokens, name) } };
}

/** Behind its `[`; undefined: it does not end, or has nothing in it. */
function readSet(
  points: readonly number[],
  begin: number,
): { readonly token: Token; readonly next: number } | undefined {
  const isNegated = points[begin] === caret;
  const ranges: PointRange[] = [];
  let at = isNegated ? begin + 1 : begin;
  for (;;) {
    if (points[at] === close && ranges.length > 0) {
      return { token: { kind: "set", isNegated, ranges }, next: at + 1 };
    }
    const from = readOne(points, at);
    if (from === undefined || points[at] === close) return undefined;
    at = from.next;
    const isRange = points[at] === hyphen && points[at + 1] !== close;
    const to = isRange ? readOne(points, at + 1) : from;
    if (to === undefined) return undefined;
    at = to.next;
    // As Redis has it, `[c-a]` is `[a-c]`.
    ranges.push({ from: Math.min(from.point, to.point), to: Math.max(from.point, to.point) });
  }
}

/** A character of a set, which a `\` may stand before. */
function readOne(
  points: readonly number[],
  at: number,
): { readonly point: number; readonly next: number } | undefined {
  const isEscaped = points[at] === backslash;
  const point = points[isEscaped ? at + 1 : at];
  return point === undefined ? undefined : { point, next: at + (isEscaped ? 2 : 1) };
}

function matches(tokens: readonly Token[], name: readonly number[]): boolean {
  let token = 0;
  let at = 0;
  /** The last `*`, and up to where it takes the name. */
  let starToken = -1;
  let starTo = 0;
  while (at < name.length) {
    const wanted = tokens[token];
    if (wanted?.kind === "any_text") {
      starToken = token;
      starTo = at;
      token += 1;
    } else if (wanted !== undefined && takes(wanted, name[at] as number)) {
      token += 1;
      at += 1;
    } else if (starToken >= 0) {
      starTo += 1;
      at = starTo;
      token = starToken + 1;
    } else return false;
  }
  while (tokens[token]?.kind === "any_text") token += 1;
  return token === tokens.length;
}

function takes(token: Exclude<Token, { kind: "any_text" }>, point: number): boolean {
  switch (token.kind) {
    case "any_character":
      return true;
    case "character":
      return token.point === point;
    case "set": {
      const isOneOf = token.ranges.some(({ from, to }) => from <= point && point <= to);
      return isOneOf !== token.isNegated;
    }
  }
}
