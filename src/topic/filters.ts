// Which messages are for a subscription: those that the filter takes which was in force when they were published.

import type { FilterVersion, Subscription, TopicMessage } from "./model.js";

/** The filter that judges a message: the last one that was set before it was published. */
function filterFor(
  { filters }: Pick<Subscription, "filters">,
  { sequence }: Pick<TopicMessage, "sequence">,
): FilterVersion | undefined {
  return filters.findLast(({ from }) => from <= sequence);
}

/** Filters that still judge a message at or after this place. */
export function filtersFrom(
  filters: readonly FilterVersion[],
  place: TopicMessage["sequence"],
): readonly FilterVersion[] {
  const current = filters.findLastIndex(({ from }) => from <= place);
  return current <= 0 ? filters : filters.slice(current);
}

/** Whether a message is for a subscription. This release refuses filters, so every one is. */
export function isFor(subscription: Subscription, message: TopicMessage): boolean {
  return filterFor(subscription, message)?.policy === undefined;
}
