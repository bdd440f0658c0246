// Filters and messages as tests write them: policies as plain objects or text, attributes as plain values.

import type { MessageAttribute } from "../../src/queue/model.js";
import { type CompiledFilter, compileFilter } from "../../src/topic/filter/compiled-filter.js";
import { type FilterLimits, filterLimits } from "../../src/topic/filter/filter-limits.js";
import { MessageFacts } from "../../src/topic/filter/message-facts.js";
import { parseFilterPolicy } from "../../src/topic/filter/parse-policy.js";
import type { FilterPolicy } from "../../src/topic/filter/policy.js";
import type { FilterProblem } from "../../src/topic/filter/problems.js";
import type { FilterScope } from "../../src/topic/limits.js";

/** An attribute: a String, a Number, a String.Array of these elements, or a type and a value. */
export type GivenAttribute =
  | string
  | number
  | readonly unknown[]
  | { readonly type: string; readonly value: string };

export type GivenAttributes = Readonly<Record<string, GivenAttribute>>;

function typed(given: GivenAttribute): { readonly type: string; readonly value: string } {
  if (typeof given === "string") return { type: "String", value: given };
  if (typeof given === "number") return { type: "Number", value: String(given) };
  if (!("type" in given)) return { type: "String.Array", value: JSON.stringify(given) };
  return given;
}

export const attributesOf = (given: GivenAttributes): readonly MessageAttribute[] =>
  Object.entries(given).map(([name, each]) => {
    const { type, value } = typed(each);
    const isText = !type.startsWith("Binary");
    return { name, dataType: type, isText, value: Buffer.from(value, "utf8") };
  });

export const withAttributes = (given: GivenAttributes): MessageFacts =>
  new MessageFacts({ attributes: attributesOf(given), body: Buffer.from("text", "utf8") });

/** A body as it is, when it is a text; otherwise as JSON. */
export const withBody = (body: unknown): MessageFacts =>
  new MessageFacts({ attributes: [], body: Buffer.from(textOf(body), "utf8") });

export const textOf = (given: unknown): string =>
  typeof given === "string" ? given : JSON.stringify(given);

/** Bounds that nothing in a test meets by accident. */
export const wideLimits: FilterLimits = {
  bytesMax: 1_048_576,
  keysMax: 15,
  combinationsMax: 1_000_000,
  patternStarsMax: 1_000,
  wildcardPointsMax: 1_000_000,
};

export function policyOf(
  given: unknown,
  scope: FilterScope,
  limits: FilterLimits = filterLimits,
): FilterPolicy {
  const parsed = parseFilterPolicy(textOf(given), scope, limits);
  if (parsed.kind === "policy") return parsed.policy;
  throw new Error(`${textOf(given)} is no filter: ${JSON.stringify(parsed.problems)}`);
}

export const filterOf = (
  given: unknown,
  scope: FilterScope,
  limits: FilterLimits = filterLimits,
): CompiledFilter => compileFilter(policyOf(given, scope, limits));

export function problemsOf(
  given: unknown,
  scope: FilterScope,
  limits: FilterLimits = filterLimits,
): readonly FilterProblem[] {
  const parsed = parseFilterPolicy(textOf(given), scope, limits);
  if (parsed.kind === "invalid") return parsed.problems;
  throw new Error(`${textOf(given)} is taken.`);
}
