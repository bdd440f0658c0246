// Identifiers that users write: regular expressions of which every part can be matched in one pass.
//
// JavaScript's own engine backtracks, so one expression and one message could hold the server for ever; even engines without
// backtracking need quadratic time to find all matches of some (`a|a*b`). So the language is small (what Amazon SNS allows for custom
// identifiers, plus brackets and alternatives) and `pattern-automaton.ts` runs it. Back references, look-around and lazy quantifiers
// are refused, and anchors stand at the ends only.

/** Ranges of UTF-16 code units, both ends inclusive, in order and apart. */
export type CharacterSet = readonly (readonly [from: number, to: number])[];

export type PatternNode =
  | { readonly kind: "characters"; readonly set: CharacterSet }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly parts: readonly PatternNode[] }
  | {
      readonly kind: "repeat";
      readonly part: PatternNode;
      readonly min: number;
      /** Infinity: as often as there is. */
      readonly max: number;
    };

/** What must hold beside a match. */
export type Edge = "anywhere" | "text_edge" | "word_edge";

export interface Pattern {
  readonly kind: "pattern";
  readonly root: PatternNode;
  readonly before: Edge;
  readonly after: Edge;
}

export type ParsedPattern = Pattern | { readonly kind: "invalid"; readonly description: string };

/** Amazon SNS's, for the expression of a custom identifier. */
const charactersMax = 200;
const repeatMax = 1_000;

export function parsePattern(text: string): ParsedPattern {
  if (text.length === 0 || text.length > charactersMax) {
    return { kind: "invalid", description: `write 1 to ${charactersMax} characters` };
  }
  try {
    return new PatternReader(text).pattern();
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    return { kind: "invalid", description: error.message };
  }
}

/** Ends the reading at the first error; never leaves this file. */
class BadPattern extends Error {}

const lastUnit = 0xffff;
const digits: CharacterSet = [[0x30, 0x39]];
const word: CharacterSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
/** Spaces of ASCII, and the no-break space. */
const spaces: CharacterSet = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
];
const lineEnds: CharacterSet = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
];

const classes: Readonly<Record<string, CharacterSet>> = {
  d: digits,
  w: word,
  s: spaces,
  D: except(digits),
  W: except(word),
  S: except(spaces),
};
const controls: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r" };
const punctuation = /^[!-/:-@[-`{-~ ]$/;

function joined(ranges: CharacterSet): CharacterSet {
  const inOrder = [...ranges].sort(([left], [right]) => left - right);
  const result: (readonly [number, number])[] = [];
  for (const [from, to] of inOrder) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) {
      result[result.length - 1] = [last[0], Math.max(last[1], to)];
    } else result.push([from, to]);
  }
  return result;
}

function except(set: CharacterSet): CharacterSet {
  const result: (readonly [number, number])[] = [];
  let from = 0;
  for (const [start, end] of set) {
    if (start > from) result.push([from, start - 1]);
    from = end + 1;
  }
  if (from <= lastUnit) result.push([from, lastUnit]);
  return result;
}

const one = (character: string): CharacterSet => {
  const unit = character.charCodeAt(0);
  return [[unit, unit]];
};

class PatternReader {
  readonly #text: string;
  #at = 0;
  /** Where a last `$` or `\b` begins; the expression ends there. */
  readonly #end: number;
  readonly #after: Edge;

  constructor(text: string) {
    this.#text = text;
    const isEscaped = (at: number): boolean => {
      let slashes = 0;
      for (let place = at - 1; place >= 0 && text[place] === "\\"; place -= 1) slashes += 1;
      return slashes % 2 === 1;
    };
    const last = text.length - 1;
    if (text.endsWith("$") && !isEscaped(last)) {
      this.#end = last;
      this.#after = "text_edge";
    } else if (text.endsWith("b") && isEscaped(last)) {
      this.#end = last - 1;
      this.#after = "word_edge";
    } else {
      this.#end = text.length;
      this.#after = "anywhere";
    }
  }

  pattern(): Pattern {
    const before = this.#leadingEdge();
    const root = this.#choice();
    if (this.#at < this.#end) throw this.#bad('a ")" closes nothing');
    const isAnchored = before !== "anywhere" || this.#after !== "anywhere";
    if (isAnchored && root.kind === "choice") {
      throw this.#bad("put the alternatives in brackets, as in \\b(one|two)\\b");
    }
    return { kind: "pattern", root, before, after: this.#after };
  }

  #leadingEdge(): Edge {
    if (this.#take("^")) return "text_edge";
    return this.#take("\\b") ? "word_edge" : "anywhere";
  }

  get #next(): string {
    return this.#at < this.#end ? this.#text.charAt(this.#at) : "";
  }

  #take(what: string): boolean {
    const to = this.#at + what.length;
    if (to > this.#end || this.#text.slice(this.#at, to) !== what) return false;
    this.#at = to;
    return true;
  }

  #bad(description: string): BadPattern {
    return new BadPattern(`at character ${this.#at + 1}: ${description}`);
  }

  #choice(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#take("|")) parts.push(this.#sequence());
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "choice", parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#next !== "" && this.#next !== "|" && this.#next !== ")") {
      parts.push(this.#quantified(this.#atom()));
    }
    if (parts.length === 0) throw this.#bad("nothing stands here; write what is to be matched");
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "sequence", parts };
  }

  #atom(): PatternNode {
    if (this.#take("(")) {
      this.#take("?:");
      if (this.#next === "?") throw this.#bad("look-around and named groups are not supported");
      const inner = this.#choice();
      if (!this.#take(")")) throw this.#bad('a "(" is not closed');
      return inner;
    }
    if (this.#take("[")) return { kind: "characters", set: this.#bracketed() };
    if (this.#take(".")) return { kind: "characters", set: except(lineEnds) };
    if (this.#take("\\")) return { kind: "characters", set: this.#escaped() };
    const character = this.#next;
    if (character === "^" || character === "$") {
      throw this.#bad(
        `"${character}" may stand at the ${character === "^" ? "start" : "end"} only`,
      );
    }
    if (/[*+?{}\]]/.test(character)) {
      throw this.#bad(`"${character}" is out of place; write \\${character} for the character`);
    }
    return this.#plain();
  }

  /** Of a character beyond the first 65,536 both halves. */
  #plain(): PatternNode {
    const units = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    this.#at += units.length;
    const parts = [...units.split("")].map(
      (unit): PatternNode => ({ kind: "characters", set: one(unit) }),
    );
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "sequence", parts };
  }

  /** After the backslash. */
  #escaped(): CharacterSet {
    const character = this.#next;
    this.#at += 1;
    const known = Object.hasOwn(classes, character) ? classes[character] : undefined;
    if (known !== undefined) return known;
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
    if (control !== undefined) return one(control);
    if (punctuation.test(character)) return one(character);
    this.#at -= 1;
    throw this.#bad(
      character === "b"
        ? "\\b may stand at the start and at the end only"
        : `there is no \\${character}; those there are: \\d \\w \\s \\D \\W \\S \\t \\n \\r, and \\ before punctuation`,
    );
  }

  /** After the bracket that opens it. */
  #bracketed(): CharacterSet {
    const isNegated = this.#take("^");
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take("]")) {
      if (this.#next === "") throw this.#bad('a "[" is not closed');
      if (this.#next === "[") throw this.#bad('write \\[ for a "[" inside of brackets');
      const from = this.#member();
      const [first] = from;
      const isSingle = from.length === 1 && first !== undefined && first[0] === first[1];
      const isRange = this.#next === "-" && this.#text[this.#at + 1] !== "]";
      if (!isRange) {
        ranges.push(...from);
        continue;
      }
      this.#at += 1;
      const [last, ...others] = this.#member();
      if (!isSingle || last === undefined || others.length > 0 || last[0] !== last[1]) {
        throw this.#bad("a range goes from one character to another");
      }
      if (last[0] < first[0]) throw this.#bad("this range goes backwards");
      ranges.push([first[0], last[0]]);
    }
    if (ranges.length === 0) throw this.#bad("these brackets hold nothing");
    const set = joined(ranges);
    const result = isNegated ? except(set) : set;
    if (result.length === 0) throw this.#bad("no character is left that this could match");
    return result;
  }

  #member(): CharacterSet {
    if (this.#take("\\")) return this.#escaped();
    const character = this.#next;
    if (character === "") throw this.#bad('a "[" is not closed');
    if (/[\ud800-\udfff]/.test(character)) {
      throw this.#bad("characters beyond U+FFFF cannot stand in brackets; use (a|b)");
    }
    this.#at += 1;
    return one(character);
  }

  #quantified(part: PatternNode): PatternNode {
    const bounds = this.#bounds();
    if (bounds === undefined) return part;
    if (this.#next === "?" || this.#next === "+") {
      throw this.#bad("lazy and possessive quantifiers are not supported; all of a match is found");
    }
    if (this.#next === "*" || this.#next === "{") throw this.#bad("two quantifiers in a row");
    return { kind: "repeat", part, ...bounds };
  }

  #bounds(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#take("+")) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#take("?")) return { min: 0, max: 1 };
    if (this.#next !== "{") return undefined;
    const written = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(this.#text.slice(this.#at, this.#end));
    if (written === null) throw this.#bad("write {3}, {3,} or {3,5}");
    const min = Number(written[1]);
    const upper = written[3] === undefined ? Number.POSITIVE_INFINITY : Number(written[3]);
    const max = written[2] === undefined ? min : upper;
    if (max < min || max === 0) throw this.#bad("the greater number comes second, and is not 0");
    if (min > repeatMax || (max > repeatMax && max !== Number.POSITIVE_INFINITY)) {
      throw this.#bad(`at most ${repeatMax} times`);
    }
    this.#at += written[0].length;
    return { min, max };
  }
}
