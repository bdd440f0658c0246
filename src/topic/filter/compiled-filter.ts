// A filter ready to judge messages. `$or` is unfolded into rules, of which one must hold (the bound on combinations bounds their
// number); of a rule all keys must hold together.

import type { FilterScope } from "../limits.js";
import { holdTogether, type KeyLeaves } from "./array-consistency.js";
import type { MessageFacts } from "./message-facts.js";
import { type Leaf, type PathTree, piecesOf } from "./path-tree.js";
import {
  type FilterCondition,
  type FilterGroup,
  type FilterKey,
  type FilterPolicy,
  fulfils,
  type Token,
} from "./policy.js";

export interface CompiledKey {
  readonly source: FilterKey;
  readonly path: string;
  readonly pieces: readonly string[];
  /** Values that fulfil it. */
  readonly tokens: ReadonlySet<Token>;
  /** Whether no other values do, and absence does not either. */
  readonly isExact: boolean;
  /** Conditions that are more than one value. */
  readonly others: readonly FilterCondition[];
  readonly mayBeAbsent: boolean;
}

/** Keys that must all hold. */
export type FilterRule = readonly CompiledKey[];

export interface CompiledFilter {
  readonly scope: FilterScope;
  readonly policy: FilterPolicy;
  /** One must hold. */
  readonly rules: readonly FilterRule[];
  /** Of all rules. */
  readonly paths: readonly string[];
  matches(facts: MessageFacts): boolean;
}

export function compileFilter(policy: FilterPolicy): CompiledFilter {
  const rules = rulesOf(policy.group);
  const paths = [...new Set(rules.flatMap((rule) => rule.map(({ path }) => path)))];
  const { scope } = policy;
  const isEmpty = paths.length === 0;
  return {
    scope,
    policy,
    rules,
    paths,
    matches: (facts) => {
      if (isEmpty) return true;
      const { tree, unreadable } = facts.of(scope);
      if (tree === undefined || namesAny(paths, unreadable)) return false;
      return rules.some((rule) => ruleHolds(rule, tree));
    },
  };
}

export const namesAny = (paths: readonly string[], unreadable: ReadonlySet<string>): boolean =>
  unreadable.size > 0 && paths.some((path) => unreadable.has(path));

function rulesOf(group: FilterGroup): readonly FilterRule[] {
  const own: FilterRule = group.keys.map(compileKey);
  return group.alternatives.reduce<readonly FilterRule[]>(
    (rules, branches) => {
      const added = branches.flatMap(rulesOf);
      return rules.flatMap((rule) => added.map((branch) => [...rule, ...branch]));
    },
    [own],
  );
}

function compileKey(source: FilterKey): CompiledKey {
  const { path, conditions } = source;
  const tokens = new Set<Token>();
  const others: FilterCondition[] = [];
  for (const condition of conditions) {
    if (condition.kind === "equals") tokens.add(condition.token);
    else if (condition.kind !== "absent") others.push(condition);
  }
  const mayBeAbsent = conditions.some(({ kind }) => kind === "absent");
  const isExact = others.length === 0 && !mayBeAbsent;
  return { source, path, pieces: piecesOf(path), tokens, isExact, others, mayBeAbsent };
}

function keyTakes({ tokens, others }: CompiledKey, leaf: Leaf): boolean {
  return tokens.has(leaf.token) || others.some((condition) => fulfils(condition, leaf));
}

/** Whether all keys hold, and hold together. */
export function ruleHolds(rule: FilterRule, tree: PathTree): boolean {
  let keysInArrays = 0;
  let isEachAlone = true;
  for (const key of rule) {
    const leaves = tree.leavesAt(key.pieces);
    const isInArrays = leaves.some(({ element }) => element !== undefined);
    if (isInArrays) keysInArrays += 1;
    if (holdsAlone(key, leaves)) continue;
    // A value that is there may be out of sight beside the elements that other keys choose; else all is said.
    if (!isInArrays || !key.mayBeAbsent) return false;
    isEachAlone = false;
  }
  return keysInArrays < 2 ? isEachAlone : holdTogether(rule.map((key) => withLeaves(key, tree)));
}

const withLeaves = (key: CompiledKey, tree: PathTree): KeyLeaves => ({
  leaves: tree.leavesAt(key.pieces),
  fulfils: (leaf) => keyTakes(key, leaf),
  mayBeAbsent: key.mayBeAbsent,
});

/** Whether a key holds as if it were the only one. */
export function holdsAlone(key: CompiledKey, leaves: readonly Leaf[]): boolean {
  return leaves.length === 0 ? key.mayBeAbsent : leaves.some((leaf) => keyTakes(key, leaf));
}
