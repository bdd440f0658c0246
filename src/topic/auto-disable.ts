// Whether a target that does nothing but fail is to be left alone (`auto_disable_after`). It is judged when an attempt fails, so a
// subscription that has nothing to deliver is never disabled, and no timer is needed: a span is over when two failures lie that far
// apart with no success in between.
//
// A disabled subscription is a paused one that says why: it keeps its backlog, and resuming it makes the count begin anew.

import { after, type EpochMs } from "../base/brands.js";
import type { Stamp } from "../queue/stamp.js";
import type { Subscription } from "./model.js";
import type { OpenPushes } from "./open-pushes.js";
import type { FoundSubscription } from "./topic-name.js";
import type { TopicTransaction } from "./view.js";

/** What the last attempt that failed under this command has told; undefined: none did. */
export type LastFailure = string | undefined;

/** To be told of each attempt that counts, before the place is written. Who is paused already has nothing to be disabled. */
export function countFailing(open: OpenPushes, hasFailed: boolean, { now }: Stamp): void {
  if (!hasFailed) open.failSince(undefined);
  else if (!open.subscription.settings.isPaused) open.failSince(open.place.failingSince ?? now);
}

/** Since when a subscription fails that is to be disabled now. */
export function failingForTooLong(
  open: OpenPushes,
  lastFailure: LastFailure,
  { now }: Stamp,
): EpochMs | undefined {
  const { autoDisableAfterMs, isPaused } = open.subscription.settings;
  const { failingSince } = open.place;
  if (autoDisableAfterMs === 0 || isPaused || lastFailure === undefined) return undefined;
  if (failingSince === undefined || after(failingSince, autoDisableAfterMs) > now) return undefined;
  return failingSince;
}

export function disable(
  topics: TopicTransaction,
  { topic, subscription }: FoundSubscription,
  failure: { readonly firstAt: EpochMs; readonly lastError: string },
  { now }: Stamp,
): void {
  const { firstAt: firstFailureAt, lastError } = failure;
  const disabled: Subscription = {
    ...subscription,
    settings: { ...subscription.settings, isPaused: true },
    disabled: { at: now, firstFailureAt, lastError },
    updatedAt: now,
    revision: subscription.revision + 1,
  };
  topics.putSubscription(topic, disabled, subscription);
}
