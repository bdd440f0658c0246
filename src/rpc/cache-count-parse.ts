// What calls that count, and those that change lives, say beside the key.

import type { Increment } from "../cache/counting.js";
import type { TtlMode } from "../cache/expiry.js";
import { int64, type OverflowMode } from "../cache/number-text.js";
import {
  OverflowMode as WireOverflowMode,
  TtlMode as WireTtlMode,
} from "../gen/forebay/cache/v1/cache_service.js";
import { parseEnum, type Violations } from "./violations.js";

const overflowModes = {
  ERROR: "error",
  SATURATE: "saturate",
  WRAP: "wrap",
} as const satisfies Readonly<Record<string, OverflowMode>>;

const ttlModes = {
  OVERWRITE: "overwrite",
  INCREASE_ONLY: "increase_only",
  DECREASE_ONLY: "decrease_only",
  IF_VOLATILE: "if_volatile",
  IF_PERSISTENT: "if_persistent",
} as const satisfies Readonly<Record<string, TtlMode>>;

export function parseTtlMode(violations: Violations, field: string, mode: WireTtlMode): TtlMode {
  return ttlModes[parseEnum(violations, field, mode, WireTtlMode) ?? "OVERWRITE"];
}

interface WireWholeCount {
  readonly delta?: bigint | undefined;
  readonly initial: bigint;
  readonly onOverflow: WireOverflowMode;
  readonly min?: bigint | undefined;
  readonly max?: bigint | undefined;
}

/** `at` stands in front of the names of fields. */
export function parseWholeCount(
  violations: Violations,
  request: WireWholeCount,
  at: string,
): Pick<Increment, "delta" | "initial" | "bounds" | "onOverflow"> {
  const mode = parseEnum(violations, `${at}on_overflow`, request.onOverflow, WireOverflowMode);
  const bounds = { min: request.min ?? int64.min, max: request.max ?? int64.max };
  if (bounds.min > bounds.max) {
    violations.add("BAD_RANGE", `${at}min`, `must not be above max, which is ${bounds.max}`);
  }
  const { delta = 1n, initial } = request;
  return { delta, initial, bounds, onOverflow: overflowModes[mode ?? "ERROR"] };
}

export const parseFloatCount = (
  violations: Violations,
  { delta, initial }: { readonly delta: number; readonly initial: number },
  at: string,
) => ({
  delta: parseFinite(violations, `${at}delta`, delta),
  initial: parseFinite(violations, `${at}initial`, initial),
});

function parseFinite(violations: Violations, field: string, value: number): number {
  if (!Number.isFinite(value)) violations.add("NAN_INPUT", field, "must be a finite number");
  return value;
}
