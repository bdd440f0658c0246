// A choice among things of unequal weight.

import type { Prng } from "./prng.js";

/** Undefined when nothing has any weight. */
export function pickWeighted<Name extends string>(
  prng: Prng,
  weights: Readonly<Record<Name, number>>,
): Name | undefined {
  const entries = Object.entries(weights) as [Name, number][];
  let left = prng.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  return undefined;
}
