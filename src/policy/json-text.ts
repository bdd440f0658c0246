// JSON as its author wrote it: every value with its place in the text, and objects with all their members.
//
// JSON.parse cannot serve a policy: of two members with the same name it silently keeps the last, so that a second
// `Condition` would replace the first, and where a text is broken it says in the words of its engine, if at all. This reader
// accepts exactly what JSON.parse accepts (test/property/policy.test.ts holds them against each other), up to a depth.

export type JsonNode =
  | { readonly kind: "object"; readonly at: number; readonly members: readonly JsonMember[] }
  | { readonly kind: "list"; readonly at: number; readonly items: readonly JsonNode[] }
  | { readonly kind: "text"; readonly at: number; readonly value: string }
  | { readonly kind: "number"; readonly at: number; readonly value: number }
  | { readonly kind: "boolean"; readonly at: number; readonly value: boolean }
  | { readonly kind: "null"; readonly at: number };

export interface JsonMember {
  readonly name: string;
  /** Where the name is; `value.at` is where the value is. */
  readonly at: number;
  readonly value: JsonNode;
}

export type JsonRead =
  | { readonly kind: "read"; readonly node: JsonNode }
  | { readonly kind: "broken"; readonly at: number; readonly description: string };

/** Objects and lists inside each other. A policy needs 8; a text of nothing but brackets must not exhaust the stack. */
const jsonDepthMax = 16;

export function readJson(text: string, depthMax = jsonDepthMax): JsonRead {
  try {
    return { kind: "read", node: new JsonReader(text, depthMax).document() };
  } catch (error) {
    if (!(error instanceof BrokenJson)) throw error;
    return { kind: "broken", at: error.at, description: error.message };
  }
}

/** Ends the reading at the first error; never leaves this file. */
class BrokenJson extends Error {
  readonly at: number;

  constructor(at: number, description: string) {
    super(description);
    this.at = at;
  }
}

const spaces = /[ \t\n\r]*/y;
const numeral = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const word = /[A-Za-z_$][\w$]*/y;
const unicodeEscape = /^[0-9A-Fa-f]{4}$/;
const simpleEscapes = '"\\/bfnrt';
const firstPrintable = 0x20;

class JsonReader {
  readonly #text: string;
  readonly #depthMax: number;
  #at = 0;

  constructor(text: string, depthMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
  }

  document(): JsonNode {
    const node = this.#value(0);
    if (this.#next() !== "") throw this.#broken("nothing may follow the document; remove the rest");
    return node;
  }

  /** The next character that is no space; empty at the end of the text. */
  #next(): string {
    this.#match(spaces);
    return this.#text.charAt(this.#at);
  }

  /** Takes what a sticky pattern finds here; empty when it finds nothing. */
  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #broken(description: string, at = this.#at): BrokenJson {
    return new BrokenJson(
      at,
      at >= this.#text.length ? `the text ends here: ${description}` : description,
    );
  }

  #value(depth: number): JsonNode {
    const first = this.#next();
    const at = this.#at;
    if (depth === this.#depthMax && (first === "{" || first === "[")) {
      throw this.#broken(`objects and lists may be nested ${this.#depthMax} deep at most`);
    }
    if (first === "{") return { kind: "object", at, members: this.#members(depth) };
    if (first === "[") return { kind: "list", at, items: this.#items(depth) };
    if (first === '"') return { kind: "text", at, value: this.#string() };
    const number = this.#match(numeral);
    if (number !== "") return { kind: "number", at, value: Number(number) };
    switch (this.#match(word)) {
      case "true":
        return { kind: "boolean", at, value: true };
      case "false":
        return { kind: "boolean", at, value: false };
      case "null":
        return { kind: "null", at };
    }
    throw this.#broken(missingValue(first), at);
  }

  #members(depth: number): JsonMember[] {
    this.#at += 1;
    const members: JsonMember[] = [];
    if (this.#next() === "}") {
      this.#at += 1;
      return members;
    }
    do {
      if (this.#next() !== '"') throw this.#broken(missingName(this.#next()));
      const at = this.#at;
      const name = this.#string();
      if (this.#next() !== ":") throw this.#broken(`write ":" between a name and its value`);
      this.#at += 1;
      members.push({ name, at, value: this.#value(depth + 1) });
    } while (this.#goesOn("}"));
    return members;
  }

  #items(depth: number): JsonNode[] {
    this.#at += 1;
    const items: JsonNode[] = [];
    if (this.#next() === "]") {
      this.#at += 1;
      return items;
    }
    do items.push(this.#value(depth + 1));
    while (this.#goesOn("]"));
    return items;
  }

  /** Takes the comma that promises another element, or the bracket that ends them. */
  #goesOn(end: "}" | "]"): boolean {
    const next = this.#next();
    if (next !== "," && next !== end) throw this.#broken(`write "," or "${end}" here`);
    const comma = this.#at;
    this.#at += 1;
    if (next === end) return false;
    if (this.#next() === end) {
      throw this.#broken(`no "," may stand before "${end}"; remove it`, comma);
    }
    return true;
  }

  #string(): string {
    const start = this.#at;
    const text = this.#text;
    for (this.#at += 1; text.charAt(this.#at) !== '"'; this.#at += 1) {
      if (this.#at >= text.length) throw this.#broken('close this text with "', start);
      if (text.charCodeAt(this.#at) < firstPrintable) {
        throw this.#broken("a text may hold no line break or tab; write \\n or \\t");
      }
      if (text.charAt(this.#at) === "\\") this.#escape();
    }
    this.#at += 1;
    // What is between the quotes has been looked at, so this neither throws nor takes anything else.
    return JSON.parse(text.slice(start, this.#at)) as string;
  }

  /** Steps to the last character of an escape. */
  #escape(): void {
    const escaped = this.#text.charAt(this.#at + 1);
    if (escaped === "u" && unicodeEscape.test(this.#text.slice(this.#at + 2, this.#at + 6))) {
      this.#at += 5;
    } else if (escaped !== "" && simpleEscapes.includes(escaped)) {
      this.#at += 1;
    } else {
      throw this.#broken(
        '"\\" starts an escape: \\", \\\\, \\/, \\b, \\f, \\n, \\r, \\t or \\u0000',
      );
    }
  }
}

const missingValue = (found: string): string => {
  if (found === "'") return 'write texts in double quotes ("), not single ones';
  if (found === "/" || found === "#") return "JSON has no comments; remove it";
  return 'write a value here: a text in double quotes, a number, true, false, null, "{" or "["';
};

const missingName = (found: string): string =>
  found === "/" || found === "#"
    ? missingValue(found)
    : 'write a name here, in double quotes, or "}"';

/** Line and column of a place in a text, both from 1, counted as editors do: in characters. */
export function positionOf(
  text: string,
  at: number,
): { readonly line: number; readonly column: number } {
  const before = text.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: [...before.slice(lineStart)].length + 1,
  };
}
