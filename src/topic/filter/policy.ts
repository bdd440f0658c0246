// A filter as it was understood: conditions on paths, all of which must hold, with alternatives in between. Its text has been
// checked (`parse-policy.ts`); what decides about messages is made of it (`compiled-filter.ts`).
//
// A path is the names from the root, joined by dots, so that `{"a.b": …}` and `{"a": {"b": …}}` are one (seen in SNS).

import type { FilterScope } from "../limits.js";
import { type FilterNetwork, isInNetwork } from "./networks.js";
import { scaled } from "./numbers.js";
import { fitsWildcard, type WildcardPattern } from "./wildcard.js";

export interface FilterPolicy {
  readonly scope: FilterScope;
  readonly group: FilterGroup;
}

/** All keys must hold, and of each list of alternatives at least one. */
export interface FilterGroup {
  readonly keys: readonly FilterKey[];
  readonly alternatives: readonly (readonly FilterGroup[])[];
}

export interface FilterKey {
  readonly path: string;
  /** One of them must hold. */
  readonly conditions: readonly FilterCondition[];
}

/** A value as it is compared: numbers in hundred-thousandths. */
export type Token = string | number | boolean | null;

/** A value of a message. */
export interface ComparedValue {
  readonly token: Token;
  /** Of a text. */
  readonly lowerCase: string;
}

/** Conditions on texts alone. */
export type TextCondition =
  | { readonly kind: "prefix" | "suffix"; readonly text: string; readonly ignoresCase: boolean }
  /** The text in lower case. */
  | { readonly kind: "equals_ignoring_case"; readonly text: string }
  | { readonly kind: "wildcard"; readonly pattern: WildcardPattern };

export interface NumberBound {
  /** In hundred-thousandths. */
  readonly value: number;
  readonly isIncluded: boolean;
}

export type FilterCondition =
  | TextCondition
  | { readonly kind: "equals"; readonly token: Token }
  | { readonly kind: "in_network"; readonly network: FilterNetwork }
  | {
      readonly kind: "between";
      readonly lower: NumberBound | undefined;
      readonly upper: NumberBound | undefined;
    }
  | { readonly kind: "present" }
  /** The one that no value fulfils. */
  | { readonly kind: "absent" }
  | { readonly kind: "none_of"; readonly tokens: ReadonlySet<Token> }
  /** What is no text fulfils it. */
  | { readonly kind: "no_text_of"; readonly tests: readonly TextCondition[] };

export const tokenOf = (value: Token): Token => (typeof value === "number" ? scaled(value) : value);

/** Whether a value fulfils a condition. */
export function fulfils(condition: FilterCondition, value: ComparedValue): boolean {
  const { token } = value;
  switch (condition.kind) {
    case "equals":
      return token === condition.token;
    case "present":
      return true;
    case "absent":
      return false;
    case "between":
      return typeof token === "number" && isBetween(condition, token);
    case "in_network":
      return typeof token === "string" && isInNetwork(condition.network, token);
    case "none_of":
      return !condition.tokens.has(token);
    case "no_text_of":
      return typeof token !== "string" || !condition.tests.some((test) => fits(test, token, value));
    default:
      return typeof token === "string" && fits(condition, token, value);
  }
}

type Between = Extract<FilterCondition, { kind: "between" }>;

function isBetween({ lower, upper }: Between, token: number): boolean {
  if (lower !== undefined && !(lower.isIncluded ? token >= lower.value : token > lower.value)) {
    return false;
  }
  return upper === undefined || (upper.isIncluded ? token <= upper.value : token < upper.value);
}

/** The lower case is asked for only where it is needed: it is made then. */
function fits(condition: TextCondition, text: string, value: ComparedValue): boolean {
  switch (condition.kind) {
    case "prefix":
      return (condition.ignoresCase ? value.lowerCase : text).startsWith(condition.text);
    case "suffix":
      return (condition.ignoresCase ? value.lowerCase : text).endsWith(condition.text);
    case "equals_ignoring_case":
      return value.lowerCase === condition.text;
    case "wildcard":
      return fitsWildcard(condition.pattern, text);
  }
}
