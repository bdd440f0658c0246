// Which of a topic's many filters take a message, without asking each of them.
//
// Most filters name a value that a message must have: `{"customer": ["c123"]}`. Each rule of each filter is therefore kept under
// one of its keys, so that no message can fulfil it which does not have what is looked up: a value, or else any value at the
// path. A message is judged by the rules that its own values lead to, and those that ask for nothing but absence. The key is
// the one whose values fewest rules are kept under so far: a thousand filters that share `{"type": ["order"]}` spread over
// what they do not share.

import type { FilterScope } from "../limits.js";
import {
  type CompiledFilter,
  type CompiledKey,
  type FilterRule,
  namesAny,
  ruleHolds,
} from "./compiled-filter.js";
import type { MessageFacts, ScopeFacts } from "./message-facts.js";
import type { PathTree } from "./path-tree.js";
import type { Token } from "./policy.js";

/** A rule of a filter. */
interface Candidate<Id> {
  readonly id: Id;
  readonly filter: CompiledFilter;
  readonly rule: FilterRule;
  /** The key it is kept under. */
  readonly leading: CompiledKey | undefined;
  /** The last message it was judged for: several values may lead to it. */
  judgedAt: number;
}

type Candidates<Id> = Set<Candidate<Id>>;

/** Rules kept under a path. */
interface PathEntries<Id> {
  readonly pieces: readonly string[];
  readonly byToken: Map<Token, Candidates<Id>>;
  /** Those that any value may fulfil. */
  readonly byPresence: Candidates<Id>;
}

class ScopeIndex<Id> {
  readonly paths = new Map<string, PathEntries<Id>>();
  /** Rules that a message may fulfil by what it lacks. */
  readonly always: Candidates<Id> = new Set();
}

export class FilterIndex<Id> {
  readonly #scopes: Readonly<Record<FilterScope, ScopeIndex<Id>>> = {
    attributes: new ScopeIndex(),
    body: new ScopeIndex(),
  };
  readonly #candidates = new Map<Id, readonly Candidate<Id>[]>();
  /** Subscriptions that every message is for, also one whose body cannot be read. */
  readonly #unfiltered = new Set<Id>();
  #messages = 0;

  get size(): number {
    return this.#candidates.size;
  }

  /** Keeps a filter, in place of the one that this id had. */
  add(id: Id, filter: CompiledFilter): void {
    this.remove(id);
    if (filter.paths.length === 0) this.#unfiltered.add(id);
    const rules = filter.paths.length === 0 ? [] : filter.rules;
    const index = this.#scopes[filter.scope];
    const candidates = rules.map((rule) => {
      const candidate = { id, filter, rule, leading: leadingKey(index, rule), judgedAt: 0 };
      keep(index, candidate);
      return candidate;
    });
    this.#candidates.set(id, candidates);
  }

  remove(id: Id): void {
    for (const candidate of this.#candidates.get(id) ?? []) {
      drop(this.#scopes[candidate.filter.scope], candidate);
    }
    this.#candidates.delete(id);
    this.#unfiltered.delete(id);
  }

  /** Exactly the ids whose filter takes the message, in no order. */
  match(facts: MessageFacts): Set<Id> {
    this.#messages += 1;
    const matched = new Set(this.#unfiltered);
    for (const scope of ["attributes", "body"] as const) {
      const index = this.#scopes[scope];
      // A body is only parsed when a filter asks for it.
      if (index.paths.size === 0 && index.always.size === 0) continue;
      this.#matchScope(index, facts.of(scope), matched);
    }
    return matched;
  }

  #matchScope(index: ScopeIndex<Id>, { tree, unreadable }: ScopeFacts, matched: Set<Id>): void {
    if (tree === undefined) return;
    for (const candidates of reachedBy(index, tree)) {
      for (const candidate of candidates) {
        if (candidate.judgedAt === this.#messages) continue;
        candidate.judgedAt = this.#messages;
        const { id, filter, rule } = candidate;
        if (matched.has(id) || namesAny(filter.paths, unreadable)) continue;
        if (ruleHolds(rule, tree)) matched.add(id);
      }
    }
  }
}

/** All candidates that a message can fulfil, and others. */
function* reachedBy<Id>(index: ScopeIndex<Id>, tree: PathTree): Generator<Candidates<Id>> {
  yield index.always;
  for (const { pieces, byToken, byPresence } of index.paths.values()) {
    const leaves = tree.leavesAt(pieces);
    if (leaves.length > 0) yield byPresence;
    const tokens = byToken.size === 0 ? [] : new Set(leaves.map(({ token }) => token));
    for (const token of tokens) {
      const candidates = byToken.get(token);
      if (candidates !== undefined) yield candidates;
    }
  }
}

/** The key that a rule is kept under: one that a value must fulfil, better if known ones. Undefined: absence may fulfil all. */
function leadingKey<Id>(index: ScopeIndex<Id>, rule: FilterRule): CompiledKey | undefined {
  const needed = rule.filter(({ mayBeAbsent }) => !mayBeAbsent);
  const exact = needed.filter(({ isExact }) => isExact);
  let best: CompiledKey | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const key of exact.length > 0 ? exact : needed) {
    const entries = index.paths.get(key.path);
    const count = entries === undefined ? 0 : countUnder(entries, key);
    // Of two that lead to as few, the one with fewer values.
    if (count > fewest || (count === fewest && best && best.tokens.size <= key.tokens.size)) {
      continue;
    }
    best = key;
    fewest = count;
  }
  return best;
}

function countUnder<Id>({ byToken, byPresence }: PathEntries<Id>, key: CompiledKey): number {
  if (!key.isExact) return byPresence.size;
  return [...key.tokens].reduce<number>((sum, token) => sum + (byToken.get(token)?.size ?? 0), 0);
}

function keep<Id>(index: ScopeIndex<Id>, candidate: Candidate<Id>): void {
  const { leading } = candidate;
  if (leading === undefined) {
    index.always.add(candidate);
    return;
  }
  const { path, pieces } = leading;
  const entries = index.paths.get(path) ?? { pieces, byToken: new Map(), byPresence: new Set() };
  index.paths.set(path, entries);
  if (!leading.isExact) entries.byPresence.add(candidate);
  for (const token of leading.isExact ? leading.tokens : []) {
    const candidates = entries.byToken.get(token) ?? new Set();
    entries.byToken.set(token, candidates.add(candidate));
  }
}

function drop<Id>(index: ScopeIndex<Id>, candidate: Candidate<Id>): void {
  index.always.delete(candidate);
  const { leading } = candidate;
  const entries = leading && index.paths.get(leading.path);
  if (leading === undefined || entries === undefined) return;
  entries.byPresence.delete(candidate);
  for (const token of leading.tokens) {
    const candidates = entries.byToken.get(token);
    candidates?.delete(candidate);
    if (candidates?.size === 0) entries.byToken.delete(token);
  }
  if (entries.byToken.size === 0 && entries.byPresence.size === 0) index.paths.delete(leading.path);
}
