// Numbers in filters: one by itself, or `{"numeric": […]}`, which is an operator and a number, or a range of two such pairs, its
// lower end first.

import type { JsonNode } from "../../policy/json-text.js";
import { shown } from "../../policy/problems.js";
import { filterNumberMax, scaled } from "./numbers.js";
import type { FilterCondition, NumberBound } from "./policy.js";
import type { FilterProblems, Place } from "./problems.js";

/** A value and where it is. */
export interface Written {
  readonly node: JsonNode;
  readonly path: string;
}

export const placeOf = ({ node, path }: Written): Place => ({ at: node.at, path });

/** The items of a list, each with its place. */
export const itemsOf = ({ node, path }: Written): readonly Written[] =>
  node.kind === "list"
    ? node.items.map((item, index) => ({ node: item, path: `${path}[${index}]` }))
    : [];

/** A number in hundred-thousandths, if filters may name it. */
export function parseNumber(problems: FilterProblems, written: Written): number | undefined {
  const { node } = written;
  if (node.kind !== "number") {
    problems.invalid(placeOf(written), "must be a number");
    return undefined;
  }
  if (Math.abs(node.value) <= filterNumberMax) return scaled(node.value);
  const description = `numbers in filters are from -${filterNumberMax} to ${filterNumberMax}`;
  problems.add("FILTER_NUMBER_RANGE", placeOf(written), description);
  return undefined;
}

type Side = "equal" | "lower" | "upper";

const comparisons: ReadonlyMap<string, { readonly side: Side; readonly isIncluded: boolean }> =
  new Map([
    ["=", { side: "equal", isIncluded: true }],
    [">", { side: "lower", isIncluded: false }],
    [">=", { side: "lower", isIncluded: true }],
    ["<", { side: "upper", isIncluded: false }],
    ["<=", { side: "upper", isIncluded: true }],
  ]);

interface Comparison extends NumberBound {
  readonly side: Side;
}

const numericRule =
  'write an operator and a number, like [">=", 0], or a range like [">", 0, "<", 9]';

export function parseNumeric(
  problems: FilterProblems,
  written: Written,
): FilterCondition | undefined {
  const items = itemsOf(written);
  if (items.length === 0 || items.length > 4) {
    const found = items.length > 4 ? `${items.length} elements` : "nothing to compare with";
    problems.invalid(placeOf(written), `${found}; ${numericRule}`);
    return undefined;
  }
  const first = parseComparison(problems, written, items.slice(0, 2));
  if (items.length <= 2) return first && conditionOf(first);
  const second = parseComparison(problems, written, items.slice(2));
  return first && second && parseRange(problems, written, [first, second]);
}

function parseComparison(
  problems: FilterProblems,
  whole: Written,
  [operator, operand]: readonly Written[],
): Comparison | undefined {
  const comparison = operator && parseOperator(problems, operator);
  if (operand === undefined) {
    const description = `a number is missing after the last operator; ${numericRule}`;
    problems.invalid(placeOf(whole), description);
    return undefined;
  }
  const value = parseNumber(problems, operand);
  return comparison === undefined || value === undefined ? undefined : { ...comparison, value };
}

function parseOperator(problems: FilterProblems, operator: Written) {
  const { node } = operator;
  if (node.kind !== "text") {
    problems.invalid(placeOf(operator), "an operator must be a string: =, <, <=, > or >=");
    return undefined;
  }
  const comparison = comparisons.get(node.value);
  if (comparison === undefined) {
    const description = `unrecognized operator "${shown(node.value)}"; write =, <, <=, > or >=`;
    problems.invalid(placeOf(operator), description);
  }
  return comparison;
}

function parseRange(
  problems: FilterProblems,
  written: Written,
  [lower, upper]: readonly [Comparison, Comparison],
): FilterCondition | undefined {
  const refusal = rangeRefusal(lower, upper);
  if (refusal === undefined) return { kind: "between", lower, upper };
  problems.invalid(placeOf(written), refusal);
  return undefined;
}

function rangeRefusal(lower: Comparison, upper: Comparison): string | undefined {
  if (lower.side === "equal" || upper.side === "equal") return '"=" stands alone, not in a range';
  if (lower.side === "upper" && upper.side === "lower") {
    return "the lower end, > or >=, comes first in a range";
  }
  if (lower.side === upper.side) {
    return `two ${lower.side} ends; a range has one lower, > or >=, and one upper, < or <=`;
  }
  return lower.value < upper.value
    ? undefined
    : "the lower end must be less than the upper one, compared at five decimals";
}

function conditionOf({ side, ...bound }: Comparison): FilterCondition {
  switch (side) {
    case "equal":
      return { kind: "equals", token: bound.value };
    case "lower":
      return { kind: "between", lower: bound, upper: undefined };
    case "upper":
      return { kind: "between", lower: undefined, upper: bound };
  }
}
