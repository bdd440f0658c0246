// Whether keys hold together where arrays are involved: what counts for one filter must come from the same element of each array.
// `{"name": ["Anna"], "city": ["Oslo"]}` does not take `[{name: Anna, city: Rome}, {name: Jones, city: Oslo}]`.
//
// A key is fulfilled by one value, or by absence: then no value may be at its path that goes with the elements chosen for the
// other keys. The elements that have any of the values form a tree: a place (the message, or an element) holds values and
// arrays, an array offers its elements, of which at most one is chosen. For each place it is worked out, from the innermost
// outwards, which sets of keys can be fulfilled inside it and which paths then have a value in sight. Choices in different
// arrays are independent, so they are combined, never tried one after the other: the time grows with the number of values, not
// with a power of it.

import { assert } from "../../base/assert.js";
import { filterKeysCeiling } from "./filter-limits.js";
import type { ArrayElement, Leaf } from "./path-tree.js";

/** A key and the values at its path. */
export interface KeyLeaves {
  readonly leaves: readonly Leaf[];
  readonly fulfils: (leaf: Leaf) => boolean;
  readonly mayBeAbsent: boolean;
}

export function holdTogether(keys: readonly KeyLeaves[]): boolean {
  assert(keys.length <= filterKeysCeiling, "a filter has no more keys than bits to count them");
  return new PlaceTree(keys).isFulfilled();
}

/** Keys as bits. */
type Keys = number;

/**
 * A way to choose inside a place: keys fulfilled, and above them, `filterKeysCeiling` bits up, keys that may be absent and have a
 * value in sight.
 */
type Choice = number;

interface PlaceNode {
  /** Keys with a fulfilling value directly here. */
  fulfilled: Keys;
  /** Keys that may be absent and have a value directly here. */
  seen: Keys;
  readonly arrays: Map<number, ArrayNode>;
}

interface ArrayNode {
  /** Keys with a fulfilling value in any of its elements. */
  reachable: Keys;
  /** Keys that may be absent and have a value in any of them: what is in sight while none is chosen. */
  seen: Keys;
  readonly choices: Set<Choice>;
}

const fulfilledBits = (1 << filterKeysCeiling) - 1;

const choiceOf = (fulfilled: Keys, seen: Keys): Choice => fulfilled | (seen << filterKeysCeiling);

class PlaceTree {
  readonly #wanted: Keys;
  /** Keys that may be absent. */
  readonly #optional: Keys;
  readonly #message: PlaceNode = newPlace();
  readonly #places = new Map<ArrayElement, PlaceNode>();
  /**
   * Keys that two values could fulfil which may be chosen together. Fulfilling one of these where it can be is not always best when
   * another key is to be absent: choosing an element for it elsewhere puts that array's other elements out of sight.
   */
  #ambiguous: Keys = 0;

  constructor(keys: readonly KeyLeaves[]) {
    this.#wanted = (1 << keys.length) - 1;
    this.#optional = keys.reduce(
      (bits, key, index) => bits | (key.mayBeAbsent ? 1 << index : 0),
      0,
    );
    for (const [index, key] of keys.entries()) {
      const bit = 1 << index;
      for (const leaf of key.leaves) {
        const place = this.#placeOf(leaf.element);
        if (key.mayBeAbsent) place.seen |= bit;
        if (key.fulfils(leaf)) place.fulfilled |= bit;
      }
    }
  }

  /** The place of an element; those around it are made with it. */
  #placeOf(element: ArrayElement | undefined): PlaceNode {
    for (let around = element; around !== undefined; around = around.parent) {
      if (this.#places.has(around)) break;
      this.#places.set(around, newPlace());
    }
    return (element && this.#places.get(element)) ?? this.#message;
  }

  isFulfilled(): boolean {
    // An element has a greater number than the one around it, so the innermost come first.
    const elements = [...this.#places.keys()].sort((left, right) => right.number - left.number);
    for (const element of elements) this.#addUp(element);
    this.#gather(this.#message);
    if (this.#optional === 0) this.#ambiguous = 0;
    for (const element of elements) this.#offer(element);
    for (const choice of this.#choicesOf(this.#message)) {
      const absent = this.#optional & ~(choice >> filterKeysCeiling);
      if (((choice | absent) & this.#wanted) === this.#wanted) return true;
    }
    return false;
  }

  /** The array of an element, and the element's own place. */
  #around(element: ArrayElement): { readonly array: ArrayNode; readonly place: PlaceNode } {
    const around = this.#placeOf(element.parent);
    const array = around.arrays.get(element.array) ?? newArray();
    around.arrays.set(element.array, array);
    return { array, place: this.#placeOf(element) };
  }

  /** Adds to an array what is inside one of its elements. */
  #addUp(element: ArrayElement): void {
    const { array, place } = this.#around(element);
    const { reachable, seen } = this.#gather(place);
    array.reachable |= reachable;
    array.seen |= seen;
  }

  /** What is inside a place, at any depth. */
  #gather({ fulfilled, seen, arrays }: PlaceNode): Pick<ArrayNode, "reachable" | "seen"> {
    const inside = { reachable: fulfilled, seen };
    for (const array of arrays.values()) {
      this.#ambiguous |= inside.reachable & array.reachable;
      inside.reachable |= array.reachable;
      inside.seen |= array.seen;
    }
    return inside;
  }

  /** Tells the array of an element what choosing it would do. */
  #offer(element: ArrayElement): void {
    const { array, place } = this.#around(element);
    for (const choice of this.#choicesOf(place)) {
      // An element is chosen by a value inside it that fulfils a key, not in order to hide the others.
      if ((choice & fulfilledBits) !== 0) array.choices.add(choice);
    }
  }

  #choicesOf({ fulfilled, seen, arrays }: PlaceNode): ReadonlySet<Choice> {
    let choices = new Set([choiceOf(fulfilled & ~this.#ambiguous, seen)]);
    for (let open = fulfilled & this.#ambiguous; open !== 0; open &= open - 1) {
      for (const choice of [...choices]) choices.add(choice | (open & -open));
    }
    for (const array of arrays.values()) choices = this.#combine(choices, array);
    return choices;
  }

  /** Choosing none of an array's elements, or one of them. A key is fulfilled by one value, where that makes a difference. */
  #combine(choices: ReadonlySet<Choice>, array: ArrayNode): Set<Choice> {
    const all = new Set<Choice>();
    for (const choice of choices) {
      all.add(choice | choiceOf(0, array.seen));
      for (const chosen of array.choices) {
        if ((choice & chosen & this.#ambiguous) === 0) all.add(choice | chosen);
      }
    }
    return all;
  }
}

const newPlace = (): PlaceNode => ({ fulfilled: 0, seen: 0, arrays: new Map() });

const newArray = (): ArrayNode => ({ reachable: 0, seen: 0, choices: new Set() });
