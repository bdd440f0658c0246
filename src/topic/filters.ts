// Which messages are for a subscription: those that the filter takes which was in force when they were published.

import type { Sequence } from "../base/brands.js";
import { isSameFilter } from "./filter/canonical.js";
import { type CompiledFilter, compileFilter } from "./filter/compiled-filter.js";
import { explainFilter, type FilterExplanation } from "./filter/explain.js";
import { type FilteredMessage, MessageFacts } from "./filter/message-facts.js";
import { parseFilterPolicy } from "./filter/parse-policy.js";
import type { FilterProblem } from "./filter/problems.js";
import { bodyFor } from "./message-for-target.js";
import type { FilterVersion, Subscription, TargetKind, TopicMessage } from "./model.js";

/** What is wrong with a filter; nothing if it is good, or takes everything. */
export function filterProblems({
  policy,
  scope,
}: Pick<FilterVersion, "policy" | "scope">): readonly FilterProblem[] {
  if (policy === undefined) return [];
  const parsed = parseFilterPolicy(policy, scope);
  return parsed.kind === "invalid" ? parsed.problems : [];
}

/** Whether two filters that are good mean the same, however they are written. */
export function isSamePolicy(left: string, right: string, scope: FilterVersion["scope"]): boolean {
  const [one, other] = [parseFilterPolicy(left, scope), parseFilterPolicy(right, scope)];
  if (one.kind === "invalid" || other.kind === "invalid") return left === right;
  return isSameFilter(one.policy, other.policy);
}

export type FilterTried =
  | { readonly kind: "tried"; readonly explanation: FilterExplanation }
  | { readonly kind: "invalid"; readonly problems: readonly FilterProblem[] };

/** Says whether a filter takes a message, and why. */
export function tryFilter(
  policy: string,
  scope: FilterVersion["scope"],
  message: FilteredMessage,
): FilterTried {
  const parsed = parseFilterPolicy(policy, scope);
  if (parsed.kind === "invalid") return parsed;
  const filter = compileFilter(parsed.policy);
  return { kind: "tried", explanation: explainFilter(filter, new MessageFacts(message)) };
}

/** Filters that still judge a message at or after this place. */
export function filtersFrom(
  filters: readonly FilterVersion[],
  place: Sequence,
): readonly FilterVersion[] {
  const current = filters.findLastIndex(({ from }) => from <= place);
  return current <= 0 ? filters : filters.slice(current);
}

/** Whether a message is for a subscription, by the last filter that was set before it was published. */
export function isFor(
  { filters, kind }: Pick<Subscription, "filters" | "kind">,
  message: TopicMessage,
): boolean {
  const version = filters.findLast(({ from }) => from <= message.sequence);
  if (version?.policy === undefined) return true;
  const filter = compiledOf(version.policy, version.scope);
  return filter?.matches(factsOf(message, kind)) ?? false;
}

/** In words, key by key, why a message that is not for a subscription is not. */
export function whyNotFor(
  { filters, kind }: Pick<Subscription, "filters" | "kind">,
  message: TopicMessage,
): string {
  const version = filters.findLast(({ from }) => from <= message.sequence);
  const filter = version?.policy && compiledOf(version.policy, version.scope);
  if (!filter) return "The filter cannot be read, so it takes nothing.";
  return explainFilter(filter, factsOf(message, kind))
    .keys.filter(({ isMatched }) => !isMatched)
    .slice(0, keysToldMax)
    .map(({ path, explanation }) => `${path}: ${explanation}`)
    .join("; ");
}

/** A filter may have many keys, and a page many filters. */
const keysToldMax = 10;

/** A filter that is kept elsewhere; undefined: it cannot be read and takes nothing. */
export function compiledFor({ policy, scope }: FilterVersion): CompiledFilter | undefined {
  if (policy === undefined) return undefined;
  const parsed = parseFilterPolicy(policy, scope);
  return parsed.kind === "invalid" ? undefined : compileFilter(parsed.policy);
}

// Both are kept because a round looks at some messages for many subscriptions, and the next round at others for the same ones.

/** Filters kept ready, some 10 KB each; the one that was used first goes first. */
const compiledMax = 2_000;
const compiled = new Map<string, CompiledFilter>();
const facts = new WeakMap<TopicMessage, Map<TargetKind, MessageFacts>>();

/** Undefined: it cannot be read, though it could when it was set. Then it takes nothing. */
function compiledOf(policy: string, scope: FilterVersion["scope"]): CompiledFilter | undefined {
  const key = `${scope} ${policy}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const parsed = parseFilterPolicy(policy, scope);
  if (parsed.kind === "invalid") return undefined;
  const filter = compileFilter(parsed.policy);
  const [oldest] = compiled.keys();
  if (oldest !== undefined && compiled.size >= compiledMax) compiled.delete(oldest);
  compiled.set(key, filter);
  return filter;
}

/** What filters of subscriptions of a kind see of a message. */
export function factsOf(message: TopicMessage, kind: TargetKind): MessageFacts {
  const known = facts.get(message) ?? new Map<TargetKind, MessageFacts>();
  facts.set(message, known);
  const before = known.get(kind);
  if (before !== undefined) return before;
  const { attributes, isText, contentType } = message;
  // Of bytes only those that are said to be JSON can be looked into.
  const isReadable = isText || /^application\/(.+\+)?json\b/i.test(contentType);
  const body = isReadable ? bodyFor(message, kind) : undefined;
  const made = new MessageFacts({ attributes, body });
  known.set(kind, made);
  return made;
}
