// Conditions as text, and one text for all filters that are written differently and mean the same: paths joined by dots and sorted,
// conditions sorted and each once, numbers, networks and texts as they are compared. A subscription that is made again with such
// a filter is the same subscription.

import { networkText } from "./networks.js";
import type { FilterCondition, FilterGroup, FilterPolicy, NumberBound } from "./policy.js";

export const isSameFilter = (left: FilterPolicy, right: FilterPolicy): boolean =>
  left.scope === right.scope && canonicalFilter(left) === canonicalFilter(right);

/** To be compared with that of another filter of the same scope; not a filter itself. */
const canonicalFilter = ({ group }: FilterPolicy): string => groupText(group);

function groupText({ keys, alternatives }: FilterGroup): string {
  const texts = keys.map(({ path, conditions }) => {
    const values = distinct(conditions.map(conditionText));
    return `${JSON.stringify(path)}:[${values.join()}]`;
  });
  const choices = alternatives.map((branches) => `[${distinct(branches.map(groupText)).join()}]`);
  return `{${[...distinct(texts), ...distinct(choices)].join()}}`;
}

const distinct = (texts: readonly string[]): readonly string[] => [...new Set(texts)].sort();

/** A condition as it is written in filters. */
export const conditionText = (condition: FilterCondition): string =>
  JSON.stringify(conditionValue(condition));

function conditionValue(condition: FilterCondition): unknown {
  switch (condition.kind) {
    case "equals":
      return plainValue(condition.token);
    case "prefix":
    case "suffix": {
      const { text, ignoresCase } = condition;
      return { [condition.kind]: ignoresCase ? { "equals-ignore-case": text } : text };
    }
    case "equals_ignoring_case":
      return { "equals-ignore-case": condition.text };
    case "wildcard":
      return { wildcard: condition.pattern.written };
    case "in_network":
      return { cidr: networkText(condition.network) };
    case "between":
      return {
        numeric: [
          ...boundValues(condition.lower, { included: ">=", excluded: ">" }),
          ...boundValues(condition.upper, { included: "<=", excluded: "<" }),
        ],
      };
    case "present":
      return { exists: true };
    case "absent":
      return { exists: false };
    case "none_of":
      return { "anything-but": sorted([...condition.tokens].map(plainValue)) };
    case "no_text_of":
      return { "anything-but": textsOf(condition.tests.map(conditionValue)) };
  }
}

/** Numbers are compared in hundred-thousandths. */
const plainValue = (token: string | number | boolean | null): unknown =>
  typeof token === "number" ? token / 1e5 : token;

const boundValues = (
  bound: NumberBound | undefined,
  names: { readonly included: string; readonly excluded: string },
): readonly unknown[] =>
  bound === undefined
    ? []
    : [bound.isIncluded ? names.included : names.excluded, plainValue(bound.value)];

function sorted(values: readonly unknown[]): readonly unknown[] {
  const texts = distinct(values.map((value) => JSON.stringify(value)));
  return texts.map((text) => JSON.parse(text) as unknown);
}

/** Of conditions of one operator: the operator with all their texts. */
function textsOf(conditions: readonly unknown[]): Readonly<Record<string, unknown>> {
  const named = conditions.flatMap((condition) => Object.entries(condition as object));
  const [first] = named;
  return first === undefined ? {} : { [first[0]]: sorted(named.map(([, text]) => text)) };
}
