// Numbers that calls count with: texts in values, so that everybody reads them as values too.

import type { CacheKey, Version } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Expiry } from "./expiry.js";
import {
  addWhole,
  type CountBounds,
  decimalText,
  type OverflowMode,
  parseDecimal,
  parseWhole,
} from "./number-text.js";
import type { OpenCache } from "./open-cache.js";
import { change } from "./parts.js";
import { type CacheDecided, refuse } from "./rejections.js";
import type { Value } from "./scalars.js";

interface Counted {
  readonly key: CacheKey;
  /** Of one that is not there yet. */
  readonly expiry: Expiry;
  readonly requiresExisting: boolean;
}

export interface Increment extends Counted {
  readonly delta: bigint;
  /** What one that is not there counts as. */
  readonly initial: bigint;
  readonly bounds: CountBounds;
  readonly onOverflow: OverflowMode;
}

export interface IncrementFloat extends Counted {
  readonly delta: number;
  readonly initial: number;
}

/** Undefined: there is none, and there has to be one. */
export type CountOutcome<Number> =
  | { readonly value: Number; readonly version: Version }
  | undefined;

export const increment = (open: OpenCache, order: Increment): CacheDecided<CountOutcome<bigint>> =>
  count(open, order, (before) => addToWhole(open, order, before?.bytes), String);

export const incrementFloat = (
  open: OpenCache,
  order: IncrementFloat,
): CacheDecided<CountOutcome<number>> =>
  count(open, order, (before) => addToDecimal(open, order, before?.bytes), decimalText);

/** What a text says, or what nothing counts as, and the delta. */
export function addToWhole(
  open: OpenCache,
  order: Pick<Increment, "initial" | "delta" | "bounds" | "onOverflow">,
  before: Buffer | undefined,
): CacheDecided<bigint> {
  const current = before === undefined ? order.initial : parseWhole(before);
  if (current === undefined) return refuse({ kind: "not_a_number", cache: open.address.given });
  const sum = addWhole(current, order.delta, order.bounds, order.onOverflow);
  return sum === undefined ? refuse({ kind: "overflow", cache: open.address.given }) : accept(sum);
}

export function addToDecimal(
  open: OpenCache,
  order: Pick<IncrementFloat, "initial" | "delta">,
  before: Buffer | undefined,
): CacheDecided<number> {
  const current = before === undefined ? order.initial : parseDecimal(before);
  if (current === undefined) return refuse({ kind: "not_a_number", cache: open.address.given });
  const sum = current + order.delta;
  return Number.isFinite(sum)
    ? accept(sum === 0 ? 0 : sum)
    : refuse({ kind: "nan_result", cache: open.address.given });
}

function count<Sum>(
  open: OpenCache,
  order: Counted,
  add: (before: Value | undefined) => CacheDecided<Sum>,
  textOf: (sum: Sum) => string,
): CacheDecided<CountOutcome<Sum>> {
  let value: Sum | undefined;
  const changed = change(open, order, (before) => {
    const sum = add(before);
    if (sum.kind === "rejected") return sum;
    value = sum.outcome;
    return accept({ isText: true, bytes: Buffer.from(textOf(sum.outcome), "latin1") });
  });
  if (changed.kind === "rejected") return changed;
  if (changed.outcome.kind === "absent" || value === undefined) return accept(undefined);
  open.tally("increments");
  return accept({ value, version: changed.outcome.version });
}
