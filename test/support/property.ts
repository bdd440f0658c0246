// How properties are run: enough for every `npm test`, more when asked for, and always told how to repeat what failed.
//
//   PROPERTY_RUNS_FACTOR=50 npx vitest run test/property     fifty times as many runs
//   PROPERTY_SEED=-123 npx vitest run test/property          the same runs again; a failure prints its seed

import type { Parameters } from "fast-check";

const factor = Number(process.env["PROPERTY_RUNS_FACTOR"] ?? 1);
const seed = process.env["PROPERTY_SEED"];

/** Milliseconds a test may take that makes this many runs when it is asked for no more than usual. */
export const propertyTimeoutMs = 60_000 * Math.max(1, factor);

/** Options of one property with this many runs. fast-check prints seed, path and the smallest example it finds. */
export function runs<Example>(count: number, examples: Example[] = []): Parameters<Example> {
  return {
    numRuns: Math.ceil(count * factor),
    examples,
    endOnFailure: false,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
}
