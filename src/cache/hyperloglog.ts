// Counting different elements without keeping them. A key has a sketch (`sketch.ts`) as its value; what changes no register writes
// nothing, which for elements that come again and again is nearly always.

import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Expiry } from "./expiry.js";
import type { Item } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import {
  addElement,
  decodeSketch,
  encodeSketch,
  estimate,
  mergeInto,
  noRegisters,
  type Registers,
} from "./sketch.js";
import { readWhole, replaceBytes } from "./whole-values.js";

/** Sketches that one call counts or merges. */
export const sketchesMax = 100;

interface Sketch {
  readonly registers: Registers;
  /** Undefined: there is none, and the registers are those of the empty set. */
  readonly item: Item | undefined;
}

function readSketch(open: OpenCache, key: CacheKey): CacheDecided<Sketch> {
  const found = readWhole(open, key);
  if (found.kind === "rejected") return found;
  if (found.outcome === undefined) return accept({ registers: noRegisters(), item: undefined });
  const { bytes, item } = found.outcome;
  const registers = decodeSketch(bytes);
  if (registers === undefined) return refuse({ kind: "wrong_type", cache: open.address.given });
  return accept({ registers, item });
}

export interface SketchChange {
  readonly key: CacheKey;
  /** Of a sketch that is made. */
  readonly expiry: Expiry;
}

export interface SketchChanged {
  readonly isChanged: boolean;
  readonly version: Version;
}

/** `alter` says whether it changed a register. A sketch that is made is a change in itself. */
function changeSketch(
  open: OpenCache,
  order: SketchChange,
  alter: (registers: Registers) => CacheDecided<boolean>,
): CacheDecided<SketchChanged> {
  const sketch = readSketch(open, order.key);
  if (sketch.kind === "rejected") return sketch;
  const { registers, item } = sketch.outcome;
  const altered = alter(registers);
  if (altered.kind === "rejected") return altered;
  if (item !== undefined && !altered.outcome) {
    return accept({ isChanged: false, version: item.version });
  }
  const version = replaceBytes(open, order, encodeSketch(registers));
  if (version.kind === "rejected") return version;
  return accept({ isChanged: true, version: version.outcome });
}

export interface AddElements extends SketchChange {
  readonly elements: readonly Buffer[];
}

export const addElements = (open: OpenCache, order: AddElements): CacheDecided<SketchChanged> =>
  changeSketch(open, order, (registers) => {
    let isChanged = false;
    for (const element of order.elements) {
      if (addElement(registers, element)) isChanged = true;
    }
    return accept(isChanged);
  });

export interface MergeSketches extends SketchChange {
  readonly sources: readonly CacheKey[];
}

export const mergeSketches = (open: OpenCache, order: MergeSketches): CacheDecided<SketchChanged> =>
  changeSketch(open, order, (registers) => {
    const united = uniteInto(open, registers, order.sources);
    return united.kind === "rejected" ? united : accept(united.outcome.isChanged);
  });

interface United {
  readonly isChanged: boolean;
  /** Of each key, in their order; undefined: there is none. */
  readonly items: readonly (Item | undefined)[];
}

function uniteInto(
  open: OpenCache,
  registers: Registers,
  keys: readonly CacheKey[],
): CacheDecided<United> {
  const items: (Item | undefined)[] = [];
  let isChanged = false;
  for (const key of keys) {
    const sketch = readSketch(open, key);
    if (sketch.kind === "rejected") return sketch;
    if (mergeInto(registers, sketch.outcome.registers)) isChanged = true;
    items.push(sketch.outcome.item);
  }
  return accept({ isChanged, items });
}

export interface CountElements {
  readonly keys: readonly CacheKey[];
}

export interface ElementsCounted {
  readonly count: number;
  /** Of each key, in their order; undefined: there is none. */
  readonly items: readonly (Item | undefined)[];
}

/** Of all sketches together: an element of several counts once. */
export function countElements(
  open: OpenCache,
  { keys }: CountElements,
): CacheDecided<ElementsCounted> {
  const registers = noRegisters();
  const united = uniteInto(open, registers, keys);
  if (united.kind === "rejected") return united;
  return accept({ count: estimate(registers), items: united.outcome.items });
}
