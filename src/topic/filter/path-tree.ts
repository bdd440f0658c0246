// The values of a message by the paths that filters name.
//
// A path is names joined by dots, and a name may hold dots itself, so the tree has one level for each piece between dots: what
// different spellings of a path lead to is one place. No path is ever put together, whose length times depth could be a
// thousand times the message. Nothing here recurses: a message may be nested as deep as it is long.

import { type ComparedValue, type Token, tokenOf } from "./policy.js";

/** A string, number, true, false or null in a message. */
export class Leaf implements ComparedValue {
  readonly token: Token;
  /** As it is written. */
  readonly value: Token;
  /** The innermost array element that is or holds its object; undefined when none does. */
  readonly element: ArrayElement | undefined;
  #lowerCase: string | undefined;

  constructor(value: Token, element: ArrayElement | undefined) {
    this.token = tokenOf(value);
    this.value = value;
    this.element = element;
  }

  /** Made once for all filters that ask. */
  get lowerCase(): string {
    this.#lowerCase ??= String(this.value).toLowerCase();
    return this.#lowerCase;
  }
}

/**
 * An object or array inside an array. Values of different elements of one array never count together; a plain value inside an
 * array belongs to what is around the array (event-ruler, `ArrayMembership`).
 */
export interface ArrayElement {
  /** Greater than that of the element around it. */
  readonly number: number;
  /** Which array of the message. */
  readonly array: number;
  readonly parent: ArrayElement | undefined;
}

const none: readonly Leaf[] = [];

export class PathTree {
  #leaves: Leaf[] | undefined;
  // Most places have one below them or none, so the first needs no map.
  #piece: string | undefined;
  #below: PathTree | undefined;
  #others: Map<string, PathTree> | undefined;

  /** The values at a path; none when it is absent or holds no value. */
  leavesAt(pieces: readonly string[]): readonly Leaf[] {
    let place: PathTree | undefined = this;
    for (const piece of pieces) {
      place = place.#find(piece);
      if (place === undefined) return none;
    }
    return place.#leaves ?? none;
  }

  add(leaf: Leaf): void {
    this.#leaves ??= [];
    this.#leaves.push(leaf);
  }

  /** The place below this one. */
  at(name: string): PathTree {
    let place: PathTree = this;
    for (const piece of piecesOf(name)) place = place.#find(piece) ?? place.#grow(piece);
    return place;
  }

  #find(piece: string): PathTree | undefined {
    return this.#piece === piece ? this.#below : this.#others?.get(piece);
  }

  #grow(piece: string): PathTree {
    const grown = new PathTree();
    if (this.#piece === undefined) {
      this.#piece = piece;
      this.#below = grown;
    } else {
      this.#others ??= new Map();
      this.#others.set(piece, grown);
    }
    return grown;
  }
}

export const piecesOf = (path: string): readonly string[] =>
  path.includes(".") ? path.split(".") : [path];

/** A value that JSON.parse made, still to be put into the tree. */
interface Pending {
  readonly value: unknown;
  readonly place: PathTree;
  readonly element: ArrayElement | undefined;
  /** Of a value inside an array: which array, for objects and arrays are elements of it. */
  readonly array: number | undefined;
}

/** The values of an object. Elements of arrays, at any depth, are at the path of their array. */
export function treeOf(object: object): PathTree {
  const root = new PathTree();
  const pending: Pending[] = [{ value: object, place: root, element: undefined, array: undefined }];
  let elements = 0;
  let arrays = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, place, array } = next;
    if (typeof value !== "object" || value === null) {
      place.add(new Leaf(value as Token, next.element));
      continue;
    }
    let { element } = next;
    if (array !== undefined) {
      element = { number: elements, array, parent: element };
      elements += 1;
    }
    // The last is taken first, so they are put in backwards to come out as they are written.
    if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index -= 1) {
        pending.push({ value: value[index] as unknown, place, element, array: arrays });
      }
      arrays += 1;
    } else {
      const members = Object.entries(value).reverse();
      for (const [name, member] of members) {
        pending.push({ value: member, place: place.at(name), element, array: undefined });
      }
    }
  }
  return root;
}
