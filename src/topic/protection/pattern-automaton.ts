// Finds everything that a pattern matches, in time linear in the text, whatever the pattern and the text are.
//
// Glushkov's automaton has one state for each character of a pattern, so a set of states is 64 bits. Reading forward gives for
// every character of a text the states in which a match that began before can be; reading backward, those from which a match can
// end. A character belongs to a match if the two have a state in common. So it is found what any match covers, in two passes and
// without trying one start after another: engines that look for one match after the other need quadratic time for some patterns.
// Each step is at most eight look-ups on the way forward and eight back.

import type { Edge, Pattern, PatternNode } from "./pattern-syntax.js";

/** Pairs of start and end, in order and apart. */
export type Spans = readonly number[];

export type Finder = (text: string) => Spans;

export type CompiledPattern =
  | { readonly kind: "compiled"; readonly find: Finder }
  | { readonly kind: "invalid"; readonly description: string };

/** States, so that a set of them is two words. */
const statesMax = 64;

export function compilePattern(pattern: Pattern): CompiledPattern {
  const count = countStates(pattern.root);
  if (count > statesMax) {
    const description = `it stands for ${count} characters in a row or side by side, repetitions multiplied; at most ${statesMax}`;
    return { kind: "invalid", description };
  }
  const states = new States();
  const whole = states.add(pattern.root);
  if (whole.isNullable) {
    return { kind: "invalid", description: "it matches the empty text, which is everywhere" };
  }
  const scanner = new Scanner(pattern, states, whole);
  return { kind: "compiled", find: (text) => scanner.find(text) };
}

function countStates(node: PatternNode): number {
  switch (node.kind) {
    case "characters":
      return 1;
    case "sequence":
    case "choice":
      return node.parts.reduce((sum, part) => sum + countStates(part), 0);
    case "repeat":
      return countStates(node.part) * copiesOf(node);
  }
}

const copiesOf = ({ min, max }: { readonly min: number; readonly max: number }): number =>
  max === Number.POSITIVE_INFINITY ? Math.max(1, min) : max;

/** A part of the automaton: the states it can begin and end with. */
interface Part {
  readonly isNullable: boolean;
  readonly first: bigint;
  readonly last: bigint;
}

const nothing: Part = { isNullable: true, first: 0n, last: 0n };

class States {
  readonly sets: PatternNodeSet[] = [];
  /** For each state those that may come next. */
  readonly follow: bigint[] = [];

  add(node: PatternNode): Part {
    switch (node.kind) {
      case "characters": {
        const bit = 1n << BigInt(this.sets.length);
        this.sets.push(node.set);
        this.follow.push(0n);
        return { isNullable: false, first: bit, last: bit };
      }
      case "sequence":
        return node.parts.reduce((before, part) => this.#then(before, this.add(part)), nothing);
      case "choice":
        return node.parts
          .map((part) => this.add(part))
          .reduce((left, right) => ({
            isNullable: left.isNullable || right.isNullable,
            first: left.first | right.first,
            last: left.last | right.last,
          }));
      case "repeat":
        return this.#repeat(node);
    }
  }

  #repeat(node: Extract<PatternNode, { kind: "repeat" }>): Part {
    const copies = copiesOf(node);
    let whole = nothing;
    for (let copy = 1; copy <= copies; copy += 1) {
      const part = this.add(node.part);
      if (copy === copies && node.max === Number.POSITIVE_INFINITY)
        this.#link(part.last, part.first);
      const isOptional = copy > node.min;
      whole = this.#then(whole, isOptional ? { ...part, isNullable: true } : part);
    }
    return whole;
  }

  #then(before: Part, after: Part): Part {
    this.#link(before.last, after.first);
    return {
      isNullable: before.isNullable && after.isNullable,
      first: before.first | (before.isNullable ? after.first : 0n),
      last: after.last | (after.isNullable ? before.last : 0n),
    };
  }

  #link(from: bigint, to: bigint): void {
    for (let state = 0; state < this.follow.length; state += 1) {
      if (((from >> BigInt(state)) & 1n) === 1n) {
        this.follow[state] = (this.follow[state] ?? 0n) | to;
      }
    }
  }
}

type PatternNodeSet = Extract<PatternNode, { kind: "characters" }>["set"];

const unitCount = 0x1_0000;
const bytesOfSet = statesMax / 8;

/** Where sets of states lead: for every byte of a set and every value of it, in two words. */
interface Leads {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

function leadsOf(leads: readonly bigint[]): Leads {
  const low = new Int32Array(bytesOfSet * 256);
  const high = new Int32Array(bytesOfSet * 256);
  for (let place = 0; place < bytesOfSet; place += 1) {
    for (let value = 1; value < 256; value += 1) {
      let set = 0n;
      for (let bit = 0; bit < 8; bit += 1) {
        if (((value >> bit) & 1) === 1) set |= leads[place * 8 + bit] ?? 0n;
      }
      [low[place * 256 + value], high[place * 256 + value]] = wordsOf(set);
    }
  }
  return { low, high };
}

/** One word of where a set leads. */
function lead(table: Int32Array, low: number, high: number): number {
  let to = 0;
  for (let rest = low, base = 0; rest !== 0; rest >>>= 8, base += 256) {
    to |= table[base + (rest & 0xff)] ?? 0;
  }
  for (let rest = high, base = 1_024; rest !== 0; rest >>>= 8, base += 256) {
    to |= table[base + (rest & 0xff)] ?? 0;
  }
  return to;
}

const wordsOf = (set: bigint): readonly [number, number] => [
  Number(BigInt.asIntN(32, set)),
  Number(BigInt.asIntN(32, set >> 32n)),
];

const isWordUnit = (unit: number): boolean =>
  (unit >= 0x61 && unit <= 0x7a) ||
  (unit >= 0x41 && unit <= 0x5a) ||
  (unit >= 0x30 && unit <= 0x39) ||
  unit === 0x5f;

/** NaN, beyond the ends of a text, is no part of a word. */
const isWordEdge = (text: string, at: number): boolean =>
  isWordUnit(text.charCodeAt(at - 1)) !== isWordUnit(text.charCodeAt(at));

function isAtEdge(edge: Edge, text: string, at: number): boolean {
  switch (edge) {
    case "anywhere":
      return true;
    case "text_edge":
      return at === 0 || at === text.length;
    case "word_edge":
      return isWordEdge(text, at);
  }
}

class Scanner {
  readonly #before: Edge;
  readonly #after: Edge;
  /** The class of every code unit: units of one class are in the same sets. */
  readonly #classOf = new Uint8Array(unitCount);
  /** For each class the states that match it. */
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  readonly #next: Leads;
  readonly #previous: Leads;
  readonly #first: readonly [number, number];
  readonly #last: readonly [number, number];
  /** The sets of a stretch of text in which some match is under way. */
  #stretch = new Int32Array(1_024);

  constructor({ before, after }: Pattern, { sets, follow }: States, whole: Part) {
    this.#before = before;
    this.#after = after;
    const matched = this.#classify(sets);
    this.#low = Int32Array.from(matched, (set) => wordsOf(set)[0]);
    this.#high = Int32Array.from(matched, (set) => wordsOf(set)[1]);
    this.#next = leadsOf(follow);
    this.#previous = leadsOf(
      follow.map((_set, state) =>
        follow.reduce(
          (before, set, from) =>
            ((set >> BigInt(state)) & 1n) === 1n ? before | (1n << BigInt(from)) : before,
          0n,
        ),
      ),
    );
    this.#first = wordsOf(whole.first);
    this.#last = wordsOf(whole.last);
  }

  /** Gives every code unit its class; answers with the states that match each class. */
  #classify(sets: readonly PatternNodeSet[]): readonly bigint[] {
    const cuts = new Set<number>([0]);
    for (const [from, to] of sets.flat()) cuts.add(from).add(to + 1);
    const starts = [...cuts].filter((cut) => cut < unitCount).sort((left, right) => left - right);
    const classes = new Map<bigint, number>();
    starts.forEach((start, index) => {
      const matched = sets.reduce(
        (bits, set, state) =>
          set.some(([from, to]) => from <= start && start <= to)
            ? bits | (1n << BigInt(state))
            : bits,
        0n,
      );
      const known = classes.get(matched) ?? classes.size;
      classes.set(matched, known);
      this.#classOf.fill(known, start, starts[index + 1] ?? unitCount);
    });
    return [...classes.keys()];
  }

  find(text: string): Spans {
    const spans: number[] = [];
    const next = this.#next;
    let low = 0;
    let high = 0;
    let begin = 0;
    let hasEnd = false;
    for (let at = 0; at <= text.length; at += 1) {
      const wasAlive = low !== 0 || high !== 0;
      // Beyond the end of the text nothing goes on.
      if (at === text.length) {
        low = 0;
        high = 0;
      } else {
        const kind = this.#classOf[text.charCodeAt(at)] ?? 0;
        const before = low;
        low = lead(next.low, low, high);
        high = lead(next.high, before, high);
        if (isAtEdge(this.#before, text, at) && (this.#before !== "text_edge" || at === 0)) {
          low |= this.#first[0];
          high |= this.#first[1];
        }
        low &= this.#low[kind] ?? 0;
        high &= this.#high[kind] ?? 0;
      }
      if (low === 0 && high === 0) {
        if (wasAlive && hasEnd) this.#cover(text, begin, at, spans);
        continue;
      }
      if (!wasAlive) {
        begin = at;
        hasEnd = false;
      }
      this.#keep(at - begin, low, high);
      hasEnd ||= (low & this.#last[0]) !== 0 || (high & this.#last[1]) !== 0;
    }
    return spans;
  }

  #keep(index: number, low: number, high: number): void {
    if (index * 2 === this.#stretch.length) {
      const longer = new Int32Array(this.#stretch.length * 2);
      longer.set(this.#stretch);
      this.#stretch = longer;
    }
    this.#stretch[index * 2] = low;
    this.#stretch[index * 2 + 1] = high;
  }

  /** The way back through a stretch. No match leaves it, since at both its ends none is under way. */
  #cover(text: string, begin: number, end: number, spans: number[]): void {
    const found: number[] = [];
    const previous = this.#previous;
    let low = 0;
    let high = 0;
    for (let at = end - 1; at >= begin; at -= 1) {
      const kind = this.#classOf[text.charCodeAt(at)] ?? 0;
      const after = low;
      low = lead(previous.low, low, high);
      high = lead(previous.high, after, high);
      const isEnd = isAtEdge(this.#after, text, at + 1);
      if (isEnd && (this.#after !== "text_edge" || at + 1 === text.length)) {
        low |= this.#last[0];
        high |= this.#last[1];
      }
      low &= this.#low[kind] ?? 0;
      high &= this.#high[kind] ?? 0;
      const index = (at - begin) * 2;
      const isCovered =
        (low & (this.#stretch[index] ?? 0)) !== 0 || (high & (this.#stretch[index + 1] ?? 0)) !== 0;
      if (!isCovered) continue;
      // Backwards, so ends come before starts.
      if (found.at(-1) === at + 1) found[found.length - 1] = at;
      else found.push(at + 1, at);
    }
    for (let at = found.length - 1; at > 0; at -= 2) {
      spans.push(wholeStart(text, found[at] ?? 0), wholeEnd(text, found[at - 1] ?? 0));
    }
    if (this.#stretch.length > stretchKeptMax) this.#stretch = new Int32Array(1_024);
  }
}

/** What is kept between two texts. */
const stretchKeptMax = 65_536;

/** A character beyond U+FFFF is two units, and is covered as a whole. */
const wholeStart = (text: string, at: number): number =>
  isLowHalf(text.charCodeAt(at)) && isHighHalf(text.charCodeAt(at - 1)) ? at - 1 : at;

const wholeEnd = (text: string, at: number): number =>
  isHighHalf(text.charCodeAt(at - 1)) && isLowHalf(text.charCodeAt(at)) ? at + 1 : at;

const isHighHalf = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLowHalf = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
