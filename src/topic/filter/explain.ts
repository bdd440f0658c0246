// Why a filter takes a message or not, key by key, for who tries one out.

import { conditionText } from "./canonical.js";
import {
  type CompiledFilter,
  type CompiledKey,
  type FilterRule,
  holdsAlone,
  ruleHolds,
} from "./compiled-filter.js";
import type { MessageFacts, ScopeFacts } from "./message-facts.js";
import type { Leaf, PathTree } from "./path-tree.js";
import { type FilterCondition, type FilterGroup, type FilterKey, fulfils } from "./policy.js";

export interface FilterExplanation {
  readonly isMatched: boolean;
  /** In the order of the filter, with alternatives after what they stand beside. */
  readonly keys: readonly KeyExplanation[];
}

export interface KeyExplanation {
  readonly path: string;
  readonly isMatched: boolean;
  /** What the message has there, as JSON; the first ones of many. */
  readonly values: readonly string[];
  /** In words. */
  readonly explanation: string;
}

export function explainFilter(filter: CompiledFilter, facts: MessageFacts): FilterExplanation {
  const scopeFacts = facts.of(filter.scope);
  const { tree } = scopeFacts;
  const isMatched = filter.matches(facts);
  const rules = tree === undefined ? [] : filter.rules;
  const holding = rules.find((rule) => tree && isMatched && ruleHolds(rule, tree));
  const scattered = rules.filter((rule) => tree && !isMatched && eachHolds(rule, tree));
  const standing: RuleStanding = {
    holding: new Set(holding?.map(({ source }) => source)),
    scattered: new Set(scattered.flatMap((rule) => rule.map(({ source }) => source))),
  };
  const compiled = new Map(filter.rules.flat().map((key) => [key.source, key]));
  const keys = keysOf(filter.policy.group).flatMap((source) => {
    const key = compiled.get(source);
    return key === undefined ? [] : [explainKey(key, scopeFacts, standing)];
  });
  return { isMatched, keys };
}

const keysOf = ({ keys, alternatives }: FilterGroup): readonly FilterKey[] => [
  ...keys,
  ...alternatives.flat().flatMap(keysOf),
];

const eachHolds = (rule: FilterRule, tree: PathTree): boolean =>
  rule.every((key) => holdsAlone(key, tree.leavesAt(key.pieces)));

/** What becomes of a key by those that must hold with it. */
interface RuleStanding {
  /** Keys of the rule that takes the message. */
  readonly holding: ReadonlySet<FilterKey>;
  /** Keys of rules whose keys hold each by itself, but not together. */
  readonly scattered: ReadonlySet<FilterKey>;
}

function explainKey(
  key: CompiledKey,
  { tree, unreadable }: ScopeFacts,
  { holding, scattered }: RuleStanding,
): KeyExplanation {
  const { path, source } = key;
  const refused = (explanation: string) => ({ path, isMatched: false, values: [], explanation });
  if (tree === undefined) return refused("the message is not a JSON object, so it has no keys");
  if (unreadable.has(path)) return refused("the attribute is not what its type says");
  const leaves = tree.leavesAt(key.pieces);
  const told = { path, values: leaves.slice(0, valuesMax).map(shownValue) };
  if (!holdsAlone(key, leaves)) {
    return holding.has(source)
      ? { ...told, isMatched: true, explanation: outOfSight }
      : { ...told, isMatched: false, explanation: failure(key, leaves) };
  }
  const success = successOf(source, leaves);
  const explanation = scattered.has(source) ? `${success}, ${elsewhere}` : success;
  return { ...told, isMatched: true, explanation };
}

const outOfSight = `absent from the array elements that the other keys choose, as {"exists":false} wants`;
const elsewhere = "but not in the same array element as what the other keys need";

function successOf({ conditions }: FilterKey, leaves: readonly Leaf[]): string {
  for (const condition of conditions) {
    const leaf = leaves.find((value) => fulfils(condition, value));
    if (leaf !== undefined) return `${shownValue(leaf)} fulfils ${shownCondition(condition)}`;
  }
  return `absent, as {"exists":false} wants`;
}

function failure({ source, mayBeAbsent }: CompiledKey, leaves: readonly Leaf[]): string {
  if (leaves.length === 0) return `absent, and only {"exists":false} takes that`;
  const wanted = source.conditions.slice(0, conditionsMax).map(shownCondition).join(" or ");
  const more = source.conditions.length > conditionsMax ? " or others" : "";
  return mayBeAbsent && source.conditions.length === 1
    ? `present, and {"exists":false} wants it absent`
    : `no value fulfils ${wanted}${more}`;
}

/** How much of a large message or filter is repeated. */
const valuesMax = 100;
const conditionsMax = 10;
const charactersMax = 256;

const shownCondition = (condition: FilterCondition): string => clipped(conditionText(condition));

const clipped = (text: string): string =>
  text.length > charactersMax ? `${text.slice(0, charactersMax - 1)}…` : text;

/** Still JSON when it is cut. */
const shownValue = ({ value }: Leaf): string =>
  JSON.stringify(typeof value === "string" ? clipped(value) : value);
